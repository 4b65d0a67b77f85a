/**
 * What is written says every key of the classes of transformers that read it (`defaults.json`), so that no default of another version
 * counts; and pictures of one channel stay so for a network of one channel.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { describe, expect, it } from 'vitest'
import { declarations } from '../../core/model.ts'
import { sizeOf } from '../../core/type.ts'
import { convnexts } from '../../models/huggingface/convnext.ts'
import type { Pyramid } from '../../models/huggingface/family.ts'
import { swins } from '../../models/huggingface/swin.ts'
import { vit } from '../../models/vit.ts'
import { writePyramid } from '../../train/exchange/huggingface/pyramid-writer.ts'
import type { Preprocessor } from '../../train/exchange/huggingface/preprocessor.ts'
import { writeBackbone } from '../../train/exchange/huggingface/writer.ts'
import { preprocessorOfCrops } from '../../train/exchange/preprocess.ts'
import { right, rightOf } from '../data/either.ts'
import { backbones, temporary, weightsOf } from './backbones.ts'

const at = temporary()

const json = (path: string): Readonly<Record<string, unknown>> =>
  rightOf(
    pipe(
      t.UnknownRecord.decode(JSON.parse(readFileSync(path, 'utf8'))),
      E.mapLeft(() => `${path} is no record`),
    ),
  )

const section = (name: string): ReadonlyArray<readonly [string, Readonly<Record<string, unknown>>]> =>
  Object.entries(json(join(import.meta.dirname, 'defaults.json'))[name] ?? {}).flatMap(([key, v]) =>
    t.UnknownRecord.is(v) ? [[key, v] as const] : [],
  )

const keysOf = (name: string, isMeant: (key: string, facts: Readonly<Record<string, unknown>>) => boolean): ReadonlyArray<string> =>
  section(name).flatMap(([key, facts]) => (isMeant(key, facts) ? Object.keys(facts) : []))

const pyramids: ReadonlyArray<Pyramid> = [
  swins.pyramid({ width: 4, depths: [1, 1], heads: [1, 2], patch: 2, window: 3, image: 12, channels: 1 }),
  convnexts.pyramid({ widths: [4, 6], depths: [1, 1], image: 16, channels: 1 }),
]

type Written = (folder: string, o: { readonly preprocessor?: Preprocessor }) => Promise<unknown>

/** Of one channel each. */
const written: ReadonlyArray<readonly [string, Written]> = [
  ...Object.entries(backbones).map(([type, { options }]): readonly [string, Written] => {
    const model = vit({ ...options, channels: 1 })
    return [type, async (folder, o) => right(await writeBackbone(folder, o)({ model, weights: weightsOf(model) })())]
  }),
  ...pyramids.map((model): readonly [string, Written] => {
    const weights = new Map(declarations(model.params).map(([path, d]) => [path, new Float32Array(sizeOf(d.shape))]))
    return [model.family.type, async (folder, o) => right(await writePyramid(folder, o)({ model, weights })())]
  }),
]

describe.each(written)('a folder of %s', (type, write) => {
  it.each<readonly [string, { readonly preprocessor?: Preprocessor }]>([
    ['by itself', {}],
    ['of a run', { preprocessor: preprocessorOfCrops({ size: 12, mean: [0.5], std: [0.25] }) }],
  ])('%s', async (name, o) => {
    const folder = at(`${type} ${name}`)
    await write(folder, o)
    const [config, processor] = ['config.json', 'preprocessor_config.json'].map((file) => json(join(folder, file)))
    const wanted = keysOf('configurations', (_, { model_type }) => model_type === type)
    expect(wanted.length).toBeGreaterThan(8)
    expect(wanted.filter((key) => !(key in config) && !key.startsWith('pooler'))).toEqual([])
    const looked = keysOf('processors', (key) => key === processor['image_processor_type'])
    expect(looked.length).toBeGreaterThan(7)
    expect(looked.filter((key) => !(key in processor))).toEqual([])
    expect(config['num_channels']).toBe(1)
    expect(processor).toMatchObject({ do_convert_rgb: false, image_mean: [0.5] })
  })
})
