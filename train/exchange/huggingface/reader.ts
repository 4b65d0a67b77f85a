/** Reads a backbone from a folder of Hugging Face or timm, or from a file of weights with official names. */
import { dirname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Misuse } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { declarations } from '../../../core/model.ts'
import { showShape } from '../../../core/type.ts'
import { decodeAs } from '../../../data/formats/codec.ts'
import { whatIs } from '../../../data/formats/file.ts'
import { openTensors } from '../../../data/formats/foreign.ts'
import { readJson } from '../../../data/formats/json.ts'
import type { Stored, StoredTensors } from '../../../data/formats/stored.ts'
import { readStored, storedInMemory } from '../../../data/formats/stored.ts'
import type { HostTensors } from '../../../data/formats/tensor.ts'
import type { Dialect } from '../../../models/huggingface/config.ts'
import { optionsOf } from '../../../models/huggingface/config.ts'
import { families } from '../../../models/huggingface/families.ts'
import type { HuggingFaceConfig } from '../../../models/huggingface/keys.ts'
import { configCodec } from '../../../models/huggingface/keys.ts'
import type { Plan } from '../../../models/huggingface/names.ts'
import { anchorsOf, flatName, isBesideModel, namesOf, readingPlan } from '../../../models/huggingface/names.ts'
import type { Officially } from '../../../models/huggingface/official.ts'
import { isBesideBackbone, officially } from '../../../models/huggingface/official.ts'
import type { HuggingFaceType } from '../../../models/huggingface/types.ts'
import type { VitOptions } from '../../../models/options.ts'
import { fullOptions } from '../../../models/options.ts'
import type { Vit } from '../../../models/vit.ts'
import { vit } from '../../../models/vit.ts'
import type { Network } from '../network.ts'
import { adaptWeights } from './adaptation.ts'
import { openWeights } from './files.ts'
import type { ChannelRule } from './imagery.ts'
import { locate } from './locate.ts'
import { inferOptions } from './outline.ts'
import type { Preprocessor } from './preprocessor.ts'
import { processorOf } from './processor.ts'
import { isTimm, timmOf } from './timm.ts'
import type { Unknown, Weights } from './weights.ts'
import { gatherWeights, listOf, misfit, sameButOnes } from './weights.ts'

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

interface Raw {
  readonly options: VitOptions
  readonly source: Backbone['source']
  readonly stored: ReadonlyArray<string>
  readonly weights: Weights
  readonly ignored: ReadonlyArray<string>
  readonly notes: ReadonlyArray<string>
}

const misused =
  (place: string, found: string) =>
  (m: Misuse): Fault =>
    fault('data', { place, found, ...m })

/** What the source says, but for what is wished otherwise. */
const changed = (raw: Raw, o: ReadOptions): VitOptions => ({ ...raw.options, ...o.change })

const finished = (raw: Raw, preprocessor: Preprocessor | undefined, o: ReadOptions): Either<Fault, Backbone> =>
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

const typesOf = (tensors: StoredTensors): ReadonlyArray<string> => [...new Set([...tensors.values()].map((x) => x.type.toLowerCase()))]

/** A mask token that a configuration means and a file has not: masks are for training, so that it may begin anew. */
const withoutMask = (type: HuggingFaceType, options: VitOptions, tensors: StoredTensors): VitOptions =>
  options.maskToken === true && !tensors.has(namesOf(type, 'mask_token')[0]) ? { ...options, maskToken: false } : options

/** A backbone that a configuration describes, from the tensors of its files. */
const described = (folder: string, config: HuggingFaceConfig, stored: Stored, o: ReadOptions): TaskEither<Fault, Raw> =>
  pipe(
    TE.fromEither(
      pipe(optionsOf(config, o.dialect), E.mapLeft(misused(join(folder, 'config.json'), `a ${config.model_type} that is not supported`))),
    ),
    TE.bindTo('said'),
    TE.bind('located', () => TE.fromEither(locate(folder, stored.tensors, [anchorsOf(config.model_type)], o.network ?? 'teacher'))),
    TE.chain(({ said, located }) => {
      const type = config.model_type
      const inside = new Map([...located.inside].map(([name, x]) => [flatName(name), x]))
      const options = withoutMask(type, said, inside)
      // ViT for masked modelling has one, and its features none
      const beside = (name: string): boolean => isBesideModel(name) || (name === 'embeddings.mask_token' && options.maskToken !== true)
      return pipe(
        gatherWeights(folder, readingPlan(type, fullOptions(options)), o.unknown ?? 'refuse', beside)(inside),
        TE.map((gathered): Raw => ({
          options,
          source: type,
          stored: typesOf(inside),
          ...gathered,
          notes: [...stored.notes, ...located.notes],
        })),
      )
    }),
  )

