/** The backbone of a run folder: of its newest whole checkpoint, with the options that its configuration and its tensors tell. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { fault, faultsOf } from '../../core/fault.ts'
import { whatIs } from '../../data/formats/file.ts'
import { storedInMemory } from '../../data/formats/stored.ts'
import type { HostTensor, HostTensors } from '../../data/formats/tensor.ts'
import { floatTensor, floatsOf } from '../../data/formats/tensor.ts'
import type { Adapter, LoraOptions } from '../../models/lora.ts'
import { adaptersFor } from '../../models/lora.ts'
import type { Values } from '../step/values.ts'
import { merge } from './merge.ts'
import { baseOf, originIn } from './origin.ts'
import { configFile, tensorsFile, writeAdapters } from './peft/folder.ts'
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

const isAdapter = (path: string): boolean => /\.lora_(A|B|magnitude_vector)/.test(path)

/** Of several students (models/distil.ts), the one that is evaluated. */
const student = (state: HostTensors): string => (below(state, 'student.backbone').size > 0 ? 'student' : `student.${firstStudent}`)

/**
 * The tensors of a network's backbone; what a moving average shares with its student is the student's. The average of a run that distils
 * is no teacher.
 */
const backboneState = (state: HostTensors, network: Network): HostTensors => {
  const trained = student(state)
  const average = below(state, productRoot).size > 0 ? trained.replace('student', productRoot) : 'teacher'
  return new Map([...below(state, `${trained}.backbone`), ...(network === 'teacher' ? below(state, `${average}.backbone`) : [])])
}

const adapted = (place: string, adapters: ReadonlyArray<string>, remedy: string): Fault =>
  fault('usage', {
    place,
    found: `adapters that are not merged: ${adapters[0]} and ${adapters.length - 1} more`,
    allowed: 'a backbone of plain weights',
    remedy,
  })

/** The adapters of a run's tensors, by its own options of them, with paths as the run has them; what was frozen has none. */
const adaptersIn = (tensors: HostTensors, lora: LoraOptions): ReadonlyArray<Adapter> =>
  [...tensors]
    .filter(([path, x]) => path.endsWith('.weight') && !isAdapter(path) && x.shape.length > 1)
    .flatMap(([path, x]) => adaptersFor(lora)({ path: `backbone.${path}`, out: x.shape[0], inputs: x.shape.slice(1) }))
    .filter((a) => tensors.has(`${a.module.replace(/^backbone\./, '')}.lora_A.weight`))

const valuesOf = (tensors: HostTensors): Either<Fault, Values> =>
  pipe(
    [...tensors],
    E.traverseArray(([path, x]) =>
      pipe(
        floatsOf(path)(x),
        E.map((values) => [`backbone.${path}`, values] as const),
      ),
    ),
    E.map((all) => new Map(all)),
  )

const unknownAdapters = (place: string, tensors: HostTensors): Fault =>
  adapted(place, [...tensors.keys()].filter(isAdapter), 'the configuration of the run has no "lora": merge them where the run was made')

/** Adapters added into their weights. */
const merged = (place: string, tensors: HostTensors, lora: LoraOptions | undefined): Either<Fault, HostTensors> =>
  lora === undefined
    ? E.left(unknownAdapters(place, tensors))
    : pipe(
        valuesOf(tensors),
        E.chain(merge(adaptersIn(tensors, lora))),
        E.map(
          ({ values }) =>
            new Map<string, HostTensor>(
              [...values].map(([path, data]) => {
                const own = path.replace(/^backbone\./, '')
                return [own, floatTensor(tensors.get(own)?.shape ?? [data.length], data)]
              }),
            ),
        ),
      )

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

const ofCheckpoint = (place: string, c: Checkpoint, o: RunOptions): TaskEither<Fault, Backbone> =>
  pipe(
    TE.fromEither(plainTensors(place, c, o)),
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
    TE.chain((plain) => fromState(place, plain, readingIn(c.config, plain.has('blocks.0.ls1.gamma')))),
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
        TE.chain((plain) =>
          pyramidOfStored(path, { tensors: storedInMemory(plain), metadata: {}, notes: [] }, o, unsaidIn(checkpoint.config)),
        ),
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

/** Writes the moving average of a run into its `huggingface` folder. Faults: as `readRun` and `writeBackbone`. */
export const exportRun = (
  folder: string,
  o: RunOptions = { network: 'teacher', mergeLora: true },
): TaskEither<Fault, ReadonlyArray<string>> =>
  pipe(
    readRun(folder, o),
    TE.chain((b) => writeBackbone(join(folder, 'huggingface'), handedOn(b))(b)),
  )

/** The frozen network below adapters, as a folder of Hugging Face. */
const baseWritten = (out: string, place: string, c: Checkpoint, tensors: HostTensors): TaskEither<Fault, void> => {
  const plain = new Map([...tensors].filter(([path]) => !isAdapter(path)))
  return pipe(
    fromState(place, plain, readingIn(c.config, plain.has('blocks.0.ls1.gamma'))),
    TE.chain((b) => writeBackbone(out, handedOn(b))(b)),
    TE.map(() => undefined),
  )
}

/** The adapters of a run's checkpoint as a folder of peft, with the model that they belong to where that is known. */
export const exportAdapters = (
  folder: string,
  out: string,
  { network, checkpoint }: Pick<RunOptions, 'network' | 'checkpoint'>,
): TaskEither<Fault, ReadonlyArray<string>> =>
  pipe(
    checkpointOf(join(folder, 'checkpoints'), checkpoint),
    TE.chainEitherK((found) =>
      E.fromOption(() => faultsOf('checkpoint')(folder, 'no checkpoint', 'the folder of a run', 'name the folder of a run that has begun'))(
        found,
      ),
    ),
    TE.bindTo('found'),
    TE.bind('tensors', ({ found }) => TE.right(backboneState(found.checkpoint.state, network))),
    TE.bind('lora', ({ found, tensors }) =>
      TE.fromEither(
        [...tensors.keys()].some(isAdapter)
          ? E.fromNullable(unknownAdapters(found.path, tensors))(loraIn(found.checkpoint.config))
          : E.left(faultsOf('usage')(found.path, 'no adapters', 'a run with strategies.lora', 'export it without --adapter')),
      ),
    ),
    TE.bind('backbone', ({ found }) => ofCheckpoint(found.path, found.checkpoint, { network, mergeLora: true })),
    TE.bind('values', ({ tensors }) => TE.fromEither(valuesOf(tensors))),
    TE.bind('base', ({ found, backbone }) => baseOf(originIn(found.checkpoint.config), folder, O.some(backbone.model))),
    TE.chainFirst(({ base, found, tensors }) =>
      base.unwritten && base.name !== undefined ? baseWritten(base.name, found.path, found.checkpoint, tensors) : TE.right(undefined),
    ),
    TE.chain(({ tensors, lora, values, base }) =>
      writeAdapters(
        out,
        {
          names: base.names,
          lora,
          ...(base.name === undefined ? {} : { base: base.name }),
          shapes: new Map([...tensors].map(([path, x]) => [`backbone.${path}`, x.shape])),
        },
        adaptersIn(tensors, lora),
      )(values),
    ),
    TE.map(() => [configFile, tensorsFile]),
  )
