/** Programs about a trained network: `--model` names one, and where it is not given, an experiment trains one first. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import type { Split } from '../../data/readers/split.ts'
import type { Arguments, CommandSpec } from './arguments.ts'
import { answeringMain, codeOf, decided, execute, stoppedText } from './command.ts'
import { isProgram, startedAs } from './entry.ts'
import type { Ready } from './commands/program.ts'
import { withNetwork } from './commands/program.ts'
import { given, settingsOf } from '../config/settings.ts'
import type { Experiment } from '../run/experiment.ts'
import type { Report } from '../run/run.ts'
import { isSilent, spokenProgress } from './ranks.ts'
import { print, tell } from './terminal.ts'
import { guardedProgram } from './unexpected.ts'
import { folderMade } from '../../data/formats/file.ts'

/** A network on a device, images in 0..1 to use it on, and a folder for results. */
export interface Shown extends Ready {
  readonly images: Split
  readonly out: string
}

/** Lines for a person, and numbers that join the report. */
export interface Finding {
  readonly text: string
  readonly metrics: Readonly<Record<string, number>>
}

export interface Study {
  readonly name: string
  readonly about: string
  /** What trains a network where none is named, and whose settings say what the images are. */
  readonly trains: Experiment
  /** Settings of it that differ here. */
  readonly settings: unknown
  /** `judged(…)`, `looks(…)`, or a function of one's own. */
  readonly show: (s: Shown) => TaskEither<Fault, Finding>
}

/** What is left of a program that trained nothing. */
const untrained = (out: string): Omit<Report, 'stopped' | 'ending'> => ({
  steps: 0,
  loss: NaN,
  metrics: {},
  images_per_s: 0,
  target: '',
  out,
})

const showOn = (
  s: Study,
  e: Experiment,
  a: Arguments,
  model: string,
  trained: Omit<Report, 'stopped' | 'ending'>,
): TaskEither<Fault, void> =>
  pipe(
    decided(e, { ...a, model: O.none }, spokenProgress(a.speech).say),
    TE.chainFirst(({ out }) => folderMade(out)),
    TE.chain(({ r, out }) =>
      withNetwork(
        {
          ...a,
          target: O.some(r.settings.accelerator.target),
          threads: r.settings.accelerator.threads === 0 ? O.none : O.some(r.settings.accelerator.threads),
        },
        model,
        (ready) =>
          pipe(
            r.data(ready.progress.say),
            TE.chain((images) => s.show({ ...ready, images, out })),
            TE.map(({ text, metrics }) => {
              print(text)
              if (a.json) print(JSON.stringify({ ...trained, metrics: { ...trained.metrics, ...metrics }, target: ready.device.name, out }))
            }),
          ),
      ),
    ),
  )

const run =
  (s: Study, e: Experiment, call: string) =>
  (a: Arguments): TaskEither<Fault, number> => {
    if (O.isSome(a.model) && isSilent()) return TE.right(0)
    if (O.isSome(a.model))
      return pipe(
        showOn(s, e, a, a.model.value, untrained('')),
        TE.map(() => 0),
      )
    return pipe(
      execute(e, a, { call, words: process.argv.slice(2) }),
      TE.chain(({ stopped, ...report }) => {
        const code = codeOf(a, report)
        if (!stopped)
          return pipe(
            showOn(s, e, a, report.out, report),
            TE.map(() => code),
          )
        tell(stoppedText(call, { ...report, stopped }))
        if (a.json) print(JSON.stringify(report))
        return TE.right(code)
      }),
    )
  }

/** Runs when its file is the program that was started. Gives the experiment that trains, so that the file can export it. */
export const study = (module: string, s: Study): Experiment => {
  const e: Experiment = {
    ...s.trains,
    name: s.name,
    about: s.about,
    resolve: (layers) =>
      pipe(
        s.trains.resolve([given(s.settings, s.name), ...layers]),
        E.map((r) => ({ ...r, name: s.name })),
      ),
  }
  const call = startedAs()
  const spec: CommandSpec = {
    call,
    about: s.about,
    settings: settingsOf(e.settings),
    options: [
      {
        name: 'model',
        value: 'DIR|FILE',
        text: 'use this run, Hugging Face folder or official file; where it is not given, one is trained first',
      },
    ],
  }
  if (isProgram(module))
    void guardedProgram(() => answeringMain(spec, process.argv.slice(2), run(s, e, call))).then((code) => {
      process.exit(code)
    })
  return e
}
