/** Reads and writes `swin` folders. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { declarations } from '../../../core/model.ts'
import { sizeOf } from '../../../core/type.ts'
import type { ChannelRule } from './imagery.ts'
import { adaptChannels } from './imagery.ts'
import { isSwinBuffer, swinCodec, swinConfigOf, swinFloats, swinOptionsOf, swinPlan } from '../../../models/huggingface/swin.ts'
import type { Swin, SwinOptions } from '../../../models/swin.ts'
import { swin } from '../../../models/swin.ts'
import { initialValues } from '../../step/initialization.ts'
import { readWeights, writeWeights } from './files.ts'
import { readJson, writeJson } from '../../../data/formats/json.ts'
import { preprocessorOf } from './preprocessor.ts'
import type { Precision, Unknown, Weights } from './weights.ts'
import { gatherWeights, scatterWeights } from './weights.ts'
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

const adapted = (from: Swin, to: Swin, o: ReadSwinOptions, weights: Weights, ignored: ReadonlyArray<string>): SwinBackbone => {
  const notes: string[] = ignored.length === 0 ? [] : [`left out: ${ignored.join(', ')}`]
  const [before, after] = [from.options.channels, to.options.channels]
  const entries = declarations(to.params).map(([path, d]): readonly [string, Float32Array] => {
    const old = weights.get(path)
    if (old === undefined) {
      notes.push(`${path} begins anew: the source has none`)
      return [path, initialValues(d.init, sizeOf(d.shape), o.seed ?? 0, path)]
    }
    if (path !== 'patch_embed.proj.weight' || before === after) return [path, old]
    notes.push(`${path}: ${before} channels became ${after} by the rule "${o.channelRule ?? 'sum'}"`)
    return [path, adaptChannels(o.channelRule ?? 'sum', { from: before, to: after, area: from.options.patch ** 2 })(old)]
  })
  return { model: to, weights: new Map(entries), notes }
}

/** Faults, each by the file and the tensor: as `readBackbone`. */
export const readSwin = (folder: string, o: ReadSwinOptions = {}): TaskEither<Fault, SwinBackbone> => {
  const file = join(folder, 'config.json')
  return pipe(
    readJson(file, swinCodec),
    TE.chainEitherK(E.fromOption(() => fault('data', { place: folder, found: 'no config.json', allowed: 'a Hugging Face folder of a swin', remedy: 'name such a folder' }))),
    TE.chainEitherK((config) => pipe(swinOptionsOf(config), E.mapLeft((m) => fault('data', { place: file, found: 'a swin that is not supported', ...m })))),
    TE.bindTo('options'),
    TE.bind('tensors', () => readWeights(folder)),
    TE.chainEitherK(({ options, tensors }) => {
      const model = swin(options)
      return pipe(
        gatherWeights(folder, swinPlan(model.options), o.unknown ?? 'refuse')(new Map([...tensors].filter(([name]) => !isSwinBuffer(name)))),
        E.map(({ weights, ignored }) => adapted(model, swin({ ...options, ...o.change }), o, weights, ignored)),
      )
    }),
  )
}

const usualShard = 5e9

/** Writes config.json, weights and preprocessor_config.json; gives the names of the files. */
export const writeSwin = (folder: string, o: { readonly precision?: Precision; readonly shard?: number } = {}) => (b: Omit<SwinBackbone, 'notes'>): TaskEither<Fault, ReadonlyArray<string>> => {
  const { options } = b.model
  return pipe(
    writeJson(join(folder, 'config.json'), { ...swinConfigOf(options), torch_dtype: dtypes[o.precision ?? 'f32'] }, swinFloats),
    TE.chain(() => writeWeights(folder, scatterWeights(swinPlan(options), o.precision ?? 'f32')(b.weights), o.shard ?? usualShard)),
    TE.chainFirst(() => writeJson(join(folder, 'preprocessor_config.json'), preprocessorOf('vit', options.image, options.channels))),
    TE.map((files) => ['config.json', ...files, 'preprocessor_config.json']),
  )
}

/** Whether a folder's config.json says that it is a swin. */
export const isSwin = (folder: string): TaskEither<Fault, boolean> => async () => {
  const read = await readJson(join(folder, 'config.json'), swinCodec)()
  return E.right(E.isRight(read) && O.isSome(read.right))
}
