/**
 * Runs from a program. What a YAML file says and what a program says are the same thing: these two make the same run, bit for bit.
 *
 *     const result = await run(recipe({ name: 'small', objective: { kind: 'dinov1' }, model: { width: 64 }, steps: 300 }))()
 *     npm run train -- --config small.yaml
 */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import type { Layer } from '../config/layers.ts'
import type { Experiment, Resolved } from '../run/experiment.ts'
import { decided } from '../run/experiment.ts'
import { judge } from '../judge/judge.ts'
import { takeFolder } from '../run/folder.ts'
import type { Report } from '../run/run.ts'
import { runExperiment } from '../run/run.ts'
import { amongRanks, launched, spokenProgress } from './ranks.ts'
import type { Where } from './where.ts'

const alone =
  (r: Resolved, { overwrite = false, lines, ...o }: Where): TaskEither<Fault, Report> =>
  async () => {
    const taken = await takeFolder(o.out, { resume: o.resume, overwrite, say: o.progress.say, ...(lines === undefined ? {} : { lines }) })()
    if (E.isLeft(taken)) return taken
    try {
      return await runExperiment(r, { ...o, name: r.name, judge })()
    } finally {
      await taken.right.release()
    }
  }

/**
 * Runs an experiment whose settings are decided, in a folder that no other run has meanwhile; as one of several ranks where a launcher of
 * MPI has started this process. Faults: those of `takeFolder`; all of training.
 */
export const runResolved = (r: Resolved, o: Where): TaskEither<Fault, Report> => {
  const l = launched()
  return l === undefined ? alone(r, o) : amongRanks(l, alone)(r, o)
}

export interface ProgramOptions extends Partial<Where> {
  /** Layers over the experiment's own settings, such as a file (`readLayer`). */
  readonly layers?: ReadonlyArray<Layer>
}

/**
 * Runs an experiment with its own settings, into `runs/NAME` where nothing else is said. Faults: wrong settings, all at once; those of
 * `runResolved`.
 */
export const run = (e: Experiment, { layers = [], progress = spokenProgress(), ...o }: ProgramOptions = {}): TaskEither<Fault, Report> =>
  pipe(
    decided(e, progress.say)(layers),
    TE.chain((r) => runResolved(r, { out: join('runs', r.name), resume: false, progress, stopping: () => false, ...o })),
  )
