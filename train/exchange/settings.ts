/** What the configuration of a run says of its backbone and its adapters, which no tensor of it says. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Unsaid } from '../../models/huggingface/family.ts'
import type { LoraOptions } from '../../models/lora.ts'
import type { Position } from '../../models/options.ts'
import { adapters as adapterSettings, adaptersOf } from '../config/adapters.ts'
import type { ReadOptions } from './huggingface/backbone.ts'

const rotary = t.partial({
  base: t.number,
  periods: t.union([t.null, t.tuple([t.number, t.number])]),
  normalize: t.keyof({ separate: null, max: null, min: null }),
  shift: t.number,
  jitter: t.number,
  rescale: t.number,
})

const network = t.partial({
  // of each stage where there are several
  heads: t.union([t.number, t.readonlyArray(t.number)]),
  eps: t.number,
  layerScale: t.union([t.null, t.number]),
  image: t.union([t.null, t.number]),
  offset: t.number,
  antialias: t.boolean,
  rope: t.union([t.null, rotary]),
})

/** Under any of the usual keys, of this release and of 0.1. */
const codec = t.partial({
  model: network,
  vit: network,
  backbone: network,
  augmentation: t.partial({ globalSize: t.number }),
  lora: t.unknown,
  strategies: t.partial({ lora: t.unknown }),
})

type Said = t.TypeOf<typeof codec>

const decoded = (config: unknown): Said =>
  pipe(
    codec.decode(config),
    E.getOrElse((): Said => ({})),
  )

/** The adapters of a run, as its settings say them. */
export const loraIn = (config: unknown): LoraOptions | undefined => {
  const { lora, strategies } = decoded(config)
  const given = lora ?? strategies?.lora ?? undefined
  return given === undefined
    ? undefined
    : pipe(
        adapterSettings.decode(given),
        E.match(() => undefined, adaptersOf),
      )
}

const positionOf = ({ rope, offset, antialias }: t.TypeOf<typeof network>): Position | undefined => {
  if (rope === undefined || rope === null)
    return offset === undefined ? undefined : { kind: 'learned', offset, antialias: antialias ?? false }
  const { base, periods, normalize, shift, jitter, rescale } = rope
  return {
    kind: 'rope',
    periods: periods === undefined || periods === null ? { base: base ?? 100 } : { min: periods[0], max: periods[1] },
    ...(normalize === undefined ? {} : { normalize }),
    ...(shift === undefined ? {} : { shift }),
    ...(jitter === undefined ? {} : { jitter }),
    ...(rescale === undefined ? {} : { rescale }),
  }
}

/** How the tensors of a run's backbone are to be read. `scaled`: whether there is LayerScale among them. */
export const readingIn = (config: unknown, scaled: boolean): Pick<ReadOptions, 'heads' | 'change'> => {
  const said = decoded(config)
  const n = { ...said.backbone, ...said.vit, ...said.model }
  const position = positionOf(n)
  // learned positions say themselves for which images they are
  const image = position?.kind === 'rope' ? (n.image ?? said.augmentation?.globalSize) : undefined
  const { heads, eps, layerScale } = n
  return {
    ...(typeof heads === 'number' ? { heads } : {}),
    change: {
      ...(eps === undefined ? {} : { eps }),
      ...(position === undefined ? {} : { position }),
      ...(image === undefined ? {} : { image }),
      ...(scaled && typeof layerScale === 'number' ? { layerScale } : {}),
    },
  }
}

/** What no tensor of a backbone with stages says. */
export const unsaidIn = (config: unknown): Unsaid => {
  const said = decoded(config)
  const { eps, image, layerScale } = said.model ?? {}
  const seen = typeof image === 'number' ? image : said.augmentation?.globalSize
  return {
    ...(eps === undefined ? {} : { eps }),
    ...(seen === undefined ? {} : { image: seen }),
    ...(typeof layerScale === 'number' ? { layerScale } : {}),
  }
}
