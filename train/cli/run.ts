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
import { guarded, makeFolder } from '../../data/formats/file.ts'
import { checkBegun } from '../run/resumption.ts'
import type { Layer } from '../config/layers.ts'
import type { Experiment, Resolved } from '../run/experiment.ts'
import { decided } from '../run/experiment.ts'
import { startProgress } from '../run/log/progress.ts'
import { judge } from '../judge/judge.ts'
import type { Report, RunOptions } from '../run/run.ts'
import { runExperiment } from '../run/run.ts'

/** Makes a run's folder. */
const madeFolder = (out: string): TaskEither<Fault, void> =>
  guarded(
    'io',
    out,
  )(async () => {
    await makeFolder(join(out, 'checkpoints'))
    return E.right(undefined)
  })

/** Where and how a run goes, its name and its judge aside. */
export type Where = Omit<RunOptions, 'name' | 'judge'>

/**
 * Runs an experiment whose settings are decided, in a folder that is made. Faults: a folder that cannot be made; no run to resume; all of
 * training.
 */
export const runResolved = (r: Resolved, o: Where): TaskEither<Fault, Report> =>
  pipe(
    checkBegun(o.out, o.resume),
    TE.chain(() => madeFolder(o.out)),
    TE.chain(() => runExperiment(r, { ...o, name: r.name, judge })),
  )

export interface ProgramOptions extends Partial<Where> {
  /** Layers over the experiment's own settings, such as a file (`readLayer`). */
  readonly layers?: ReadonlyArray<Layer>
}

/**
 * Runs an experiment with its own settings, into `runs/NAME` where nothing else is said. Faults: wrong settings, all at once; those of
 * `runResolved`.
 */
export const run = (e: Experiment, { layers = [], ...o }: ProgramOptions = {}): TaskEither<Fault, Report> =>
  pipe(
    decided(e)(layers),
    TE.chain((r) => runResolved(r, { out: join('runs', r.name), resume: false, progress: startProgress(), stopping: () => false, ...o })),
  )
