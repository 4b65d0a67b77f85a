/** `dinograph export --onnx`, as a process: what onnxruntime computes from the file is what the network says here, at several sizes. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import { describe, expect, it } from 'vitest'
import type { Expr } from '../../core/expr.ts'
import { call, context, declarations, leavesOf } from '../../core/model.ts'
import { sizeOf } from '../../core/type.ts'
import type { HostTensor } from '../../data/formats/tensor.ts'
import { floatTensor } from '../../data/formats/tensor.ts'
import type { FullOptions } from '../../models/options.ts'
import { convnexts } from '../../models/huggingface/convnext.ts'
import { swins } from '../../models/huggingface/swin.ts'
import type { Vit } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import { add, mul } from '../../ops/elementwise.ts'
import { mean } from '../../ops/reduce.ts'
import { broadcastTo } from '../../ops/broadcast.ts'
import { table } from '../../core/expr.ts'
import { range } from '../../core/type.ts'
import type { FeatureNetwork } from '../../train/exchange/onnx.ts'
import { onnxFeatures, writeOnnx } from '../../train/exchange/onnx.ts'
import { writePyramid } from '../../train/exchange/huggingface/pyramid-writer.ts'
import { writeBackbone } from '../../train/exchange/huggingface/writer.ts'
import { save } from '../../train/run/checkpoints.ts'
import { left, right } from '../data/either.ts'
import type { Size } from './agreement.ts'
import { agrees, networkAt } from './agreement.ts'
import { backbones, temporary, weightsOf } from '../huggingface/backbones.ts'
import { wave } from '../support/tensor.ts'
import type { Said } from '../support/command.ts'
import { dinograph } from '../support/command.ts'

const at = temporary()
const root = new URL('../..', import.meta.url).pathname

const exporting = (...words: ReadonlyArray<string>): Said => dinograph('export', ...words)

const inMemory = (model: Vit): FeatureNetwork => ({
  features: (pixels) => call(model, context('eval'), '', leavesOf('', model.params), pixels),
  weights: weightsOf(model),
  channels: model.options.channels,
  vit: O.some(model),
})

const folderOf = async (name: string, model: Vit): Promise<string> => {
  right(await writeBackbone(at(name))({ model, weights: weightsOf(model) })())
  return at(name)
}

const exported = (model: string, file: string, ...words: ReadonlyArray<string>): Readonly<Record<string, unknown>> => {
  const done = exporting('--model', model, '--onnx', file, '--json', ...words)
  expect(done.code, done.err).toBe(0)
  const json: unknown = JSON.parse(done.out.trim().split('\n').at(-1) ?? '')
  return typeof json === 'object' && json !== null ? { ...json } : {}
}

// the grid of positions is 3 x 3 patches of 4: that one, others, such as patches do not fill
const sizes: ReadonlyArray<Size> = [
  [1, 12, 12],
  [3, 20, 32],
  [2, 8, 28],
  [1, 13, 14],
]

describe('any batch and any sides', () => {
  it.each(Object.entries(backbones))('%s', { timeout: 60_000 }, async (name, model) => {
    const folder = await folderOf(name, model)
    const told = exported(folder, at(`${name}.onnx`))
    expect(told.inputs).toEqual({ pixels: ['batch', 3, 'height', 'width'] })
    expect(told.outputs).toEqual({ cls: ['batch', 8], patches: ['batch', 'columns*rows', 8] })
    await agrees(at(`${name}.onnx`), await networkAt(folder), sizes)
  })

  it('by the official rule of positions, whose own grid is for squares alone', { timeout: 60_000 }, async () => {
    const folder = await folderOf('dialect', backbones.vit)
    exported(folder, at('dialect.onnx'), '--dialect', 'official')
    await agrees(at('dialect.onnx'), await networkAt(folder, { dialect: 'official' }), [...sizes, [1, 12, 13]])
  })

  it.each<readonly [string, Partial<FullOptions>]>([
    ['rotary positions where the longer side divides', { position: { kind: 'rope', normalize: 'max' } }],
    ['where the shorter side divides', { position: { kind: 'rope', normalize: 'min', periods: { min: 0.5, max: 80 } } }],
    ['norms of their own, by the root of the mean square', { norm: 'rms', untiedNorms: true }],
    ['grey images', { channels: 1 }],
  ])('%s', async (name, more) => {
    const network = inMemory(vit({ ...backbones.dinov3_vit.options, ...more }))
    right(await writeOnnx(at(`${name}.onnx`))(right(onnxFeatures(network, { _tag: 'Open', patch: 4 }, name)))())
    await agrees(at(`${name}.onnx`), network, sizes)
  })
})

describe('fixed sides', () => {
  it('of a ViT, where they are asked for', { timeout: 60_000 }, async () => {
    const folder = await folderOf('fixed', backbones.dinov2_with_registers)
    const told = exported(folder, at('fixed.onnx'), '--size', '8x20')
    expect(told.inputs).toEqual({ pixels: ['batch', 3, 8, 20] })
    expect(told.outputs).toEqual({ cls: ['batch', 8], patches: ['batch', 10, 8] })
    await agrees(at('fixed.onnx'), await networkAt(folder), [
      [1, 8, 20],
      [3, 8, 20],
    ])
  })

  it('of a Swin, whose windows they decide', { timeout: 60_000 }, async () => {
    const model = swins.pyramid({ width: 8, depths: [2, 2], heads: [1, 2], patch: 2, window: 3, image: 24 })
    const weights = new Map(declarations(model.params).map(([path, d], i) => [path, Float32Array.from(wave(sizeOf(d.shape), i))]))
    right(await writePyramid(at('swin'))({ model, weights })())
    expect(exported(at('swin'), at('swin.onnx')).inputs).toEqual({ pixels: ['batch', 3, 24, 24] })
    await agrees(at('swin.onnx'), await networkAt(at('swin')), [
      [1, 24, 24],
      [2, 24, 24],
    ])
    exported(at('swin'), at('wide.onnx'), '--size', '20x36')
    await agrees(at('wide.onnx'), await networkAt(at('swin')), [[3, 20, 36]])
  })
})

it('of a ConvNeXt, by the size that it sees pictures at', { timeout: 60_000 }, async () => {
  const model = convnexts.pyramid({ widths: [4, 6], depths: [1, 2], image: 24 })
  const weights = new Map(declarations(model.params).map(([path, d], i) => [path, Float32Array.from(wave(sizeOf(d.shape), i))]))
  right(await writePyramid(at('convnext'))({ model, weights })())
  expect(exported(at('convnext'), at('convnext.onnx')).inputs).toEqual({ pixels: ['batch', 3, 24, 24] })
  await agrees(at('convnext.onnx'), await networkAt(at('convnext')), [
    [1, 24, 24],
    [2, 24, 24],
  ])
  exported(at('convnext'), at('convnext-wide.onnx'), '--size', '21x38')
  await agrees(at('convnext-wide.onnx'), await networkAt(at('convnext')), [[2, 21, 38]])
})

describe('what is written', () => {
  it('of a run is its average with adapters merged', { timeout: 60_000 }, async () => {
    const model = backbones.vit
    const weights = weightsOf(model)
    const state = (path: string): ReadonlyArray<readonly [string, HostTensor]> =>
      declarations(model.params).map(([name, d]) => [`${path}.${name}`, floatTensor(d.shape, weights.get(name) ?? new Float32Array())])
    const adapters = [
      ['student.backbone.blocks.0.attn.proj.lora_A.weight', floatTensor([1, 8], new Float32Array(8).fill(1))] as const,
      ['student.backbone.blocks.0.attn.proj.lora_B.weight', floatTensor([8, 1], new Float32Array(8).fill(0.5))] as const,
    ]
    right(
      await save(join(at('run'), 'checkpoints'), { keepLast: 1, keepEvery: 0 })({
        step: 3,
        seed: 0,
        config: { vit: { heads: 2 }, lora: { targets: ['blocks.0.attn.proj'], rank: 1, alpha: 4 } },
        position: null,
        state: new Map([...state('student.backbone'), ...adapters]),
      })(),
    )
    exported(at('run'), at('run.onnx'))
    const network = await networkAt(at('run'))
    expect(network.weights.get('blocks.0.attn.proj.weight')).not.toEqual(weights.get('blocks.0.attn.proj.weight'))
    await agrees(at('run.onnx'), network, sizes.slice(0, 2))
  })

  it('has its tensors in a second file where one would be too large', async () => {
    const network = inMemory(vit({ ...backbones.vit.options, width: 32 }))
    const written = right(onnxFeatures(network, { _tag: 'Open', patch: 4 }, ''))
    expect(right(await writeOnnx(at('large.onnx'), 10_000)(written)())).toEqual([at('large.onnx'), at('large.onnx.data')])
    expect(statSync(at('large.onnx')).size).toBeLessThan(statSync(at('large.onnx.data')).size)
    await agrees(at('large.onnx'), network, sizes.slice(0, 1))
  })
})

it('docs/weights.md: pictures become features with onnxruntime-node and sharp alone', { timeout: 60_000 }, async () => {
  const [, program = ''] = /^```js\n([^]*?)^```$/m.exec(readFileSync(join(root, 'docs/weights.md'), 'utf8')) ?? []
  exported(await folderOf('docs', backbones.dinov2_with_registers), at('docs.onnx'))
  const picture = join(root, 'spec/data/fixtures/pictures/colour.png')
  const words = ['--input-type=module', '-', at('docs.onnx'), picture, picture]
  const { stdout, stderr } = spawnSync(process.execPath, words, {
    cwd: root,
    encoding: 'utf8',
    input: program.replace('side = 224', 'side = 56').replace("'onnxruntime-node'", "'onnxruntime-web'"),
  })
  expect(stdout, stderr).toBe('class tokens [ 2, 8 ] patches [ 2, 196, 8 ]\n')
})

describe('what cannot be written', () => {
  it('is said with what can: a size, a model', { timeout: 60_000 }, async () => {
    const folder = await folderOf('wrong', backbones.vit)
    const size = exporting('--model', folder, '--onnx', at('none.onnx'), '--size', '12x')
    expect(size.code).toBe(2)
    expect(size.err).toContain('write --size 224, or --size 224x320')
    const small = exporting('--model', folder, '--onnx', at('none.onnx'), '--size', '3')
    expect(small.code).toBe(1)
    expect(small.err).toContain('images [B, 3, H, W] with H and W of at least 4')
    expect(exporting('--model', folder)).toMatchObject({ code: 2 })
    expect(existsSync(at('none.onnx'))).toBe(false)
  })

  it('for any sides may be for one size: a table that depends on them', async () => {
    // a mean over patches that are weighed by a constant of their number
    const [base, patch] = [inMemory(backbones.vit), 4]
    const weighed = (patches: Expr): Expr => {
      const [, n] = patches.type.shape
      const weights = table(
        'f32',
        [1, n, 1],
        range(n).map((i) => Math.sqrt(i / n)),
      )
      return mean({ axes: [1] })(mul(patches, broadcastTo(patches.type.shape)(weights)))
    }
    const network: FeatureNetwork = {
      ...base,
      vit: O.none,
      features: (pixels) => {
        const { patches } = base.features(pixels)
        return { patches, cls: add(weighed(patches), 1) }
      },
    }
    const refused = left(onnxFeatures(network, { _tag: 'Open', patch }, ''))
    expect(refused.found).toContain('a table of constants that depends on the size')
    expect(refused.remedy).toContain('--size')
    right(await writeOnnx(at('one.onnx'))(right(onnxFeatures(network, { _tag: 'Fixed', height: 16, width: 8 }, '')))())
    await agrees(at('one.onnx'), network, [[2, 16, 8]])
  })
})
