/** What a kind of backbone with stages is, for all that reads and writes it: one record for each kind. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { flow, pipe } from 'fp-ts/lib/function.js'
import type { Option } from 'fp-ts/lib/Option.js'
import * as O from 'fp-ts/lib/Option.js'
import type * as t from 'io-ts'
import type { Expr, Misuse } from '../../core/expr.ts'
import type { Model } from '../../core/model.ts'
import { byPath, declarations } from '../../core/model.ts'
import type { Shape } from '../../core/type.ts'
import type { FullConvnextOptions } from '../convnext.ts'
import type { PyramidFeatures, PyramidModel, PyramidOptions } from '../pyramid.ts'
import type { FullSwinOptions } from '../swin.ts'
import type { VitInput } from '../vit.ts'
import type { Mapping, Part, Plan } from './names.ts'
import type { Anchors } from './prefix.ts'
import type { HuggingFaceType, PyramidType } from './types.ts'

/** The options of a backbone with stages, by what settings call its kind. */
export type Said =
  { readonly kind: 'swin'; readonly options: FullSwinOptions } | { readonly kind: 'convnext'; readonly options: FullConvnextOptions }

/** A backbone with stages, whichever it is: its parameters are known by their paths alone. */
export interface Pyramid extends Model<unknown, Expr | VitInput, PyramidFeatures> {
  readonly width: number
  readonly patch: number
  readonly options: Required<PyramidOptions>
  readonly said: Said
  /** Of its norms. */
  readonly eps: number
  readonly family: Family
  /** The same with other channels, a mask token, another drop-path rate, for images of another size. */
  readonly changed: (c: PyramidOptions) => Pyramid
  /** Its `config.json`. */
  readonly config: Readonly<Record<string, unknown>>
  /** Which tensors of a folder of Hugging Face make ours, to read and to write. A mask token is written by none. */
  readonly plan: Plan
  /** The same for files with official names. */
  readonly officialPlan: Plan
}

/** What can be read of tensors by official names, beside what they cannot say. */
export interface Unsaid {
  readonly eps?: number
  readonly image?: number
  /** Where LayerScale began. */
  readonly layerScale?: number
}

export interface Family {
  /** `model_type` of `config.json`. */
  readonly type: PyramidType
  /** In words of a person. */
  readonly name: string
  /** Whose pictures it sees as: the type of Hugging Face that the processor of a folder is taken from. */
  readonly sees: HuggingFaceType
  /** Hands over the codec of its `config.json`, and what a decoded one describes; left: that it asks for what there is not. */
  readonly reading: <R>(use: <C>(codec: t.Type<C, unknown>, described: (c: C) => Either<Misuse, Pyramid>) => R) => R
  /** The backbone whose tensors by official names have these shapes. */
  readonly inferred: (shapes: ReadonlyMap<string, Shape>, unsaid: Unsaid) => Option<Pyramid>
  /** The names that transformers stores one of our tensors by, in the order of its rows. */
  readonly namesOf: (official: string) => ReadonlyArray<string>
  /** Which tensors name the backbone, whatever stands before them: in folders of Hugging Face, and in files with official names. */
  readonly anchors: Anchors
  readonly officialAnchors: Anchors
  /** A name as transformers stores it. */
  readonly flat: (name: string) => string
  /** Tensors that follow from others or from the options. */
  readonly isBuffer: (name: string) => boolean
  /** The fields of `config.json` that are no whole numbers by type. */
  readonly floats: ReadonlyArray<string>
  /** The weight whose second axis are the channels of images. */
  readonly stem: string
  /** What stands for the class token, and for attention, in words. */
  readonly says: string
}

/** Options with what they say by default. */
type Full<T> = T & Required<PyramidOptions> & { readonly eps: number }

/** A family by what is its own. */
export interface FamilyOf<C, T extends PyramidOptions, F extends Full<T>, P> extends Omit<Family, 'reading' | 'inferred' | 'namesOf'> {
  readonly codec: t.Type<C, unknown>
  readonly optionsOf: (c: C) => Either<Misuse, T>
  readonly make: (o: T) => PyramidModel<P> & { readonly options: F }
  readonly said: (o: F) => Said
  readonly configOf: (o: F) => Readonly<Record<string, unknown>>
  /** Their tensors of one of ours. */
  readonly partsOf: (official: string, shape: Shape) => ReadonlyArray<Part>
  readonly outlined: (shapes: ReadonlyMap<string, Shape>, unsaid: Unsaid) => Option<T>
}

const planned = (params: unknown, partsOf: (official: string, shape: Shape) => ReadonlyArray<Part>): Plan => ({
  mappings: declarations(params).map(([official, { shape }]): Mapping => ({
    official,
    shape,
    parts: partsOf(official, shape),
    neutral: 0,
  })),
  extras: [],
})

/** How many of the names that a number from 0 on makes are there, up to the first that is not. */
export const countOf = (shapes: ReadonlyMap<string, Shape>, name: (n: number) => string): number => {
  let n = 0
  while (shapes.has(name(n))) n++
  return n
}

/** A family, and how one of its backbones becomes one of any. */
export interface MadeFamily<T> {
  readonly family: Family
  readonly pyramid: (o: T) => Pyramid
}

export const familyOf = <C, T extends PyramidOptions, F extends Full<T>, P>(f: FamilyOf<C, T, F, P>): MadeFamily<T> => {
  const pyramid = (o: T): Pyramid => {
    const model = f.make(o)
    return {
      ...byPath(model),
      width: model.width,
      patch: model.patch,
      options: model.options,
      said: f.said(model.options),
      eps: model.options.eps,
      family,
      changed: (c) => pyramid({ ...o, ...c }),
      config: f.configOf(model.options),
      plan: planned(f.make({ ...o, maskToken: false }).params, f.partsOf),
      officialPlan: planned(model.params, (name, shape) => [{ name, shape }]),
    }
  }
  const family: Family = {
    type: f.type,
    name: f.name,
    sees: f.sees,
    reading: (use) => use(f.codec, flow(f.optionsOf, E.map(pyramid))),
    namesOf: (official) => f.partsOf(official, []).flatMap((part) => ('name' in part ? [part.name] : [])),
    inferred: (shapes, unsaid) => pipe(f.outlined(shapes, unsaid), O.map(pyramid)),
    anchors: f.anchors,
    officialAnchors: f.officialAnchors,
    flat: f.flat,
    isBuffer: f.isBuffer,
    floats: f.floats,
    stem: f.stem,
    says: f.says,
  }
  return { family, pyramid }
}
