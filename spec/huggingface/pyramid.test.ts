/** Backbones with stages: folders and files written and read again; agreement with transformers; channels; what is wrong, by name. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as O from 'fp-ts/lib/Option.js'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { input } from '../../core/leaves.ts'
import { call, context, declarations, leavesOf } from '../../core/model.ts'
import { sizeOf } from '../../core/type.ts'
import { floatsOf } from '../../data/formats/tensor.ts'
import { readSafetensors, writeSafetensors } from '../../data/formats/safetensors.ts'
import { convnext } from '../../models/convnext.ts'
import { convnexts } from '../../models/huggingface/convnext.ts'
import type { Pyramid } from '../../models/huggingface/family.ts'
import { storedCount } from '../../models/huggingface/names.ts'
import { swins } from '../../models/huggingface/swin.ts'
import { swin } from '../../models/swin.ts'
import { readPyramidFolder } from '../../train/exchange/huggingface/pyramid.ts'
import { writeOfficialPyramid, writePyramid } from '../../train/exchange/huggingface/pyramid-writer.ts'
import { readPyramid } from '../../train/exchange/model.ts'
import { left, right, some } from '../data/either.ts'
import { expectClose, wave } from '../support/tensor.ts'
import { temporary } from './backbones.ts'

const at = temporary()

const models: Readonly<Record<string, Pyramid>> = {
  swin: swins.pyramid({ width: 4, depths: [2, 1], heads: [1, 2], patch: 2, window: 3, image: 12 }),
  convnext: convnexts.pyramid({ widths: [4, 6], depths: [2, 1], image: 12 }),
}

const weightsOf = (model: Pyramid): ReadonlyMap<string, Float32Array> =>
  new Map(declarations(model.params).map(([path, d], i) => [path, Float32Array.from(wave(sizeOf(d.shape), i))]))

describe.each(Object.entries(models))('%s', (name, model) => {
  const weights = weightsOf(model)

  it('a folder gives back every weight, in one file or in shards', async () => {
    right(await writePyramid(at(`${name}-one`))({ model, weights })())
    right(await writePyramid(at(`${name}-shards`), { shard: 1500 })({ model, weights })())
    for (const folder of [at(`${name}-one`), at(`${name}-shards`)]) {
      const b = some(right(await readPyramidFolder(folder)()))
      expect(b.weights).toEqual(weights)
      expect(b.model.said).toEqual(model.said)
      expect(b.notes).toEqual([])
    }
  })

  it('a file of official names gives them back too, and says by its tensors what they are', async () => {
    right(await writeOfficialPyramid(at(`${name}-official`))({ model, weights })())
    const file = join(at(`${name}-official`), 'official.safetensors')
    const { tensors } = right(await readSafetensors(file)())
    expect([...tensors.keys()].sort()).toEqual([...weights.keys()].sort())
    expect(some(right(await readPyramid(file)())).weights).toEqual(weights)
    const wrapped = at(`${name}.safetensors`)
    right(
      await writeSafetensors(wrapped)({
        tensors: new Map([...tensors].map(([n, x]) => [`teacher.backbone.module.${n}`, x])),
        metadata: {},
      })(),
    )
    const b = some(right(await readPyramid(wrapped)()))
    expect([b.weights, b.notes]).toEqual([weights, ['the backbone lies under teacher.backbone']])
  })

  it('is adapted to other channels and to masks, and says so', async () => {
    right(await writePyramid(at(`${name}-adapted`))({ model, weights })())
    const b = some(right(await readPyramidFolder(at(`${name}-adapted`), { change: { channels: 1, maskToken: true } })()))
    expect(b.notes).toEqual(['mask_token begins anew: the source has none', `${model.family.stem}: 3 channels became 1 by the rule "sum"`])
    expect(b.weights.get(model.family.stem)?.length).toBe((weights.get(model.family.stem)?.length ?? 0) / 3)
  })

  it('names what is missing', async () => {
    right(await writePyramid(at(`${name}-missing`))({ model, weights })())
    const file = join(at(`${name}-missing`), 'model.safetensors')
    const tensors = new Map(right(await readSafetensors(file)()).tensors)
    const gone = [...tensors.keys()].filter((n) => n.endsWith('norm.bias'))[0]
    tensors.delete(gone)
    right(await writeSafetensors(file)({ tensors, metadata: {} })())
    expect(left(await readPyramidFolder(at(`${name}-missing`))()).found).toBe(`1 missing tensor(s): ${gone}`)
  })
})

/** Official names as timm has them (`convnext.py`, `swin_transformer.py`). */
const inTimm: Readonly<Record<string, (name: string) => string>> = {
  swin: (n) => n.replace(/^layers\.(\d+)\.downsample/, (_, i: string) => `layers.${Number(i) + 1}.downsample`),
  convnext: (n) =>
    n
      .replace(/^downsample_layers\.0\./, 'stem.')
      .replace(/^downsample_layers\.(\d+)\./, 'stages.$1.downsample.')
      .replace(/^norm\./, 'head.norm.')
      .replace(/^stages\.(\d+)\.(\d+)\./, 'stages.$1.blocks.$2.')
      .replace('.dwconv.', '.conv_dw.')
      .replace(/\.pwconv([12])\./, '.mlp.fc$1.'),
}

