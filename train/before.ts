/** A run that comes before another: what it goes on from. */
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../core/fault.ts'
import type { Experiment, Surroundings } from './experiment.ts'
import { runExperiment } from './run.ts'
import type { Change, Settings } from './settings.ts'
import { resolve } from './settings.ts'

/** The changes that a tree of settings asks for. */
const changesOf = (s: Settings, path = ''): ReadonlyArray<Change> =>
  Object.entries(s).flatMap(([k, value]) => (typeof value === 'object' && !Array.isArray(value)
    ? changesOf(Object.fromEntries(Object.entries(value)), path === '' ? k : `${path}.${k}`)
    : [{ place: 'the run before', path: path === '' ? k : `${path}.${k}`, value }]))

/** Runs an experiment with some of its settings changed, into a folder within that of the run it comes before; gives the folder. */
export const before = (e: Experiment, how: Surroundings, settings: Settings): TaskEither<Fault, string> => {
  const out = join(how.out, 'before')
  return pipe(
    e.resolve((defaults) => resolve(defaults, undefined, changesOf(settings))),
    TE.chain((r) => runExperiment(r, { name: e.name, out, device: how.device, resume: false, progress: how.progress, stopping: () => false })),
    TE.map(() => out),
  )
}
