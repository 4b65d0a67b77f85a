/** Reads and writes `swin` folders. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { declarations } from '../../../core/model.ts'
import { sizeOf } from '../../../core/type.ts'
import type { ChannelRule } from './imagery.ts'
import { adaptChannels } from './imagery.ts'
import { isBesideModel } from '../../../models/huggingface/names.ts'
import {
  isSwinBuffer,
  swinAnchors,
  swinCodec,
  swinConfigOf,
  swinFloats,
  swinOptionsOf,
  swinPlan,
} from '../../../models/huggingface/swin.ts'
import type { Swin, SwinOptions } from '../../../models/swin.ts'
import { swin } from '../../../models/swin.ts'
import { initialValues } from '../../step/initialization.ts'
import { openWeights, writeWeights } from './files.ts'
import { readJson, writeJson } from '../../../data/formats/json.ts'
import { preprocessorOf } from './preprocessor.ts'
import type { Precision, Unknown, Weights } from './weights.ts'
import { gatherWeights, listOf, scatterWeights } from './weights.ts'
import { locate } from './locate.ts'
import { dtypes } from './writer.ts'

export interface SwinBackbone {
  readonly model: Swin
  /** By the official names that the model flattens to. */
  readonly weights: Weights
  /** What was adapted, left out or begun anew, in words. */
  readonly notes: ReadonlyArray<string>
}

export interface ReadSwinOptions {
  /** Other channels, a mask token, another drop-path rate. */
  readonly change?: Pick<Partial<SwinOptions>, 'channels' | 'maskToken' | 'dropPath'>
  /** Default `sum`. */
  readonly channelRule?: ChannelRule
  /** Default `refuse`. */
  readonly unknown?: Unknown
  /** Of what the folder does not have. Default 0. */
  readonly seed?: number
}

const adapted = (
  from: Swin,
  to: Swin,
  o: ReadSwinOptions,
  weights: Weights,
  ignored: ReadonlyArray<string>,
  before: ReadonlyArray<string>,
): SwinBackbone => {
  const notes: string[] = [...before, ...(ignored.length === 0 ? [] : [`left out: ${listOf(ignored)}`])]
  const [had, has] = [from.options.channels, to.options.channels]
  const entries = declarations(to.params).map(([path, d]): readonly [string, Float32Array] => {
    const old = weights.get(path)
    if (old === undefined) {
      notes.push(`${path} begins anew: the source has none`)
      return [path, initialValues(d.init, sizeOf(d.shape), o.seed ?? 0, path)]
    }
    if (path !== 'patch_embed.proj.weight' || had === has) return [path, old]
    notes.push(`${path}: ${had} channels became ${has} by the rule "${o.channelRule ?? 'sum'}"`)
    return [path, adaptChannels(o.channelRule ?? 'sum', { from: had, to: has, area: from.options.patch ** 2 })(old)]
  })
  return { model: to, weights: new Map(entries), notes }
}

/** Faults, each by the file and the tensor: as `readBackbone`. */
export const readSwin = (folder: string, o: ReadSwinOptions = {}): TaskEither<Fault, SwinBackbone> => {
  const file = join(folder, 'config.json')
  return pipe(
    readJson(file, swinCodec),
    TE.chainEitherK(
      E.fromOption(() =>
        fault('data', { place: folder, found: 'no config.json', allowed: 'a Hugging Face folder of a swin', remedy: 'name such a folder' }),
      ),
    ),
    TE.chainEitherK((config) =>
      pipe(
        swinOptionsOf(config),
        E.mapLeft((m) => fault('data', { place: file, found: 'a swin that is not supported', ...m })),
      ),
    ),
    TE.bindTo('options'),
    TE.bind('stored', () => openWeights(folder)),
    TE.bind('located', ({ stored }) => TE.fromEither(locate(folder, stored.tensors, [swinAnchors], 'teacher'))),
    TE.chain(({ options, stored, located }) => {
      const model = swin(options)
      const beside = (name: string): boolean => isSwinBuffer(name) || isBesideModel(name) || name === 'embeddings.mask_token'
      return pipe(
        gatherWeights(folder, swinPlan(model.options), o.unknown ?? 'refuse', beside)(located.inside),
        TE.map(({ weights, ignored }) =>
          adapted(
            model,
            swin({ ...options, ...o.change }),
            o,
            weights,
            ignored.filter((name) => !isSwinBuffer(name)),
            [...stored.notes, ...located.notes],
          ),
        ),
      )
    }),
  )
}

const usualShard = 5e9

/** Writes config.json, weights and preprocessor_config.json; gives the names of the files. */
export const writeSwin =
  (folder: string, o: { readonly precision?: Precision; readonly shard?: number } = {}) =>
  (b: Omit<SwinBackbone, 'notes'>): TaskEither<Fault, ReadonlyArray<string>> => {
    const { options } = b.model
    return pipe(
      writeJson(join(folder, 'config.json'), { ...swinConfigOf(options), torch_dtype: dtypes[o.precision ?? 'f32'] }, swinFloats),
      TE.chain(() => writeWeights(folder, scatterWeights(swinPlan(options), o.precision ?? 'f32')(b.weights), o.shard ?? usualShard)),
      TE.chainFirst(() => writeJson(join(folder, 'preprocessor_config.json'), preprocessorOf('vit', options.image, options.channels))),
      TE.map((files) => ['config.json', ...files, 'preprocessor_config.json']),
    )
  }

/** Whether a folder's config.json says that it is a swin, whatever else is in it. */
export const isSwin =
  (folder: string): TaskEither<Fault, boolean> =>
  async () => {
    const read = await readJson(join(folder, 'config.json'), t.UnknownRecord)()
    return E.right(E.isRight(read) && O.isSome(read.right) && read.right.value.model_type === 'swin')
  }