describe.each(Object.entries(models))("timm's names of %s", (name, model) => {
  const weights = weightsOf(model)

  it('give the same weights, from a file under any path, and from a folder, with how it sees pictures', async () => {
    right(await writeOfficialPyramid(at(`${name}-for-timm`))({ model, weights })())
    const { tensors, metadata } = right(await readSafetensors(join(at(`${name}-for-timm`), 'official.safetensors'))())
    const named = [...tensors].map(([n, x]) => [inTimm[name](n), x] as const)
    expect(named.some(([n]) => !tensors.has(n))).toBe(true)
    const wrapped = at(`${name}-timm.safetensors`)
    right(await writeSafetensors(wrapped)({ tensors: new Map(named.map(([n, x]) => [`model.${n}`, x])), metadata })())
    expect(some(right(await readPyramid(wrapped)())).weights).toEqual(weights)
    const folder = at(`${name}-timm`)
    mkdirSync(folder)
    right(await writeSafetensors(join(folder, 'model.safetensors'))({ tensors: new Map(named), metadata: {} })())
    const write = (over: Readonly<Record<string, unknown>>): void => {
      const pretrained_cfg = { input_size: [3, 12, 12], crop_pct: 1, mean: [0.1, 0.2, 0.3], std: [1, 1, 1], interpolation: 'bicubic' }
      writeFileSync(join(folder, 'config.json'), JSON.stringify({ architecture: `${name}_tiny`, num_classes: 0, pretrained_cfg, ...over }))
    }
    write({})
    const b = some(right(await readPyramid(folder)()))
    expect(b.weights).toEqual(weights)
    expect(b.preprocessor).toMatchObject({ size: { shortest_edge: 12 }, image_mean: [0.1, 0.2, 0.3] })
    write({ model_args: { act_layer: 'relu' } })
    expect(left(await readPyramid(folder)()).place).toContain('act_layer')
  })
})

it('a folder of another type, or none, is none of them', async () => {
  mkdirSync(at('another'))
  writeFileSync(join(at('another'), 'config.json'), '{"model_type": "vit"}')
  expect(right(await readPyramidFolder(at('another'))())._tag).toBe('None')
  expect(right(await readPyramidFolder(at('nowhere'))())._tag).toBe('None')
})

it('the released networks have as many numbers as here', () => {
  expect(storedCount(swins.pyramid(swin.tiny().options).plan)).toBe(27_519_354)
  expect(storedCount(convnexts.pyramid(convnext.tiny().options).plan)).toBe(27_820_128)
  expect(storedCount(convnexts.pyramid(convnext.small().options).plan)).toBe(49_454_688)
  expect(storedCount(convnexts.pyramid(convnext.base().options).plan)).toBe(87_566_464)
  expect(storedCount(convnexts.pyramid(convnext.large().options).plan)).toBe(196_230_336)
})

describe('dinov3_convnext', () => {
  const folder = fileURLToPath(new URL('convnext', import.meta.url))

  it('says of pictures what transformers says (spec/interop/convnext.py)', async () => {
    const { model, weights, notes } = some(right(await readPyramid(folder)()))
    const { tensors } = right(await readSafetensors(join(folder, 'expected.safetensors'))())
    expect(notes).toEqual([])
    for (const name of ['whole', 'odd']) {
      const [pixels, tokens] = ['pixels', 'tokens'].map((kind) => some(O.fromNullable(tensors.get(`${kind}.${name}`))))
      const { cls, patches, grid } = call(model, context('eval'), 'm', leavesOf('m', model.params), input('x', pixels.shape))
      const values = evaluate(
        [cls, patches],
        new Map([...[...weights].map(([p, v]) => [`m.${p}`, v] as const), ['x', right(floatsOf(name)(pixels))]]),
      )
      const [batch, count, width] = tokens.shape
      expect(count).toBe(1 + grid[0] * grid[1])
      const ours = Array.from({ length: batch }, (_, i) => [
        ...values[0].slice(i * width, (i + 1) * width),
        ...values[1].slice(i * (count - 1) * width, (i + 1) * (count - 1) * width),
      ]).flat()
      expectClose(ours, [...right(floatsOf(name)(tokens))], 1e-5)
    }
  })

  it('is read by the names that transformers has in memory', async () => {
    const { tensors } = right(await readSafetensors(join(folder, 'model.safetensors'))())
    mkdirSync(at('memory'))
    writeFileSync(
      join(at('memory'), 'config.json'),
      JSON.stringify({ model_type: 'dinov3_convnext', hidden_sizes: [4, 6, 8], depths: [1, 2, 1] }),
    )
    right(
      await writeSafetensors(join(at('memory'), 'model.safetensors'))({
        tensors: new Map([...tensors].map(([n, x]) => [n.replace(/^stages/, 'model.stages'), x])),
        metadata: {},
      })(),
    )
    expect(some(right(await readPyramidFolder(at('memory'))())).weights).toEqual(some(right(await readPyramid(folder)())).weights)
  })

  it('asks of its config.json what it can compute', async () => {
    mkdirSync(at('wrong'))
    const wrong = async (config: Readonly<Record<string, unknown>>): Promise<string> => {
      writeFileSync(join(at('wrong'), 'config.json'), JSON.stringify({ model_type: 'dinov3_convnext', ...config }))
      return left(await readPyramidFolder(at('wrong'))()).allowed
    }
    expect(await wrong({ hidden_act: 'relu' })).toContain('hidden_act gelu')
    expect(await wrong({ depths: [1] })).toContain('1 to 8 stages')
    expect(await wrong({ hidden_sizes: [-4] })).toContain('a whole number in [1, 65536]')
    expect(await wrong({ pool_size: 3 })).toContain('not known here')
  })
})
