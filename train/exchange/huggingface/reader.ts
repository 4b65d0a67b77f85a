/** Reads a backbone from a Hugging Face folder, or from a `.safetensors` file with official names. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Misuse } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { declarations } from '../../../core/model.ts'
import { readSafetensors } from '../../../data/formats/safetensors.ts'
import type { HostTensor, HostTensors } from '../../../data/formats/tensor.ts'
import type { ChannelRule } from './imagery.ts'
import type { Dialect } from '../../../models/huggingface/config.ts'
import { configCodec, optionsOf } from '../../../models/huggingface/config.ts'
import { inferOptions } from './outline.ts'
import type { Plan } from '../../../models/huggingface/names.ts'
import { readingPlan } from '../../../models/huggingface/names.ts'
import { isBesideBackbone, officialName } from '../../../models/huggingface/official.ts'
import type { HuggingFaceType } from '../../../models/huggingface/types.ts'
import type { VitOptions } from '../../../models/options.ts'
import { fullOptions } from '../../../models/options.ts'
import type { Vit } from '../../../models/vit.ts'
import { vit } from '../../../models/vit.ts'
import { adaptWeights } from './adaptation.ts'
import { readWeights } from './files.ts'
import { whatIs } from '../../../data/formats/file.ts'
import { readJson } from '../../../data/formats/json.ts'
import type { Preprocessor } from './preprocessor.ts'
import { preprocessorCodec } from './preprocessor.ts'
import type { Unknown, Weights } from './weights.ts'
import { gatherWeights, misfit } from './weights.ts'

export interface ReadOptions {
  /** What the backbone should have otherwise than the source says: channels, image, maskToken, dropPath, … */
  readonly change?: Partial<VitOptions>
  /** How patch embeddings change their channels. Default `sum`. */
  readonly channelRule?: ChannelRule
  /** How positions are read at other grids. Default `official`. */
  readonly dialect?: Dialect
  /** Default `refuse`. */
  readonly unknown?: Unknown
  /** Of a state dict, which does not say it. */
  readonly heads?: number
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
  readonly tensors: HostTensors
  readonly weights: Weights
  readonly ignored: ReadonlyArray<string>
}

const misused = (place: string, found: string) => (m: Misuse): Fault => fault('data', { place, found, ...m })

/** What the source says, but for what is wished otherwise. */
const changed = (raw: Raw, o: ReadOptions): VitOptions => ({ ...raw.options, ...o.change })

const finished = (raw: Raw, preprocessor: Preprocessor | undefined, o: ReadOptions): Either<Fault, Backbone> => pipe(
  adaptWeights(vit(raw.options), vit(changed(raw, o)), { channels: o.channelRule ?? 'sum', seed: o.seed ?? 0 })(raw.weights),
  E.map(({ weights, notes }): Backbone => ({
    model: vit(changed(raw, o)), weights, source: raw.source, preprocessor,
    stored: [...new Set([...raw.tensors.values()].map((x) => x.dtype))],
    notes: [...(raw.ignored.length === 0 ? [] : [`left out: ${raw.ignored.join(', ')}`]), ...notes],
  })),
)

const fromFolder = (folder: string, o: ReadOptions): TaskEither<Fault, Backbone> => {
  const file = join(folder, 'config.json')
  return pipe(
    readJson(file, configCodec),
    TE.chainEitherK(E.fromOption(() => fault('data', { place: folder, found: 'no config.json', allowed: 'a Hugging Face folder with config.json and model.safetensors', remedy: 'name such a folder, or a .safetensors file with official names' }))),
    TE.bindTo('config'),
    TE.bind('options', ({ config }) => TE.fromEither(pipe(optionsOf(config, o.dialect), E.mapLeft(misused(file, `a ${config.model_type} that is not supported`))))),
    TE.bind('tensors', () => readWeights(folder)),
    TE.bind('gathered', ({ config, options, tensors }) =>
      TE.fromEither(gatherWeights(folder, readingPlan(config.model_type, fullOptions(options)), o.unknown ?? 'refuse')(tensors))),
    TE.bind('preprocessor', () => readJson(join(folder, 'preprocessor_config.json'), preprocessorCodec)),
    TE.chainEitherK(({ config, options, tensors, gathered, preprocessor }) =>
      finished({ options, source: config.model_type, tensors, ...gathered }, O.toUndefined(preprocessor), o)),
  )
}

