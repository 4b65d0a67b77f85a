/** Programs about a trained network: `--model` names one, and where it is not given, an experiment trains one first. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import type { Split } from '../../data/readers/split.ts'
import type { Arguments, OptionSpec } from './arguments.ts'
import { answeringMain, codeOf, decided, execute, pluggedMain, stoppedText } from './command.ts'
import { isProgram, startedAs } from './entry.ts'
import type { Ready } from './commands/program.ts'
import { withNetwork } from './commands/program.ts'
import type { Say } from '../config/common.ts'
import type { Layer } from '../config/layers.ts'
import { given, settingsOf } from '../config/settings.ts'
import { following } from '../recipes/pluggable.ts'
import type { Experiment, Resolved } from '../run/experiment.ts'
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

/** What the images are, and where results go. */
interface Setting {
  readonly r: Resolved
  readonly out: string
}

const showOn = (
  s: Study,
  a: Arguments,
  model: string,
  trained: Omit<Report, 'stopped' | 'ending'>,
  { r, out }: Setting,
): TaskEither<Fault, void> =>
  pipe(
    folderMade(out),
    TE.chain(() =>
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
    if (O.isSome(a.model)) {
      const model = a.model.value
      return pipe(
        // nothing is trained that would follow the data
        decided(
          { name: e.name, about: e.about, settings: e.settings, resolve: e.resolve },
          { ...a, model: O.none },
          spokenProgress(a.speech).say,
        ),
        TE.chain((setting) => showOn(s, a, model, untrained(''), setting)),
        TE.map(() => 0),
      )
    }
    return pipe(
      execute(e, a, { call, words: process.argv.slice(2) }),
      TE.chain(({ decided: r, report: { stopped, ...report } }) => {
        const code = codeOf(a, report)
        if (!stopped)
          return pipe(
            showOn(s, a, report.out, report, { r, out: report.out }),
            TE.map(() => code),
          )
        tell(stoppedText(call, { ...report, stopped }))
        if (a.json) print(JSON.stringify(report))
        return TE.right(code)
      }),
    )
  }

const options = [
  {
    name: 'model',
    value: 'DIR|FILE',
    text: 'use this run, Hugging Face folder or official file; where it is not given, one is trained first',
  },
] as const satisfies ReadonlyArray<OptionSpec>

/** What trains, with the study's name and settings, also where it follows the data. */
const studied = (s: Study, trains: Experiment): Experiment =>
  following(trains, (e) => {
    const own = given(s.settings, s.name)
    const { adapted } = e
    const named = (other: Experiment): Experiment => ({
      name: s.name,
      settings: other.settings,
      about: s.about,
      resolve: (layers) =>
        pipe(
          other.resolve([own, ...layers]),
          E.map((r) => ({ ...r, name: s.name })),
        ),
    })
    return {
      ...named(e),
      ...(adapted === undefined
        ? {}
        : { adapted: (layers: ReadonlyArray<Layer>, say: Say) => pipe(adapted([own, ...layers], say), TE.map(named)) }),
    }
  })

/** Runs when its file is the program that was started. Gives the experiment that trains, so that the file can export it. */
export const study = (module: string, s: Study): Experiment => {
  const experiment = studied(s, s.trains)
  if (isProgram(module))
    void guardedProgram(() => {
      const argv = process.argv.slice(2)
      return pluggedMain({ experiment, call: startedAs(), options }, argv, (c) =>
        answeringMain(
          { call: c.call, about: s.about, settings: settingsOf(c.experiment.settings), options: c.options },
          argv,
          run(s, c.experiment, c.call),
        ),
      )
    }).then((code) => {
      process.exit(code)
    })
  return experiment
}
