/**
 * Experiments that go on from a network: it says how the experiment's own is made, how large crops are and by what images are normalised,
 * where settings say nothing else.
 */
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import type { Say } from '../config/common.ts'
import type { Layer } from '../config/layers.ts'
import { stacked } from '../config/layers.ts'
import type { Given } from '../config/section.ts'
import { made } from '../run/origin.ts'
import { vit } from '../../models/vit.ts'
import type { Described } from '../exchange/transfer/description.ts'
import { described, writeInitial } from '../exchange/transfer/description.ts'
import type { Beginning, Experiment } from '../run/experiment.ts'
import type { Crops } from './parts/crops.ts'
import type { Images } from './parts/image-settings.ts'
import type { AnyNetwork } from './parts/any-network.ts'
import { networkOf } from './parts/network.ts'
import { pyramidSettings } from './parts/pyramid.ts'
import { isPluggable, pluggable } from './pluggable.ts'
import type { Start } from './parts/start.ts'
import { isRecord } from '../../data/formats/codec.ts'

/** What an experiment takes of the network that it goes on from. */
export interface Predecessor {
  readonly model: Given<AnyNetwork>
  readonly data: Given<Images>
  readonly augmentation: Given<Crops>
}

/** Pixels of a whole image as the network sees it: by its preprocessor_config.json, else what it was made for, up to DINO's 224. */
const sideOf = ({ image, view }: Described): number =>
  pipe(
    view,
    O.match(
      () => Math.min(224, image),
      (v) => v.size,
    ),
  )

const predecessor = (d: Described): Predecessor => {
  const { network } = d
  const patch = network.kind === 'vit' ? network.options.patch : network.pyramid.patch
  const side = Math.max(4, Math.floor(sideOf(d) / patch))
  return {
    model: network.kind === 'vit' ? { kind: 'vit', ...networkOf(network.options) } : pyramidSettings(network.pyramid.said),
    data: { normalisation: 'model' },
    augmentation: { recipe: 'v2', globalSize: side * patch, localSize: Math.max(1, Math.round(side * 0.43)) * patch },
  }
}

/** What a section of layers says of a setting. */
const saidIn = (layers: ReadonlyArray<Layer>, section: string, name: string): unknown => {
  const { tree } = stacked(layers)
  const within: unknown = isRecord(tree) ? tree[section] : undefined
  return isRecord(within) ? within[name] : undefined
}

/** What an experiment's own defaults say, where layers say nothing. */
export interface Said {
  readonly from?: string | undefined
  readonly base?: string | undefined
  readonly heads?: number | undefined
}

/** What layers (or else an experiment's own defaults) name to go on from; none where they name nothing. */
export const predecessorIn = (layers: ReadonlyArray<Layer>, say: Say, own: Said = {}): TaskEither<Fault, Option<Predecessor>> => {
  const from = saidIn(layers, 'start', 'from') ?? own.from
  const base = saidIn(layers, 'start', 'base') ?? own.base
  const heads = saidIn(layers, 'model', 'heads') ?? own.heads
  if (typeof from !== 'string' || from === '') return TE.right(O.none)
  return pipe(
    described(from, say, {
      ...(typeof heads === 'number' ? { heads } : {}),
      ...(typeof base === 'string' && base !== '' ? { base } : {}),
    }),
    TE.map((d) => O.some(predecessor(d))),
  )
}

const goingOnAs = (alone: Predecessor, make: (p: Predecessor) => Experiment): Experiment => ({
  ...make(alone),
  adapted: (layers, say) =>
    pipe(
      predecessorIn(layers, say),
      TE.map(O.match(() => make(alone), make)),
      // what is made may follow the data besides
      TE.chain((e) => e.adapted?.(layers, say) ?? TE.right(e)),
    ),
})

/** An experiment as it is made of the network that `start.from` (`--model`) names; `alone` is what is taken where nothing is named. */
export const goingOn = (alone: Predecessor, make: (p: Predecessor) => Experiment): Experiment =>
  isPluggable(make(alone))
    ? pluggable((a) =>
        goingOnAs(alone, (p) => {
          const e = make(p)
          return isPluggable(e) ? e.plugged(a) : e
        }),
      )
    : goingOnAs(alone, make)

/** The settings that say what is gone on from. */
interface Going {
  readonly start: Start
  readonly seed: number
}

/** What is gone on from: what is named, or where nothing is, a folder of random weights that is made for it. */
export const namedOrMade = ({ start: { from }, seed }: Going, how: Beginning): TaskEither<Fault, string> => {
  const own = how.method.evaluated.vit
  if (from !== '' || O.isNone(own)) return TE.right(from)
  how.say('no --model was given: a folder of random weights is made, and continued from')
  // of colour images, without a token for hidden patches: as most folders are
  return writeInitial(join(how.out, made.model), vit({ ...own.value.options, channels: 3, maskToken: false }), seed)
}
