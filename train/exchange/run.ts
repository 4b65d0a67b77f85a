/** The backbone of a run folder: of its newest whole checkpoint, with the options that its configuration and its tensors tell. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { whatIs } from '../../data/formats/file.ts'
import type { HostTensor, HostTensors } from '../../data/formats/tensor.ts'
import { floatTensor, floatsOf } from '../../data/formats/tensor.ts'
import type { LoraOptions } from '../../models/lora.ts'
import { adaptersFor } from '../../models/lora.ts'
import { merge } from './merge.ts'
import type { Checkpoint } from '../run/checkpoint.ts'
import { checkpointsIn, latest } from '../run/checkpoints.ts'
import type { Network } from './network.ts'
import type { Backbone } from './huggingface/reader.ts'
import { adapters as adapterSettings, adaptersOf } from '../config/adapters.ts'
import { firstStudent, productRoot } from '../step/strategies/distil.ts'
import { fromState, readBackbone } from './huggingface/reader.ts'
import { writeBackbone } from './huggingface/writer.ts'

export interface RunOptions {
  readonly network: Network
  /** Adds trained adapters into their weights. */
  readonly mergeLora: boolean
}

/** What a run's configuration says of its backbone and its adapters, under any of the usual keys. */
const network = t.partial({ heads: t.number, eps: t.number })

const settings = t.partial({ model: network, vit: network, backbone: network, lora: t.unknown, strategies: t.partial({ lora: t.unknown }) })

type RunSettings = t.TypeOf<typeof settings>

const settingsOf = (c: Checkpoint): RunSettings =>
  pipe(
    settings.decode(c.config),
    E.getOrElse((): RunSettings => ({})),
  )

/** The adapters of a run, as its settings say them. */
const loraOf = (s: RunSettings): LoraOptions | undefined => {
  const given = s.lora ?? s.strategies?.lora ?? undefined
  return given === undefined
    ? undefined
    : pipe(
        adapterSettings.decode(given),
        E.match(() => undefined, adaptersOf),
      )
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

/** Adapters added into their weights, by the run's own options of them. */
const merged = (place: string, tensors: HostTensors, lora: LoraOptions | undefined): Either<Fault, HostTensors> => {
  if (lora === undefined)
    return E.left(
      adapted(
        place,
        [...tensors.keys()].filter(isAdapter),
        'the configuration of the run has no "lora": merge them where the run was made',
      ),
    )
  const weights = [...tensors].filter(([path, x]) => path.endsWith('.weight') && !isAdapter(path) && x.shape.length > 1)
  // the options name modules as the run does, under `backbone`; what was frozen has none
  const adapters = weights
    .flatMap(([path, x]) => adaptersFor(lora)({ path: `backbone.${path}`, out: x.shape[0], inputs: x.shape.slice(1) }))
    .map((a) => ({ ...a, module: a.module.replace(/^backbone\./, ''), weight: a.weight.replace(/^backbone\./, '') }))
    .filter((a) => tensors.has(`${a.module}.lora_A.weight`))
  return pipe(
    [...tensors],
    E.traverseArray(([path, x]) =>
      pipe(
        floatsOf(path)(x),
        E.map((values) => [path, values] as const),
      ),
    ),
    E.chain((values) => merge(adapters)(new Map(values))),
    E.map(
      ({ values }) =>
        new Map<string, HostTensor>(
          [...values].map(([path, data]) => [path, floatTensor(tensors.get(path)?.shape ?? [data.length], data)]),
        ),
    ),
  )
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
  return adapters.length > 0 ? merged(place, tensors, loraOf(settingsOf(c))) : E.right(tensors)
}

const networkOf = (c: Checkpoint): t.TypeOf<typeof network> => {
  const s = settingsOf(c)
  return { ...s.backbone, ...s.vit, ...s.model }
}

/** Where a run writes a backbone that no other program has a class for. */
export const ownFolder = 'backbone'

const ofCheckpoint = (place: string, c: Checkpoint, o: RunOptions): TaskEither<Fault, Backbone> => {
  const { heads, eps } = networkOf(c)
  return pipe(
    TE.fromEither(plainTensors(place, c, o)),
    TE.filterOrElse(
      () => c.backbone !== 'own',
      () =>
        fault('usage', {
          place,
          found: 'a backbone of its own, which only the program that trained it can compute',
          allowed: 'a run whose backbone is a Vision Transformer',
          remedy: `take ${ownFolder}/backbone.onnx of the run, which has its features; training goes on from it in its own program (start.from)`,
        }),
    ),
    TE.chain((plain) =>
      fromState(place, plain, { ...(heads === undefined ? {} : { heads }), ...(eps === undefined ? {} : { change: { eps } }) }),
    ),
  )
}

/** What a run's newest checkpoint has of its backbone: tensors by path, and the heads of its attention where they are known. */
export interface RunTensors {
  readonly tensors: HostTensors
  readonly heads: number | undefined
}

/** The same for a network that goes on from a run, and knows itself what to compute. */
export const tensorsOfRun = (place: string, c: Checkpoint, o: RunOptions): Either<Fault, RunTensors> =>
  pipe(
    plainTensors(place, c, o),
    E.map((tensors) => ({ tensors, heads: networkOf(c).heads })),
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
    latest(join(folder, 'checkpoints')),
    TE.chain(({ found }) => (O.isSome(found) ? ofCheckpoint(found.value.path, found.value.checkpoint, o) : readBackbone(folder))),
  )

/** Writes the moving average of a run into its `huggingface` folder. Faults: as `readRun` and `writeBackbone`. */
export const exportRun = (
  folder: string,
  o: RunOptions = { network: 'teacher', mergeLora: true },
): TaskEither<Fault, ReadonlyArray<string>> => pipe(readRun(folder, o), TE.chain(writeBackbone(join(folder, 'huggingface'))))
