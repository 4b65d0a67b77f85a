/** The backbone of a run folder: of its newest whole checkpoint, with the options that its configuration and its tensors tell. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { whatIs } from '../../data/formats/file.ts'
import { storedInMemory } from '../../data/formats/stored.ts'
import type { HostTensors } from '../../data/formats/tensor.ts'
import { adapted, isAdapter, merged } from './adapted.ts'
import type { Checkpoint } from '../run/checkpoint.ts'
import { checkpointsIn } from '../run/checkpoints.ts'
import type { Which } from '../run/resumption.ts'
import { checkpointOf } from '../run/resumption.ts'
import type { Network } from './network.ts'
import type { Backbone } from './huggingface/backbone.ts'
import { loraIn, readingIn, unsaidIn } from './settings.ts'
import { handedOn } from './huggingface/handing-on.ts'
import type { PyramidBackbone, ReadPyramidOptions } from './huggingface/pyramid.ts'
import { pyramidOfStored } from './huggingface/pyramid.ts'
import { writePyramid } from './huggingface/pyramid-writer.ts'
import { seenBy } from './seen.ts'
import { firstStudent, productRoot } from '../step/strategies/distil.ts'
import { fromState, readBackbone } from './huggingface/reader.ts'
import { writeBackbone } from './huggingface/writer.ts'

export interface RunOptions {
  readonly network: Network
  /** Adds trained adapters into their weights. */
  readonly mergeLora: boolean
  /** The checkpoint that is read: the newest by default. */
  readonly checkpoint?: Which
}

const below = (state: HostTensors, root: string): HostTensors =>
  new Map([...state].flatMap(([path, x]) => (path.startsWith(`${root}.`) ? [[path.slice(root.length + 1), x] as const] : [])))

/** Of several students (models/distil.ts), the one that is evaluated. */
const student = (state: HostTensors): string => (below(state, 'student.backbone').size > 0 ? 'student' : `student.${firstStudent}`)

/**
 * The tensors of a network's backbone; what a moving average shares with its student is the student's. The average of a run that distils
 * is no teacher.
 */
export const backboneState = (state: HostTensors, network: Network): HostTensors => {
  const trained = student(state)
  const average = below(state, productRoot).size > 0 ? trained.replace('student', productRoot) : 'teacher'
  return new Map([...below(state, `${trained}.backbone`), ...(network === 'teacher' ? below(state, `${average}.backbone`) : [])])
}

/** The tensors of a run's backbone, adapters merged, whatever it computes of them; and what its configuration says. */
const plainTensors = (place: string, c: Checkpoint, o: RunOptions): Either<Fault, HostTensors> => {
  const tensors = backboneState(c.state, o.network)
  const adapters = [...tensors.keys()].filter(isAdapter)
  if (tensors.size === 0)
    return E.left(
      fault('checkpoint', {
        place,
        found: 'no backbone',
        allowed: 'tensors under student.backbone',
        remedy: 'name the folder of a run of this project',
      }),
    )
  if (adapters.length > 0 && !o.mergeLora) return E.left(adapted(place, adapters, 'pass --merge-lora'))
  return adapters.length > 0 ? merged(place, tensors, loraIn(c.config)) : E.right(tensors)
}

/** Where a run writes a backbone that no other program has a class for. */
export const ownFolder = 'backbone'

/** The backbone that plain tensors of a run are. Faults: one with stages, or one of its own. */
export const vitOfTensors = (place: string, c: Checkpoint, plain: HostTensors): TaskEither<Fault, Backbone> =>
  pipe(
    TE.right(plain),
    TE.filterOrElse(
      () => c.backbone !== 'pyramid',
      () =>
        fault('usage', {
          place,
          found: 'a backbone with stages',
          allowed: 'a run whose backbone is a Vision Transformer',
          remedy: 'name the run as --model of a command, or its folder huggingface, which is written when it ends',
        }),
    ),
    TE.filterOrElse(
      () => c.backbone !== 'own',
      () =>
        fault('usage', {
          place,
          found: 'a backbone of its own, which only the program that trained it can compute',
          allowed: 'a run whose backbone is a Vision Transformer',
          remedy: `name its program: evaluate, features and attention take --program FILE; ${ownFolder}/backbone.onnx of the run has its features for others; training goes on from it in its own program (start.from)`,
        }),
    ),
    TE.chain(() => fromState(place, plain, readingIn(c.config, plain.has('blocks.0.ls1.gamma')))),
  )

