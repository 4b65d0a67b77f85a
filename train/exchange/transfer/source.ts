/**
 * What a run can start from: an earlier run, a Hugging Face folder or model, a file of official weights; with heads where there are any.
 */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { declarations } from '../../../core/model.ts'
import { openTensors } from '../../../data/formats/foreign.ts'
import type { StoredTensors } from '../../../data/formats/stored.ts'
import { readStored, storedInMemory } from '../../../data/formats/stored.ts'
import { floatsOf } from '../../../data/formats/tensor.ts'
import type { Checkpoint } from '../../run/checkpoint.ts'
import { latest } from '../../run/checkpoints.ts'
import { whatIs } from '../../../data/formats/file.ts'
import type { Backbone } from '../huggingface/backbone.ts'
import type { ModelOptions } from '../model.ts'
import { readModel, readPyramid } from '../model.ts'
import type { Network } from '../network.ts'
import { readRun, tensorsOfRun } from '../run.ts'
import { unwrapped } from '../../../models/huggingface/prefix.ts'
import type { PyramidBackbone } from '../huggingface/pyramid.ts'
import type { Weights } from '../huggingface/weights.ts'
import type { Tensor, Tensors } from './tensors.ts'

export interface Source {
  readonly backbone: Tensors
  /** Heads by their names: `dino_head.mlp.0.weight`. */
  readonly heads: Tensors
  /** What losses kept: `dino.center`. */
  readonly kept: Tensors
  /** Of the backbone's attention, where it is known. */
  readonly attentionHeads: number | undefined
  readonly notes: ReadonlyArray<string>
}

const tensorsOf = (params: unknown, weights: Weights): Tensors =>
  new Map(
    declarations(params).map(([path, d]): readonly [string, Tensor] => [
      path,
      { shape: d.shape, values: weights.get(path) ?? new Float32Array() },
    ]),
  )

/** The keys' bias is 0 where it is stored and not used, so that it may be read without its mask. */
const unmasked = (b: Backbone): Weights =>
  !b.model.options.maskKeyBias
    ? b.weights
    : new Map(
        [...b.weights].map(([path, x]) => [
          path,
          path.endsWith('attn.qkv.bias') ? x.map((v, i) => (Math.floor((3 * i) / x.length) === 1 ? 0 : v)) : x,
        ]),
      )

const ofBackbone = (b: Backbone): Source => ({
  backbone: tensorsOf(b.model.params, unmasked(b)),
  heads: new Map(),
  kept: new Map(),
  attentionHeads: b.model.options.heads,
  notes: b.notes,
})

/** Tensors with floats, renamed; none for those that have no name. */
const renamed = (place: string, tensors: StoredTensors, name: (path: string) => string | undefined): TaskEither<Fault, Tensors> => {
  const named = new Map(
    [...tensors.keys()].flatMap((path) => {
      const to = name(path)
      return to === undefined ? [] : [[path, to] as const]
    }),
  )
  return pipe(
    readStored(tensors, named.keys()),
    TE.chainEitherK((read) =>
      pipe(
        [...read],
        E.traverseArray(([path, x]) =>
          pipe(
            floatsOf(`${place}: ${path}`)(x),
            E.map((values): readonly [string, Tensor] => [named.get(path) ?? path, { shape: x.shape, values }]),
          ),
        ),
      ),
    ),
    TE.map((all) => new Map(all)),
  )
}

/** The heads of a network in a training checkpoint, official or ours. */
const headsIn = (place: string, tensors: StoredTensors, network: Network): TaskEither<Fault, Tensors> => {
  const both = [...tensors.keys()].some((path) => path.startsWith(`${network}.`))
  return renamed(place, tensors, (path) =>
    both && !path.startsWith(`${network}.`)
      ? undefined
      : /(?:^|\.)((?:dino_head|ibot_head|head)\.(?:mlp|last_layer)\..*)$/.exec(unwrapped(path))?.[1],
  )
}

/** The backbone of a run: as the network that it is, or as bare tensors of one that only its own program knows. */
const backboneOf = (folder: string, place: string, c: Checkpoint, network: Network): TaskEither<Fault, Source> =>
  c.backbone === undefined || c.backbone === 'vit'
    ? pipe(readRun(folder, { network, mergeLora: true }), TE.map(ofBackbone))
    : pipe(
        TE.fromEither(tensorsOfRun(place, c, { network, mergeLora: true })),
        TE.chain(({ tensors, heads }) =>
          pipe(
            renamed(place, storedInMemory(tensors), (path) => path),
            TE.map((backbone): Source => ({ backbone, heads: new Map(), kept: new Map(), attentionHeads: heads, notes: [] })),
          ),
        ),
      )

const fromRun = (folder: string, place: string, c: Checkpoint, network: Network): TaskEither<Fault, Source> =>
  pipe(
    TE.Do,
    TE.bind('backbone', () => backboneOf(folder, place, c, network)),
    TE.bind('heads', () => headsIn(place, storedInMemory(c.state), network)),
    TE.bind('kept', () =>
      renamed(place, storedInMemory(c.state), (path) => (path.startsWith('loss.') ? path.slice('loss.'.length) : undefined)),
    ),
    TE.map(({ backbone, heads, kept }) => ({ ...backbone, heads, kept })),
  )

const ofPyramid = ({ model, weights, notes }: PyramidBackbone): Source => ({
  backbone: tensorsOf(model.params, weights),
  heads: new Map(),
  kept: new Map(),
  attentionHeads: undefined,
  notes,
})

/** A folder or a file of a backbone, with stages or without. */
const ofModel = (path: string, o: SourceOptions): TaskEither<Fault, Source> =>
  pipe(
    readPyramid(path, { network: o.network, ...(o.base === undefined ? {} : { base: o.base }) }),
    TE.chain(
      O.match(
        () => pipe(readModel(path, o), TE.map(ofBackbone)),
        (b) => TE.right(ofPyramid(b)),
      ),
    ),
  )

const fromFile = (file: string, o: SourceOptions): TaskEither<Fault, Source> =>
  pipe(
    TE.Do,
    TE.bind('backbone', () => ofModel(file, o)),
    TE.bind('heads', () =>
      pipe(
        openTensors(file),
        TE.chain(({ tensors }) => headsIn(file, tensors, o.network)),
      ),
    ),
    TE.map(({ backbone, heads }) => ({ ...backbone, heads })),
  )

/** Which network of a run, and what else says of a source what it does not. */
export interface SourceOptions extends Pick<ModelOptions, 'heads' | 'base'> {
  readonly network: Network
}

/** Reads a path. Faults: those of reading. */
export const readSource = (path: string, o: SourceOptions): TaskEither<Fault, Source> =>
  pipe(
    whatIs(path),
    TE.chain((what) =>
      what === 'file'
        ? fromFile(path, o)
        : pipe(
            latest(join(path, 'checkpoints')),
            TE.chain(({ found }) =>
              O.isSome(found) ? fromRun(path, found.value.path, found.value.checkpoint, o.network) : ofModel(path, o),
            ),
          ),
    ),
  )
