/** A run as its own program computes it: the only way to a backbone, or to images, that no other program knows. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import type { Opener } from '../../data/readers/opener.ts'
import type { Split } from '../../data/readers/split.ts'
import type { Frozen, FrozenOptions } from '../judge/evaluate/network.ts'
import { readOwn } from '../judge/evaluate/own.ts'
import { decided } from '../run/experiment.ts'
import type { Arguments } from './arguments.ts'
import { spokenProgress } from './ranks.ts'
import { experimentAt } from './program-file.ts'
import { layersOf, withoutSettings } from './sources.ts'

export interface ProgramRun {
  readonly frozen: Frozen
  /** The images that the run was made of. */
  readonly images: TaskEither<Fault, Split>
  /** What opens other images as the program opens its own, where that is not by the readers. */
  readonly opens: Opener | undefined
}

/** What opens data as the program or plugin `file` does, with what `--set` says; nothing where that is by the readers. */
export const programOpener = (a: Arguments, file: string): TaskEither<Fault, Opener | undefined> =>
  pipe(
    experimentAt(file),
    TE.chain((experiment) =>
      pipe(
        TE.fromTask(layersOf(experiment.settings, { ...withoutSettings(a), config: O.none }, {})),
        TE.chainEitherK(experiment.resolve),
        TE.map(({ opens }) => opens),
      ),
    ),
  )

/**
 * The network of the run `run` as the program `file` computes it, with the run's own configuration and what `--set` changes of it. Faults:
 * no such program; a configuration or tensors that are not of it.
 */
export const readProgramRun = (
  a: Arguments,
  {
    file,
    run,
    options,
    say,
  }: { readonly file: string; readonly run: string; readonly options: FrozenOptions; readonly say: (text: string) => void },
): TaskEither<Fault, ProgramRun> =>
  pipe(
    experimentAt(file),
    TE.bindTo('experiment'),
    TE.bind('layers', ({ experiment }) =>
      TE.fromTask(layersOf(experiment.settings, { ...withoutSettings(a), config: O.some(join(run, 'config.yaml')) }, {})),
    ),
    TE.bind('resolved', ({ experiment, layers }) => decided(experiment, spokenProgress().say)(layers)),
    TE.bind('frozen', ({ resolved }) =>
      readOwn(
        run,
        (channels, side) =>
          pipe(
            resolved.assemble({ channels, side }),
            E.map(({ method }) => method.evaluated),
          ),
        options,
      ),
    ),
    TE.map(({ resolved, frozen }) => ({ frozen, images: resolved.data(say), opens: resolved.opens })),
  )
