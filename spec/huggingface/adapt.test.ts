/** Weights for other images: channels, grids, tokens; state dicts with official names; all of it said aloud. */
import { describe, expect, it } from 'vitest'
import { writeSafetensors } from '../../data/formats/safetensors.ts'
import type { HostTensor, HostTensors } from '../../data/formats/tensor.ts'
import { floatTensor } from '../../data/formats/tensor.ts'
import { declarations } from '../../core/model.ts'
import type { ChannelRule } from '../../train/exchange/huggingface/imagery.ts'
import { adaptChannels, resizeGrid } from '../../train/exchange/huggingface/imagery.ts'
import { inferOptions } from '../../train/exchange/huggingface/outline.ts'
import { officially } from '../../models/huggingface/official.ts'
import { fullOptions } from '../../models/options.ts'
import { vitV2, vitV3 } from '../../models/presets.ts'
import { ropePeriods } from '../../models/rope.ts'
import type { Vit } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import { adaptWeights } from '../../train/exchange/huggingface/adaptation.ts'
import { underRoots } from '../../train/exchange/huggingface/backbone.ts'
import { fromState, readBackbone } from '../../train/exchange/huggingface/reader.ts'
import { left, right } from '../data/either.ts'
import { expectClose } from '../support/tensor.ts'
import { backbones, temporary, weightsOf } from './backbones.ts'

const at = temporary()

const state = (m: Vit, rename: (name: string) => string = (n) => n): HostTensors =>
  new Map(
    declarations(m.params).map(([path, d]): readonly [string, HostTensor] => [
      rename(path),
      floatTensor(d.shape, weightsOf(m).get(path) ?? new Float32Array()),
    ]),
  )

describe('channels', () => {
  const adapt = (rule: ChannelRule, from: number, to: number, weight: ReadonlyArray<number>): ReadonlyArray<number> => [
    ...adaptChannels(rule, { from, to, area: 1 })(Float32Array.from(weight)),
  ]
  it('become one by sum or by mean', () => {
    expect(adapt('sum', 3, 1, [1, 2, 3, 4, 5, 6])).toEqual([6, 15])
    expect(adapt('mean', 3, 1, [1, 2, 3, 4, 5, 6])).toEqual([2, 5])
  })
  it('become more by repetition, so that the sum stays, or by zeros', () => {
    expect(adapt('repeat', 3, 6, [2, 4, 6])).toEqual([1, 2, 3, 1, 2, 3])
    expect(adapt('zero', 3, 4, [2, 4, 6])).toEqual([2, 4, 6, 0])
    expect(adapt('sum', 3, 2, [2, 4, 6])).toEqual([6, 6])
  })
})

describe('grids', () => {
  it('keep the class token, constants, and what is already of the size', () => {
    const stored = Float32Array.from([9, 8, ...(Array(9).fill([1, 2]).flat() as number[])])
    expectClose([...resizeGrid({ from: 3, to: 4, width: 2 })(stored)], [9, 8, ...(Array(16).fill([1, 2]).flat() as number[])], 1e-6)
    const other = Float32Array.from({ length: 20 }, (_, i) => i)
    expectClose([...resizeGrid({ from: 3, to: 3, width: 2 })(other)], [...other], 1e-5)
  })
})

describe('a backbone for other images', () => {
  const from = backbones.dinov2
  const changed = (o: Partial<Vit['options']>): ReturnType<ReturnType<typeof adaptWeights>> =>
    adaptWeights(from, vit({ ...from.options, ...o }), { channels: 'sum', seed: 0 })(weightsOf(from))
  it('says what became of channels and positions', () => {
    const { weights, notes } = right(changed({ channels: 1, image: 20 }))
    expect(weights.get('patch_embed.proj.weight')?.length).toBe(8 * 16)
    expect(weights.get('pos_embed')?.length).toBe(26 * 8)
    expect(notes).toEqual([
      'pos_embed: interpolated from a grid of 3 x 3 to 5 x 5',
      'patch_embed.proj.weight: 3 channels became 1 by the rule "sum"',
    ])
  })
  it('says what begins anew, and what is left out', () => {
    expect(right(changed({ registers: 2 })).notes).toEqual(['register_tokens begins anew: the source has none'])
    expect(right(changed({ maskToken: false })).notes).toEqual(['mask_token was left out: the backbone has none'])
    expect(
      right(
        adaptWeights(backbones.vit, vit({ ...backbones.vit.options, maskToken: true }), { channels: 'sum', seed: 0 })(
          weightsOf(backbones.vit),
        ),
      ).notes,
    ).toEqual(['mask_token begins anew: the source has none'])
  })
  it('cannot have another width', () => {
    expect(left(changed({ width: 16 })).place).toBe('cls_token')
  })
})