const fromFolder = (folder: string, o: ReadOptions): TaskEither<Fault, Backbone> => {
  const file = join(folder, 'config.json')
  return pipe(
    readJson(file, t.UnknownRecord),
    TE.chainEitherK(
      E.fromOption(() =>
        fault('data', {
          place: folder,
          found: 'no config.json',
          allowed: 'a Hugging Face folder with config.json and its weights',
          remedy: 'name such a folder, or a file of weights',
        }),
      ),
    ),
    TE.bindTo('json'),
    TE.bind('stored', () => openWeights(folder)),
    TE.chain(({ json, stored }) =>
      isTimm(json)
        ? fromTimm(folder, json, stored, o)
        : pipe(
            TE.fromEither(decodeAs(configCodec, 'data', file, 'choose another model, or correct config.json')(json)),
            TE.bindTo('config'),
            TE.bind('raw', ({ config }) => described(folder, config, stored, o)),
            TE.bind('preprocessor', () => processorOf(folder)),
            TE.chainEitherK(({ raw, preprocessor }) => finished(raw, O.toUndefined(preprocessor), o)),
          ),
    ),
  )
}

const fromTimm = (folder: string, json: unknown, stored: Stored, o: ReadOptions): TaskEither<Fault, Backbone> =>
  pipe(
    TE.fromEither(timmOf(join(folder, 'config.json'), json)),
    TE.chain((known) =>
      pipe(
        rawOfState(folder, stored, { ...(known.heads === undefined ? {} : { heads: known.heads }), ...o }, known.change),
        TE.chainEitherK((raw) => finished(raw, known.preprocessor, o)),
      ),
    ),
  )

/** Each of our tensors by those of the file that it is. */
const planOf = (options: VitOptions, known: Officially): Plan => ({
  mappings: declarations(vit(options).params).map(([official, d]) => ({
    official,
    shape: d.shape,
    parts: known.get(official)?.parts ?? [{ name: official, shape: d.shape }],
    neutral: 0,
  })),
  extras: [],
})

const stateAnchors = [{ first: 'patch_embed.proj.weight', beside: ['cls_token'] }]

/** A backbone that only its tensors describe, by official names or timm's. */
const rawOfState = (place: string, stored: Stored, o: ReadOptions, change: Partial<VitOptions> = {}): TaskEither<Fault, Raw> =>
  pipe(
    TE.fromEither(locate(place, stored.tensors, stateAnchors, o.network ?? 'teacher')),
    TE.bindTo('located'),
    TE.bind('known', ({ located: { inside } }) => TE.right(officially(new Map([...inside].map(([name, x]) => [name, x.shape]))))),
    TE.bind('periods', ({ located: { inside }, known }) =>
      pipe(
        readStored(
          inside,
          (known.get('rope_embed.periods')?.parts ?? []).flatMap((p) => ('name' in p ? [p.name] : [])),
        ),
        TE.map((read) => [...read.values()][0]?.data),
      ),
    ),
    TE.chain(({ located, known, periods }) =>
      pipe(
        TE.fromEither(
          pipe(
            inferOptions(
              { shapes: new Map([...known].map(([name, { shape }]) => [name, shape])), ...(periods === undefined ? {} : { periods }) },
              o.heads ?? headsIn(stored),
            ),
            E.mapLeft(misused(place, `${located.inside.size} tensors: ${listOf([...located.inside.keys()])}`)),
          ),
        ),
        TE.chain((inferred) => {
          const options = {
            ...inferred,
            ...epsIn(stored),
            ...change,
            ...(o.dialect === 'huggingface' && inferred.position?.kind === 'learned'
              ? { position: { ...inferred.position, offset: 0 } }
              : {}),
          }
          const plan = planOf(options, known)
          const wanted = new Set(plan.mappings.map((m) => m.official))
          const used = new Map(
            [...known].flatMap(([official, { parts }]) => parts.flatMap((p) => ('name' in p ? [[p.name, official] as const] : []))),
          )
          const beside = (name: string): boolean => isBesideBackbone(used.get(name) ?? name)
          const missing = [...wanted].filter((name) => !known.has(name))
          const strange = [...used].filter(([name, official]) => !wanted.has(official) && !beside(name)).map(([name]) => name)
          if (missing.length > 0) return TE.left(misfit(place, missing, strange))
          const unlike = plan.mappings.find((m) => !sameButOnes(known.get(m.official)?.shape ?? [], m.shape))
          if (unlike !== undefined)
            return TE.left(
              fault('data', {
                place: `${place}: ${unlike.official}`,
                found: showShape(known.get(unlike.official)?.shape ?? []),
                allowed: showShape(unlike.shape),
                remedy: 'check that all tensors of the file are of one model',
              }),
            )
          return pipe(
            gatherWeights(place, plan, o.unknown ?? 'refuse', beside)(located.inside),
            TE.map((gathered): Raw => ({
              options,
              source: 'official',
              stored: typesOf(located.inside),
              ...gathered,
              notes: [...stored.notes, ...located.notes],
            })),
          )
        }),
      ),
    ),
  )

