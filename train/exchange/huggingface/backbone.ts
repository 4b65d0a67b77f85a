/** A backbone with its weights, as a source has it and as it is wished. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Misuse } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { StoredTensors } from '../../../data/formats/stored.ts'
import type { Dialect } from '../../../models/huggingface/dialect.ts'
import type { HuggingFaceType } from '../../../models/huggingface/types.ts'
import type { VitOptions } from '../../../models/options.ts'
import type { Vit } from '../../../models/vit.ts'
import { vit } from '../../../models/vit.ts'
import type { Network } from '../network.ts'
import { adaptWeights } from './adaptation.ts'
import type { ChannelRule } from './imagery.ts'
import type { Preprocessor } from './preprocessor.ts'
import type { Unknown, Weights } from './weights.ts'
import { listOf } from './weights.ts'

export interface ReadOptions {
  /** What the backbone should have otherwise than the source says: channels, image, maskToken, dropPath, … */
  readonly change?: Partial<VitOptions>
  /** How patch embeddings change their channels. Default `sum`. */
  readonly channelRule?: ChannelRule
  /**
   * How positions are read at other grids. Default: as the source does it, transformers for its folders and the official code for
   * official names.
   */
  readonly dialect?: Dialect
  /** Default `refuse`. */
  readonly unknown?: Unknown
  /** Of a state dict, which does not say it. */
  readonly heads?: number
  /** Which network of a file that holds two. Default `teacher`. */
  readonly network?: Network
  /** Of tensors that the source does not have. Default 0. */
  readonly seed?: number
}

/** A backbone with its weights, as found. */
export interface Backbone {
  readonly model: Vit
  /** By the official names that the model flattens to. */
  readonly weights: Weights
  readonly source: HuggingFaceType | 'official'
  /** Element types of the tensors in the files. */
  readonly stored: ReadonlyArray<string>
  readonly preprocessor: Preprocessor | undefined
  /** What was adapted, ignored or begun anew, in words. */
  readonly notes: ReadonlyArray<string>
}

/** A backbone as a source has it, before anything is adapted. */
export interface Raw {
  readonly options: VitOptions
  readonly source: Backbone['source']
  readonly stored: ReadonlyArray<string>
  readonly weights: Weights
  readonly ignored: ReadonlyArray<string>
  readonly notes: ReadonlyArray<string>
}

/** What a model's options make wrong, at a place of the source. */
export const misused =
  (place: string, found: string) =>
  (m: Misuse): Fault =>
    fault('data', { place, found, ...m })

/** What the source says, but for what is wished otherwise. */
const changed = (raw: Raw, o: ReadOptions): VitOptions => ({ ...raw.options, ...o.change })

/** A backbone adapted to what is wished. */
export const finished = (raw: Raw, preprocessor: Preprocessor | undefined, o: ReadOptions): Either<Fault, Backbone> =>
  pipe(
    adaptWeights(vit(raw.options), vit(changed(raw, o)), { channels: o.channelRule ?? 'sum', seed: o.seed ?? 0 })(raw.weights),
    E.map(({ weights, notes }): Backbone => ({
      model: vit(changed(raw, o)),
      weights,
      source: raw.source,
      preprocessor,
      stored: raw.stored,
      notes: [...raw.notes, ...(raw.ignored.length === 0 ? [] : [`left out: ${listOf(raw.ignored)}`]), ...notes],
    })),
  )

/** Element types of tensors in files. */
export const typesOf = (tensors: StoredTensors): ReadonlyArray<string> => [
  ...new Set([...tensors.values()].map((x) => x.type.toLowerCase())),
]

/** A backbone's weights as first values of a run's tensors, under each of the roots: `student.backbone`, `teacher.backbone`. */
export const underRoots = (b: Pick<Backbone, 'weights'>, roots: ReadonlyArray<string>): ReadonlyMap<string, Float32Array> =>
  new Map(roots.flatMap((root) => [...b.weights].map(([path, x]) => [`${root}.${path}`, x] as const)))
