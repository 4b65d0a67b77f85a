/** A run that comes before another: what it goes on from. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../core/fault.ts'
import { floatsOf } from '../data/tensor.ts'
import type { Values } from '../models/merge.ts'
import { latest } from './checkpoints.ts'
import { given } from './config/resolve.ts'
import type { Experiment, Surroundings } from './experiment.ts'
import { readBackbone, underRoots } from './huggingface/read.ts'
import { runExperiment } from './run.ts'

/**
 * What a run goes on with: the networks of a run's newest checkpoint, heads and all, student and teacher both as the teacher was; or the
 * backbone of a Hugging Face folder. Faults: those of reading.
 */
export const continued = (folder: string): TaskEither<Fault, Values> => pipe(
  latest(join(folder, 'checkpoints')),
  TE.chain(({ found }) => (O.isNone(found)
    ? pipe(readBackbone(folder), TE.map((b) => underRoots(b, ['student.backbone', 'teacher.backbone'])))
    : pipe(
      [...found.value.checkpoint.state].filter(([path]) => path.startsWith('teacher.') || path.startsWith('loss.')),
      TE.traverseArray(([path, x]) => TE.fromEither(E.map((v: Float32Array) => [path, v] as const)(floatsOf(path)(x)))),
      TE.map((values) => new Map([...values, ...values.map(([path, v]) => [path.replace(/^teacher\./, 'student.'), v] as const)])),
    ))),
)

/** Runs an experiment with some of its settings changed, into a folder within that of the run it comes before; gives the folder. */
export const before = (e: Experiment, how: Surroundings, settings: unknown): TaskEither<Fault, string> => {
  const out = join(how.out, 'before')
  return pipe(
    TE.fromEither(e.resolve([given(settings, 'the run before')])),
    TE.chain((r) => runExperiment(r, { name: e.name, out, device: how.device, resume: false, progress: how.progress, stopping: () => false })),
    TE.map(() => out),
  )
}
