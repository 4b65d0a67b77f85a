/** The command line of an experiment: what `npx tsx FILE.ts` does. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { commandLine } from '../../core/command.ts'
import type { Fault } from '../../core/fault.ts'
import { exitCode } from '../../core/fault.ts'
import { endWithParent, isRelayed, restarted, stopOnSignals } from './signals.ts'
import type { Arguments, CommandSpec, OptionSpec } from './arguments.ts'
import { collapseCode } from './arguments.ts'
import { parseArguments } from './parsing.ts'
import { isProgram, quoted, startedAs } from './entry.ts'
import { settingsOf } from '../config/settings.ts'
import { asksForHelp, pluggedBy } from './plugged.ts'
import { pluginOption } from './plugins.ts'
import { pluggedInto } from '../recipes/pluggable.ts'
import { layersOf } from './sources.ts'
import type { Say } from '../config/common.ts'
import type { Experiment, Resolved } from '../run/experiment.ts'
import { decided as decidedBy } from '../run/experiment.ts'
import type { Length } from '../run/length.ts'
import { counted } from '../../data/readers/note.ts'
import { knnName, percent, showRate } from '../run/log/numbers.ts'
import type { Report } from '../run/run.ts'
import { runResolved } from './run.ts'
import { isBegun } from '../run/resumption.ts'
import { isToldByAnother, spokenProgress, tellOnce } from './ranks.ts'
import { print, tell } from './terminal.ts'
import { guardedProgram, tellFault, watchRun } from './unexpected.ts'

/** How an experiment is started: what help and hints say. */
export interface Called {
  readonly experiment: Experiment
  readonly call: string
  readonly options?: ReadonlyArray<OptionSpec>
}

/** A run that is continued takes its own configuration where none is named. */
const withOwnConfig = async (a: Arguments, out: string): Promise<Arguments> =>
  a.resume && O.isNone(a.config) && (await isBegun(out)) ? { ...a, config: O.some(join(out, 'config.yaml')) } : a

/** What a command line decides of an experiment, and the folder that its run has. Faults: all that is wrong; nothing to continue. */
export const decided = (e: Experiment, a: Arguments, say: Say): TaskEither<Fault, { readonly r: Resolved; readonly out: string }> =>
  pipe(
    TE.fromTask(() => withOwnConfig(a, O.getOrElse(() => join('runs', e.name))(a.out))),
    TE.chain((own) => TE.fromTask(layersOf(e.settings, own, process.env))),
    // a run that is continued has decided everything
    TE.chain((layers) => (a.resume ? TE.fromEither(e.resolve(layers)) : decidedBy(e, say)(layers))),
    TE.map((r) => ({ r, out: O.getOrElse(() => join('runs', r.name))(a.out) })),
  )

/** A command as it was typed. */
interface Typed {
  readonly call: string
  readonly words: ReadonlyArray<string>
}

/** What is typed to go on with a run. */
const resuming = (call: string, out: string): string => `${call} --resume --out ${quoted(out)}`

/** What a person pastes who finds an earlier run in the folder: to go on with it, or to begin the one that was typed. */
const linesOf = ({ call, words }: Typed, out: string): { readonly resume: string; readonly overwrite: string } => ({
  resume: resuming(call, out),
  overwrite: [call, ...words.map(quoted), '--overwrite'].join(' '),
})

/** How long a run is, where steps do not say it. */
const lengthOf = ({ epochs, minutes }: Arguments): { readonly length?: Length } =>
  O.isSome(epochs)
    ? { length: { _tag: 'Epochs', epochs: epochs.value } }
    : O.isSome(minutes)
      ? { length: { _tag: 'Minutes', minutes: minutes.value } }
      : {}

/** What was decided, and what came of it. */
interface Executed {
  readonly decided: Resolved
  readonly report: Report
}

/** Runs an experiment as a command line says; a signal stops it after a step. */
export const execute = (e: Experiment, a: Arguments, typed?: Typed): TaskEither<Fault, Executed> => {
  const progress = spokenProgress(a.speech)
  const stopping = stopOnSignals(
    () => {
      progress.say('note: stopping after this step; press again to stop at once')
    },
    () => {
      process.exit(130)
    },
  )
  const watch = watchRun()
  const run = pipe(
    decided(e, a, progress.say),
    TE.chain(({ r, out }) =>
      pipe(
        runResolved(r, {
          out,
          resume: a.resume,
          overwrite: a.overwrite,
          ...(O.isSome(a.preview) ? { preview: a.preview.value } : {}),
          ...(typed === undefined ? {} : { lines: linesOf(typed, out) }),
          ...lengthOf(a),
          ...(a.speech === 'verbose' ? { tried: progress.say } : {}),
          progress,
          stopping: () => stopping() || watch.fault() !== undefined,
        }),
        TE.map((report) => ({ decided: r, report })),
      ),
    ),
  )
  return async () => {
    try {
      const done = await run()
      const fault = watch.fault()
      return fault === undefined ? done : E.left(fault)
    } finally {
      watch.end()
    }
  }
}

/** Why a run ended before its last step, and what a person may do; or that it collapsed. */
const endingLine = (call: string, r: Report): string => {
  const on = resuming(call, r.out)
  switch (r.ending) {
    case 'time':
      return `its minutes were over before the last step; ${on} goes on`
    case 'early':
      return `ended early: runtime.stopping.metric no longer improved; ${on} --set runtime.stopping=null goes on`
    case 'collapsed':
      return 'collapsed: the warnings above say by which sign, and what to change'
    default:
      return r.ending
  }
}