describe('official names', () => {
  it('come without chunks', () => {
    const names = ['blocks.0.3.norm1.weight', 'cls_token', 'blocks.11.attn.qkv.weight', 'blocks.2.23.attn.qkv.weight']
    expect([...officially(new Map(names.map((name) => [name, [1]]))).keys()]).toEqual([
      'blocks.3.norm1.weight',
      'cls_token',
      'blocks.11.attn.qkv.weight',
      'blocks.23.attn.qkv.weight',
    ])
  })
  it.each(Object.entries(backbones))('of %s are read from a file, whatever stands before them', async (name, m) => {
    const file = at(`${name}.safetensors`)
    const periods =
      m.options.position.kind === 'rope'
        ? [['rope_embed.periods', floatTensor([1], Float32Array.from(ropePeriods(m.options.position, 4)))] as const]
        : []
    const masks = m.options.maskKeyBias
      ? [0, 1].map((i) => [`blocks.${i}.attn.qkv.bias_mask`, floatTensor([24], new Float32Array(24))] as const)
      : []
    right(
      await writeSafetensors(file)({
        tensors: new Map([
          ...[...state(m), ...periods, ...masks].map(([n, x]) => [`teacher.backbone.${n}`, x] as const),
          ['teacher.dino_head.mlp.0.weight', floatTensor([1], new Float32Array(1))],
        ]),
        metadata: {},
      })(),
    )
    const b = right(await readBackbone(file, { heads: 2 })())
    expect(b.source).toBe('official')
    expect(b.weights).toEqual(weightsOf(m))
    expect(b.notes.join()).toContain('dino_head.mlp.0.weight')
    expect([...underRoots(b, ['student.backbone', 'teacher.backbone']).keys()].filter((k) => k.endsWith('cls_token'))).toEqual([
      'student.backbone.cls_token',
      'teacher.backbone.cls_token',
    ])
  })
  it('of chunked blocks are read', async () => {
    const b = right(
      await fromState(
        'x',
        state(backbones.dinov2, (n) => n.replace(/^blocks\.(\d)\./, 'blocks.$1.$1.')),
        { heads: 2 },
      )(),
    )
    expect(b.weights).toEqual(weightsOf(backbones.dinov2))
  })
  it('tell the options of every released backbone', () => {
    for (const m of [
      vit.small({ patch: 8 }),
      vitV2.giant(),
      vitV2.large({ registers: 4 }),
      vitV3.smallPlus(),
      vitV3.so400m(),
      vitV3.huge7B(),
    ]) {
      const { position: p } = m.options
      const shapes = new Map(declarations(m.params).map(([path, d]) => [path, d.shape]))
      for (const [path] of [...shapes])
        if (m.options.maskKeyBias && m.options.qkvBias && path.endsWith('qkv.bias')) shapes.set(`${path}_mask`, shapes.get(path) ?? [])
      const told = inferOptions(
        { shapes, ...(p.kind === 'rope' ? { periods: ropePeriods(p, m.width / m.options.heads) } : {}) },
        p.kind === 'rope' ? undefined : m.options.heads,
      )
      const o = told._tag === 'Right' ? fullOptions(told.right) : expect.fail(told.left.allowed)
      const essential = (x: Vit['options']): unknown => [
        x.patch,
        x.width,
        x.depth,
        x.heads,
        x.hidden,
        x.registers,
        x.qkvBias,
        x.eps,
        x.localNorm,
        x.generation,
        x.position.kind === 'rope' ? x.position.periods : x.position,
      ]
      expect(essential(o)).toEqual(essential(m.options))
    }
  })
  it('that are missing or unknown are named, and heads have to be told', async () => {
    const some = new Map(state(backbones.dinov2))
    some.delete('norm.bias')
    some.delete('blocks.1.ls2.gamma')
    expect(left(await fromState('f', some, { heads: 2 })()).found).toContain('blocks.1.ls2.gamma')
    expect(left(await fromState('f', state(backbones.vit), {})()).remedy).toContain('--heads')
    expect(left(await fromState('f', new Map(), {})()).allowed).toContain('cls_token')
    expect(
      left(await fromState('f', new Map([...state(backbones.vit), ['extra', floatTensor([1], new Float32Array(1))]]), { heads: 2 })())
        .found,
    ).toBe('1 unknown tensor(s): extra')
  })
})