/** Each of our tensors is one of the file's. */
const plainPlan = (options: VitOptions): Plan => ({
  mappings: declarations(vit(options).params).map(([official, d]) => ({ official, shape: d.shape, parts: [{ name: official, shape: d.shape }], neutral: 0 })), extras: [],
})

/** A teacher's tensors where a training checkpoint holds both networks; the names that models flatten to. */
const chosen = (tensors: HostTensors): HostTensors => {
  const both = [...tensors.keys()].some((n) => n.startsWith('teacher.'))
  return new Map([...tensors].filter(([n]) => !both || n.startsWith('teacher.')).map(([n, x]) => [officialName(n), x]))
}

/** Weights of a state dict with official names. Faults: as of folders; the number of heads where nothing tells it. */
export const fromState = (place: string, state: HostTensors, o: ReadOptions): Either<Fault, Backbone> => {
  const tensors = chosen(state)
  const beside = [...tensors.keys()].filter(isBesideBackbone)
  const own = new Map<string, HostTensor>([...tensors].filter(([n]) => !isBesideBackbone(n)))
  const periods = tensors.get('rope_embed.periods')
  return pipe(
    inferOptions({ shapes: new Map([...tensors].map(([n, x]) => [n, x.shape])), ...(periods === undefined ? {} : { periods: periods.data }) }, o.heads),
    E.mapLeft(misused(place, `${tensors.size} tensors`)),
    E.chain((options) => {
      const plan = plainPlan(options)
      const wanted = plan.mappings.map((m) => m.official)
      const missing = wanted.filter((n) => !own.has(n))
      const strange = [...own.keys()].filter((n) => !wanted.includes(n))
      if (missing.length > 0 || (strange.length > 0 && o.unknown !== 'ignore')) return E.left(misfit(place, missing, strange))
      return pipe(
        gatherWeights(place, plan, 'ignore')(own),
        E.chain(({ weights }) => finished({ options, source: 'official', tensors, weights, ignored: [...beside, ...strange] }, undefined, o)),
      )
    }),
  )
}

/** The folder itself, or its `huggingface` folder where a run has written one. */
const within = (folder: string): TaskEither<Fault, string> => pipe(
  whatIs(join(folder, 'config.json')),
  TE.chain((config) => (config === 'file' ? TE.right(folder) : pipe(
    whatIs(join(folder, 'huggingface')),
    TE.map((what) => (what === 'folder' ? join(folder, 'huggingface') : folder)),
  ))),
)

/**
 * Reads a backbone from a folder of Hugging Face's, from that of a run, or from a `.safetensors` file with official names. Faults, each by the file and the tensor:
 * nothing at the path; a wrong or unsupported config.json; missing, unknown or misshapen tensors; truncated files.
 */
export const readBackbone = (path: string, o: ReadOptions = {}): TaskEither<Fault, Backbone> => pipe(
  whatIs(path),
  TE.chain((what) =>
    what === 'folder' ? pipe(within(path), TE.chain((folder) => fromFolder(folder, o)))
    : what === 'file' ? pipe(readSafetensors(path), TE.chainEitherK(({ tensors }) => fromState(path, tensors, o)))
    : TE.left(fault('io', { place: path, found: 'nothing', allowed: 'the folder of a run, a Hugging Face folder, or a .safetensors file', remedy: 'check the path; a model id must be downloaded first' }))),
)

/** A backbone's weights as first values of a run's tensors, under each of the roots: `student.backbone`, `teacher.backbone`. */
export const underRoots = (b: Backbone, roots: ReadonlyArray<string>): ReadonlyMap<string, Float32Array> =>
  new Map(roots.flatMap((root) => [...b.weights].map(([path, x]) => [`${root}.${path}`, x] as const)))