/** What a run that has ended is said to have come to; `k` neighbours have judged it. */
export const resultText = (c: string, r: Report, k: number): string => {
  const { knn_before, knn_after, knn_teacher, knn_pixels } = r.metrics
  const aside = [
    ...(knn_teacher === undefined ? [] : [`its teacher ${percent(knn_teacher)}`]),
    ...(knn_pixels === undefined ? [] : [`raw pixels ${percent(knn_pixels)}`]),
  ]
  return [
    `${counted(r.steps, 'step')}, loss ${r.loss.toFixed(3)}${r.images_per_s > 0 ? `, ${showRate(r.images_per_s)} images/s` : ''} on ${r.target}`,
    ...(knn_after === undefined
      ? []
      : [
          `${knnName(k)} ${knn_before === undefined ? '' : `${percent(knn_before)} before, `}${percent(knn_after)} after training${aside.length === 0 ? '' : ` (${aside.join(', ')})`}`,
        ]),
    ...(r.ending === 'finished' ? [] : [endingLine(c, r)]),
    ...(r.best === undefined
      ? []
      : [
          `best by ${r.best.metric}: step ${r.best.step}, ${join(r.out, r.best.checkpoint)} (${commandLine('hf')} export --run ${quoted(r.out)} --checkpoint best --out DIR)`,
        ]),
    `results in ${r.out}`,
  ].join('\n')
}

const specOf = ({ experiment: e, call, options }: Called): CommandSpec => ({
  call,
  about: e.about,
  settings: settingsOf(e.settings),
  ...(options === undefined ? {} : { options }),
})

/** The exit code of a run without a fault. */
export const codeOf = ({ failOnCollapse }: Pick<Arguments, 'failOnCollapse'>, { ending }: Pick<Report, 'ending'>): number =>
  failOnCollapse && ending === 'collapsed' ? collapseCode : 0

/** How a run that was stopped goes on. */
export const stoppedText = (call: string, r: Report): string => `stopped at step ${r.steps}; continue with: ${resuming(call, r.out)}`

const run =
  (c: Called, words: ReadonlyArray<string>) =>
  (a: Arguments): TaskEither<Fault, number> =>
    pipe(
      execute(c.experiment, a, { call: c.call, words }),
      TE.map(({ decided: { settings }, report }) => {
        const { stopped, ...final } = report
        tell(stopped ? stoppedText(c.call, report) : resultText(c.call, report, settings.evaluation.k))
        if (a.json) print(JSON.stringify(final))
        return codeOf(a, report)
      }),
    )

const runs = async (spec: CommandSpec, argv: ReadonlyArray<string>, body: (a: Arguments) => TaskEither<Fault, number>): Promise<number> => {
  const parsed = parseArguments(spec)(argv)
  if (E.isRight(parsed) && parsed.right._tag === 'Help') {
    print(parsed.right.text)
    return 0
  }
  const done = E.isLeft(parsed) ? parsed : parsed.right._tag === 'Run' ? await body(parsed.right.arguments)() : E.right(0)
  if (E.isRight(done)) return done.right
  return isToldByAnother(done.left) ? exitCode(done.left) : tellFault(done.left)
}

/** A program that may train for long, and runs files of a person's own once: in a process that answers signals. Gives the exit code. */
export const inOwnProcess = (argv: ReadonlyArray<string>, body: () => Promise<number>): Promise<number> =>
  isRelayed(process.execArgv) && !asksForHelp(argv) ? restarted() : body()

/** What the command line of such a program asks for. Gives the exit code. */
export const answeringMain = (
  spec: CommandSpec,
  argv: ReadonlyArray<string>,
  body: (a: Arguments) => TaskEither<Fault, number>,
): Promise<number> => {
  endWithParent()
  return runs(spec, argv, body)
}

/** Runs the command; gives the exit code. */
export const main = (c: Called, argv: ReadonlyArray<string>): Promise<number> => answeringMain(specOf(c), argv, run(c, argv))

/** A program with the plugins that its command line names; gives the exit code. */
export const pluggedMain = (
  { experiment, call, options }: Required<Called>,
  argv: ReadonlyArray<string>,
  body: (c: Required<Called>) => Promise<number>,
): Promise<number> =>
  inOwnProcess(argv, async () => {
    const own = [...options, pluginOption]
    const plugged = await pipe(
      pluggedBy({ call, name: experiment.name, options: own }, argv),
      TE.chainEitherK(({ added, call: named }) =>
        pipe(
          pluggedInto(experiment, added),
          E.map((e) => ({ experiment: e, call: named, options: own })),
        ),
      ),
    )()
    return E.isLeft(plugged) ? tellOnce(plugged.left) : body(plugged.right)
  })

/**
 * Runs the experiment when its file, `import.meta.url` or in CommonJS `__filename`, is the program that was started, and does nothing
 * when it is imported (by `npm run ir`, or by a test). Gives the experiment, so that the file can export it.
 */
export const command = (module: string, e: Experiment): Experiment => {
  if (isProgram(module))
    void guardedProgram(() => {
      const argv = process.argv.slice(2)
      return pluggedMain({ experiment: e, call: startedAs(), options: [] }, argv, (c) => main(c, argv))
    }).then((code) => {
      process.exit(code)
    })
  return e
}
