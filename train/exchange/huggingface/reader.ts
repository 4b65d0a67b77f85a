/** Reads a backbone from a folder of Hugging Face or timm, or from a file of weights with official names. */
import { dirname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { decodeAs } from '../../../data/formats/codec.ts'
import { whatIs } from '../../../data/formats/file.ts'
import { openTensors } from '../../../data/formats/foreign.ts'
import { readJson } from '../../../data/formats/json.ts'
import type { Stored, StoredTensors } from '../../../data/formats/stored.ts'
import { storedInMemory } from '../../../data/formats/stored.ts'
import type { HostTensors } from '../../../data/formats/tensor.ts'
import { optionsOf, unbiased } from '../../../models/huggingface/options.ts'
import { families } from '../../../models/huggingface/families.ts'
import type { HuggingFaceConfig } from '../../../models/huggingface/keys.ts'
import { configCodec } from '../../../models/huggingface/keys.ts'
import { planIn } from '../../../models/huggingface/generations.ts'
import { anchorsOf, flatName, isBesideModel, namesOf, readingPlan } from '../../../models/huggingface/names.ts'
import type { HuggingFaceType } from '../../../models/huggingface/types.ts'
import type { VitOptions } from '../../../models/options.ts'
import { fullOptions } from '../../../models/options.ts'
import { openWeights } from './files.ts'
import { locate } from './locate.ts'
import { processorBeside, processorOf } from './processor.ts'
import { isTimm, timmOf } from './timm.ts'
import { gatherWeights } from './weights.ts'
import type { Backbone, Raw, ReadOptions } from './backbone.ts'
import { finished, misused, typesOf } from './backbone.ts'
import { rawOfState } from './state.ts'

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
      const [type, without] = [config.model_type, unbiased(config)]
      const inside = new Map([...located.inside].map(([name, x]) => [flatName(name), x]))
      const options = withoutMask(type, said, inside)
      // ViT for masked modelling has one, and its features none
      const beside = (name: string): boolean => isBesideModel(name) || (name === 'embeddings.mask_token' && options.maskToken !== true)
      return pipe(
        gatherWeights(
          folder,
          planIn(type, readingPlan(type, fullOptions(options), without), (name) => inside.has(name)),
          o.unknown ?? 'refuse',
          beside,
        )(inside),
        TE.map((gathered): Raw => ({
          options,
          source: type,
          stored: typesOf(inside),
          ...gathered,
          notes: [
            ...stored.notes,
            ...located.notes,
            ...(without.length === 0 ? [] : [`zeros stand for the biases that ${without.join(' and ')} do not have`]),
          ],
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
        TE.filterOrElse(
          ({ options: { ffn } }) => known.activation === undefined || known.activation === ((ffn ?? 'mlp') === 'mlp' ? 'gelu' : 'silu'),
          () =>
            fault('data', {
              place: `${join(folder, 'config.json')}: model_args.act_layer`,
              found: known.activation ?? '',
              allowed: 'gelu, and silu for a gated feed-forward half',
              remedy: 'choose another model, or correct config.json',
            }),
        ),
        TE.chainEitherK((raw) => finished(raw, known.preprocessor, o)),
      ),
    ),
  )

/** Weights of a state dict in memory with official names. Faults: as of folders; the number of heads where nothing says it. */
export const fromState = (place: string, state: HostTensors, o: ReadOptions): TaskEither<Fault, Backbone> =>
  pipe(
    rawOfState(place, { tensors: storedInMemory(state), metadata: {}, notes: [] }, o),
    TE.chainEitherK((raw) => finished(raw, undefined, o)),
  )

const huggingFaceAnchors = [anchorsOf('dinov2'), anchorsOf('dinov3_vit'), ...families.map(({ anchors }) => anchors)]

/** Whether nothing says which positions there are: official files have their periods, and timm's DINOv3 has registers. */
const isPlaceless = ({ position, registers }: VitOptions, { tensors }: Stored): boolean =>
  position?.kind === 'rope' && (registers ?? 0) === 0 && ![...tensors.keys()].some((name) => name.endsWith('.periods'))

/** A file of official names, with the processor that lies beside it, as in what is exported here. */
const officialFile = (file: string, stored: Stored, o: ReadOptions): TaskEither<Fault, Backbone> =>
  pipe(
    rawOfState(file, stored, o),
    TE.filterOrElse(
      ({ options }) => !isPlaceless(options, stored),
      () =>
        fault('data', {
          place: file,
          found: 'neither pos_embed nor rope_embed.periods',
          allowed:
            'positions that the file says, or registers, as DINOv3 has them at timm: other networks have rotary positions of other rules',
          remedy: 'name a folder whose config.json says the architecture',
        }),
    ),
    TE.bindTo('raw'),
    TE.bind('seen', () => processorBeside(file)),
    TE.chainEitherK(({ raw, seen }) => finished({ ...raw, notes: [...raw.notes, ...seen.notes] }, seen.preprocessor, o)),
  )

/** A file by itself: names of Hugging Face need the configuration that lies beside it. */
const fromFile = (file: string, o: ReadOptions): TaskEither<Fault, Backbone> =>
  pipe(
    openTensors(file),
    TE.chain((stored) => {
      const theirs = locate(file, stored.tensors, huggingFaceAnchors, o.network ?? 'teacher')
      if (E.isLeft(theirs)) return officialFile(file, stored, o)
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