/** The same with stages; none where the run has another. */
export const pyramidOfTensors = (
  place: string,
  c: Checkpoint,
  plain: HostTensors,
  o: ReadPyramidOptions = {},
): TaskEither<Fault, O.Option<PyramidBackbone>> =>
  c.backbone !== 'pyramid'
    ? TE.right(O.none)
    : pyramidOfStored(place, { tensors: storedInMemory(plain), metadata: {}, notes: [] }, o, unsaidIn(c.config))

const ofCheckpoint = (place: string, c: Checkpoint, o: RunOptions): TaskEither<Fault, Backbone> =>
  pipe(
    TE.fromEither(plainTensors(place, c, o)),
    TE.chain((plain) => vitOfTensors(place, c, plain)),
  )

/** What a run's newest checkpoint has of its backbone: tensors by path, and the heads of its attention where they are known. */
export interface RunTensors {
  readonly tensors: HostTensors
  readonly heads: number | undefined
}

/** The same for a network that goes on from a run, and knows itself what to compute. */
export const tensorsOfRun = (place: string, c: Checkpoint, o: RunOptions): Either<Fault, RunTensors> =>
  pipe(
    plainTensors(place, c, o),
    E.map((tensors) => ({ tensors, heads: readingIn(c.config, false).heads })),
  )

/** Whether a path is the folder of a run that has checkpoints. */
export const isRun = (path: string): TaskEither<Fault, boolean> =>
  pipe(
    whatIs(join(path, 'checkpoints')),
    TE.chain((what) =>
      what !== 'folder'
        ? TE.right(false)
        : pipe(
            checkpointsIn(join(path, 'checkpoints')),
            TE.map((files) => files.length > 0),
          ),
    ),
  )

/**
 * The backbone of a run. Where the folder has no checkpoints, that of its `huggingface` folder, or the folder's own. Faults: nothing of
 * these; no whole checkpoint; adapters that are not to be merged.
 */
export const readRun = (folder: string, o: RunOptions): TaskEither<Fault, Backbone> =>
  pipe(
    checkpointOf(join(folder, 'checkpoints'), o.checkpoint),
    TE.chain((found) =>
      O.isNone(found)
        ? readBackbone(folder)
        : pipe(
            ofCheckpoint(found.value.path, found.value.checkpoint, o),
            TE.bindTo('backbone'),
            TE.bind('seen', () => seenBy(folder)),
            TE.map(({ backbone, seen }): Backbone => ({ ...backbone, preprocessor: O.toUndefined(seen) })),
          ),
    ),
  )

/** The backbone of a run, where it is one with stages. Faults: as `readRun`. */
export const pyramidOfRun = (folder: string, o: RunOptions & ReadPyramidOptions): TaskEither<Fault, O.Option<PyramidBackbone>> =>
  pipe(
    checkpointOf(join(folder, 'checkpoints'), o.checkpoint),
    TE.chain((found) => {
      if (O.isNone(found) || found.value.checkpoint.backbone !== 'pyramid') return TE.right(O.none)
      const { path, checkpoint } = found.value
      return pipe(
        TE.fromEither(plainTensors(path, checkpoint, o)),
        TE.chain((plain) => pyramidOfTensors(path, checkpoint, plain, o)),
        TE.bindTo('b'),
        TE.bind('seen', () => seenBy(folder)),
        TE.map(({ b, seen }) =>
          pipe(
            b,
            O.map((x): PyramidBackbone => ({ ...x, preprocessor: O.toUndefined(seen) })),
          ),
        ),
      )
    }),
  )

/** Writes the moving average of a run into its `huggingface` folder, with stages or without. Faults: as `readRun` and `writeBackbone`. */
export const exportRun = (
  folder: string,
  o: RunOptions = { network: 'teacher', mergeLora: true },
): TaskEither<Fault, ReadonlyArray<string>> => {
  const out = join(folder, 'huggingface')
  return pipe(
    pyramidOfRun(folder, o),
    TE.chain(
      O.match(
        () =>
          pipe(
            readRun(folder, o),
            TE.chain((b) => writeBackbone(out, handedOn(b))(b)),
          ),
        (b) => writePyramid(out, handedOn(b))(b),
      ),
    ),
  )
}
