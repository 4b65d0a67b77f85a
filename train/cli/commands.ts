/** All commands by name: what each is for, and where it stands. A command is loaded when it is asked for. */

/** What a file of a command exports: it takes the words behind the command's name, and returns the exit code. */
export interface CommandFile {
  readonly main: (argv: ReadonlyArray<string>) => Promise<number>
}

export interface Command {
  readonly about: string
  readonly load: () => Promise<CommandFile>
  /** All ranks take part where a launcher has started several; by default the first one does it alone. */
  readonly shared?: boolean
  /** Ends the process with the command: what a run has opened (threads, devices) may outlive it. */
  readonly ends?: boolean
}

export const commands: Readonly<Record<string, Command>> = {
  train: { about: 'trains what a configuration says', load: () => import('./commands/train.ts'), shared: true, ends: true },
  new: { about: 'writes an experiment, a loss or a backbone to begin with, and its test', load: () => import('./commands/new.ts') },
  repl: { about: 'evaluates programs of the language line by line', load: () => import('./commands/repl.ts') },
  search: {
    about: 'looks for settings that a method learns best with on some images',
    load: () => import('./commands/search.ts'),
    ends: true,
  },
  evaluate: {
    about: 'judges the features of a trained network: knn, linear, logistic, medmnist',
    load: () => import('./commands/evaluate.ts'),
    shared: true,
  },
  features: { about: 'writes class and patch features of images', load: () => import('./commands/features.ts'), shared: true },
  attention: { about: 'draws where a network looks in an image', load: () => import('./commands/attention.ts') },
  export: { about: 'writes a network as ONNX', load: () => import('./commands/export.ts') },
  hf: { about: 'exports, imports, inspects and sends Hugging Face folders', load: () => import('./commands/hf.ts') },
  data: { about: 'inspects images, and writes them as they are read', load: () => import('./commands/data.ts') },
  report: { about: 'writes the page of a run again, or one of several runs', load: () => import('./commands/report.ts') },
  watch: { about: 'shows the page of a run in a browser while it goes on', load: () => import('./commands/watch.ts'), ends: true },
  ir: { about: 'prints the training step of an experiment at any stage of the compiler', load: () => import('./commands/ir.ts') },
  compile: {
    about: 'compiles a training step for a GPU or TPU that is not here, and says what it takes there',
    load: () => import('./commands/compile.ts'),
  },
  accelerator: {
    about: 'lists and installs plugins for GPUs and TPUs, for the targets pjrt:…',
    load: () => import('./commands/accelerator.ts'),
  },
}