/** The number of heads that goes with a file, where this project has written it. */
const headsIn = ({ metadata }: Stored): number | undefined => (/^\d{1,4}$/.test(metadata.heads ?? '') ? Number(metadata.heads) : undefined)

/** The epsilon of norms, the same. */
const epsIn = ({ metadata }: Stored): Partial<VitOptions> => {
  const eps = Number(metadata.eps ?? NaN)
  return eps > 0 && eps < 1 ? { eps } : {}
}

/** Weights of a state dict in memory with official names. Faults: as of folders; the number of heads where nothing says it. */
export const fromState = (place: string, state: HostTensors, o: ReadOptions): TaskEither<Fault, Backbone> =>
  fromStored(place, { tensors: storedInMemory(state), metadata: {}, notes: [] }, o)

const fromStored = (place: string, stored: Stored, o: ReadOptions): TaskEither<Fault, Backbone> =>
  pipe(
    rawOfState(place, stored, o),
    TE.chainEitherK((raw) => finished(raw, undefined, o)),
  )

const huggingFaceAnchors = [anchorsOf('dinov2'), anchorsOf('dinov3_vit'), ...families.map(({ anchors }) => anchors)]

/** A file by itself: names of Hugging Face need the configuration that lies beside it. */
const fromFile = (file: string, o: ReadOptions): TaskEither<Fault, Backbone> =>
  pipe(
    openTensors(file),
    TE.chain((stored) => {
      const theirs = locate(file, stored.tensors, huggingFaceAnchors, o.network ?? 'teacher')
      if (E.isLeft(theirs)) return fromStored(file, stored, o)
      const config = join(dirname(file), 'config.json')
      return pipe(
        readJson(config, configCodec),
        TE.chainEitherK(
          E.fromOption(() =>
            fault('data', {
              place: file,
              found: 'names of Hugging Face, and no config.json beside it',
              allowed: 'a folder with config.json and weights',
              remedy: 'put config.json beside the file, and name the folder',
            }),
          ),
        ),
        TE.chain((c) => described(dirname(file), c, stored, o)),
        TE.bindTo('raw'),
        TE.bind('preprocessor', () => processorOf(dirname(file))),
        TE.chainEitherK(({ raw, preprocessor }) => finished(raw, O.toUndefined(preprocessor), o)),
      )
    }),
  )

/** The folder itself, or its `huggingface` folder where a run has written one. */
const within = (folder: string): TaskEither<Fault, string> =>
  pipe(
    whatIs(join(folder, 'config.json')),
    TE.chain((config) =>
      config === 'file'
        ? TE.right(folder)
        : pipe(
            whatIs(join(folder, 'huggingface')),
            TE.map((what) => (what === 'folder' ? join(folder, 'huggingface') : folder)),
          ),
    ),
  )

/**
 * Reads a backbone from a folder of Hugging Face's, from that of a run, or from a file of weights. Faults, each by the file and the tensor:
 * nothing at the path; a wrong or unsupported config.json; missing, unknown or misshapen tensors; truncated files.
 */
export const readBackbone = (path: string, o: ReadOptions = {}): TaskEither<Fault, Backbone> =>
  pipe(
    whatIs(path),
    TE.chain((what) =>
      what === 'folder'
        ? pipe(
            within(path),
            TE.chain((folder) => fromFolder(folder, o)),
          )
        : what === 'file'
          ? fromFile(path, o)
          : TE.left(
              fault('io', {
                place: path,
                found: 'nothing',
                allowed: 'the folder of a run, a Hugging Face folder, or a .safetensors file',
                remedy: 'check the path; a model id must be downloaded first',
              }),
            ),
    ),
  )

/** A backbone's weights as first values of a run's tensors, under each of the roots: `student.backbone`, `teacher.backbone`. */
export const underRoots = (b: Pick<Backbone, 'weights'>, roots: ReadonlyArray<string>): ReadonlyMap<string, Float32Array> =>
  new Map(roots.flatMap((root) => [...b.weights].map(([path, x]) => [`${root}.${path}`, x] as const)))
