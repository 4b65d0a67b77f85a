/**
 * Weights from elsewhere: under any path, in any wrapper, in timm's words, as PyTorch's files: the same features to the bit; and what may
 * not be guessed or left out.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { input } from '../../core/leaves.ts'
import { call, context, declarations, leavesOf } from '../../core/model.ts'
import type { HostTensor } from '../../data/formats/tensor.ts'
import { floatTensor, floatsOf } from '../../data/formats/tensor.ts'
import { readSafetensors, writeSafetensors } from '../../data/formats/safetensors.ts'
import type { Vit } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import type { Backbone } from '../../train/exchange/huggingface/backbone.ts'
import { readPyramidFolder } from '../../train/exchange/huggingface/pyramid.ts'
import { writePyramid } from '../../train/exchange/huggingface/pyramid-writer.ts'
import { writeBackbone } from '../../train/exchange/huggingface/writer.ts'
import type { Weights } from '../../train/exchange/huggingface/weights.ts'
import { readModel } from '../../train/exchange/model.ts'
import { swins } from '../../models/huggingface/swin.ts'
import { left, right, some } from '../data/either.ts'
import { floats, torchArchive, torchLegacy } from '../support/torch-file.ts'
import { wave } from '../support/tensor.ts'
import { backbones, temporary, weightsOf } from './backbones.ts'

const at = temporary()

type State = ReadonlyMap<string, HostTensor>

const stateOf = (m: Vit, w: Weights = weightsOf(m)): State =>
  new Map(declarations(m.params).map(([path, d]) => [path, floatTensor(d.shape, w.get(path) ?? new Float32Array())]))
const renamed = (s: State, name: (n: string) => string): State => new Map([...s].map(([n, x]) => [name(n), x]))
const data = (x: HostTensor | undefined): Float32Array => (x === undefined ? new Float32Array() : right(floatsOf('x')(x)))

const written = async (name: string, s: State): Promise<string> => {
  right(await writeSafetensors(at(`${name}.safetensors`))({ tensors: s, metadata: {} })())
  return at(`${name}.safetensors`)
}

/** Tokens of one picture after the final norm. */
const tokensOf = ({ model, weights }: Pick<Backbone, 'model' | 'weights'>, side = 12): ReadonlyArray<number> => {
  const { tokens } = call(model, context('eval'), 'm', leavesOf('m', model.params), input('x', [1, 3, side, side]))
  return [
    ...evaluate(
      [tokens],
      new Map([...[...weights].map(([p, v]) => [`m.${p}`, v] as const), ['x', Float32Array.from(wave(3 * side * side, 3))]]),
    )[0],
  ]
}

describe('a backbone is found', () => {
  const s = stateOf(backbones.dinov2)
  it.each([
    'module.',
    '_orig_mod.',
    'module._orig_mod.',
    'teacher.backbone.module.',
    'teacher.backbone._fsdp_wrapped_module.',
    'encoder.',
    'module.encoder_q.',
    'vit.',
    'ema.',
    'model.teacher.backbone.',
    'teacher_model.',
    'student_backbone.',
    'state_dict.teacher.backbone.',
    'student.backbone.',
    'feature_extractor.',
    'image_encoder.',
    'whatever.it.is.called.',
  ])('under %s', async (prefix) => {
    const b = right(
      await readModel(
        await written(
          'prefix',
          renamed(s, (n) => `${prefix}${n}`),
        ),
        { heads: 2 },
      )(),
    )
    expect(b.weights).toEqual(weightsOf(backbones.dinov2))
    const plain = prefix.replace(/(?:_fsdp_wrapped_module|_orig_mod|module)\./g, '').slice(0, -1)
    expect(b.notes).toEqual(plain === '' ? [] : [`the backbone lies under ${plain}`])
  })
  it.each([
    [
      'chunks that are sharded',
      (n: string) =>
        `teacher.backbone._fsdp_wrapped_module.${n.replace(/^blocks\.(\d+)\./, 'blocks.0._fsdp_wrapped_module.$1._fsdp_wrapped_module.')}`,
    ],
    ['recomputed blocks', (n: string) => n.replace(/^blocks\.(\d+)\./, 'blocks.$1._checkpoint_wrapped_module.')],
    ['compiled blocks', (n: string) => n.replace(/^blocks\.(\d+)\./, 'blocks.$1._orig_mod.')],
  ])('in %s', async (_, name) => {
    expect(right(await readModel(await written('wrapped', renamed(s, name)), { heads: 2 })()).weights).toEqual(weightsOf(backbones.dinov2))
  })
  it('as the average or as what is trained, where a file has both; several that are neither are named', async () => {
    const twice = stateOf(backbones.dinov2, new Map([...weightsOf(backbones.dinov2)].map(([n, v]) => [n, v.map((x) => 2 * x)])))
    const both = await written(
      'both',
      new Map([...renamed(s, (n) => `teacher.backbone.${n}`), ...renamed(twice, (n) => `student.backbone.${n}`)]),
    )
    expect(right(await readModel(both, { heads: 2 })()).weights.get('norm.bias')).toEqual(weightsOf(backbones.dinov2).get('norm.bias'))
    expect(right(await readModel(both, { heads: 2, network: 'student' })()).weights.get('norm.bias')).toEqual(data(twice.get('norm.bias')))
    expect(
      left(
        await readModel(await written('two', new Map([...renamed(s, (n) => `a.${n}`), ...renamed(twice, (n) => `b.${n}`)])), {
          heads: 2,
        })(),
      ).found,
    ).toBe('2 backbones, under a., b.')
  })
  it('in files of torch.save, whole checkpoints too, without what else they hold', async () => {
    const dict = { dict: [...s].map(([n, x], i) => [`module.backbone.${n}`, floats(String(i), x.shape, x.data)] as const) }
    for (const [name, write] of [
      ['zip', torchArchive],
      ['legacy', torchLegacy],
    ] as const) {
      writeFileSync(
        at(`${name}.pth`),
        write({
          dict: [
            ['teacher', dict],
            ['epoch', 3],
            ['args', { call: ['argparse', 'Namespace'] }],
            ['optimizer', { dict: [['state', floats('o', [1], [1])]] }],
          ],
        }),
      )
      const b = right(await readModel(at(`${name}.pth`), { heads: 2 })())
      expect(b.weights).toEqual(weightsOf(backbones.dinov2))
      expect(b.notes).toEqual(['the backbone lies under teacher.backbone', 'left out, as no part of it: optimizer.state'])
    }
  })
  it('in a folder with pytorch_model.bin, under the prefix of a class for tasks', async () => {
    const folder = at('bin')
    right(await writeBackbone(folder)({ model: backbones.vit, weights: weightsOf(backbones.vit) })())
    const before = right(await readModel(folder)())
    const { tensors } = right(await readSafetensors(join(folder, 'model.safetensors'))())
    writeFileSync(
      join(folder, 'pytorch_model.bin'),
      torchArchive({
        dict: [
          ...[...tensors].map(([n, x], i) => [`vit.${n}`, floats(String(i), x.shape, x.data)] as const),
          ['vit.embeddings.mask_token', floats('m', [1, 1, 8], new Float32Array(8))],
          ['decoder.0.weight', floats('d', [1], [1])],
        ],
      }),
    )
    rmSync(join(folder, 'model.safetensors'))
    const b = right(await readModel(folder)())
    expect(b.weights).toEqual(before.weights)
    expect(b.notes.join('; ')).toContain('embeddings.mask_token')
    expect(b.notes.join('; ')).toContain('decoder.0.weight')
  })
  it('of a Swin, under the prefix of a class for tasks', async () => {
    const model = swins.pyramid({ width: 4, depths: [2, 1], heads: [1, 2], patch: 2, window: 3, image: 12 })
    const weights = new Map(
      declarations(model.params).map(([path, d], i) => [
        path,
        Float32Array.from(
          wave(
            d.shape.reduce((a, b) => a * b, 1),
            i,
          ),
        ),
      ]),
    )
    right(await writePyramid(at('swin'))({ model, weights })())
    const { tensors } = right(await readSafetensors(join(at('swin'), 'model.safetensors'))())
    right(
      await writeSafetensors(join(at('swin'), 'model.safetensors'))({
        tensors: new Map([...renamed(tensors, (n) => `swin.${n}`), ['classifier.weight', floatTensor([2, 8], new Float32Array(16))]]),
        metadata: {},
      })(),
    )
    const b = some(right(await readPyramidFolder(at('swin'))()))
    expect(b.weights).toEqual(weights)
    expect(b.notes).toEqual(['the backbone lies under swin', 'left out, as no part of it: classifier.weight'])
  })
})

const sizes = { patch: 4, width: 8, depth: 2, heads: 2, image: 12 }

/** What timm makes of a state dict (`vision_transformer.py` _convert_dinov2, `eva.py` checkpoint_filter_fn). */
const timmOf = (s: State): State => {
  const out = new Map<string, HostTensor>()
  const packed = s.has('blocks.0.mlp.w12.weight')
  const registers = s.get('register_tokens')
  const [cls, pos] = [data(s.get('cls_token')), data(s.get('pos_embed'))]
  for (const [n, x] of s) {
    const values = data(x)
    if (n === 'mask_token') continue
    if (n === 'cls_token' && registers !== undefined)
      out.set(
        n,
        floatTensor(
          x.shape,
          cls.map((v, i) => v + pos[i]),
        ),
      )
    else if (n === 'pos_embed' && registers !== undefined) out.set(n, floatTensor([1, x.shape[1] - 1, 8], values.slice(8)))
    else if (n.endsWith('attn.qkv.bias') && s.has('storage_tokens')) {
      out.set(n.replace('qkv.bias', 'q_bias'), floatTensor([8], values.slice(0, 8)))
      out.set(n.replace('qkv.bias', 'v_bias'), floatTensor([8], values.slice(16)))
    } else {
      const three = s.has('storage_tokens')
        ? n
            .replace(/\.ls(\d)\.gamma$/, '.gamma_$1')
            .replace('.mlp.w1.', '.mlp.fc1_g.')
            .replace('.mlp.w2.', '.mlp.fc1_x.')
            .replace('.mlp.w3.', '.mlp.fc2.')
        : n
      out.set(
        (packed ? three.replace('.mlp.w12.', '.mlp.fc1.').replace('.mlp.w3.', '.mlp.fc2.') : three).replace(
          /^(?:register|storage)_tokens$/,
          'reg_token',
        ),
        x,
      )
    }
  }
  return out
}

describe("timm's names", () => {
  /** With few digits, so that the sum of class token and position is exact in any precision. */
  const short = (m: Vit): Weights => new Map([...weightsOf(m)].map(([n, v]) => [n, v.map((x) => Math.round(x * 1024) / 1024)]))
  const masked = { ...sizes, generation: 2, layerScale: 1, maskToken: true } as const
  const rotary = {
    ...sizes,
    generation: 3,
    layerScale: 1,
    maskToken: true,
    registers: 2,
    eps: 1e-5,
    maskKeyBias: true,
    position: { kind: 'rope', periods: { base: 100 } },
  } as const
  it.each<readonly [string, Vit]>([
    ['DINO', vit(sizes)],
    ['DINOv2', vit(masked)],
    ['DINOv2 with a gated half', vit({ ...masked, ffn: 'swiglu-fused' })],
    ['DINOv2 with registers', vit({ ...masked, registers: 3, position: { kind: 'learned', offset: 0, antialias: true } })],
    ['DINOv3', vit(rotary)],
    ['DINOv3 with a gated half', vit({ ...rotary, ffn: 'swiglu' })],
  ])('of %s give the same features, to the bit', async (name, m) => {
    const file = await written(name.replaceAll(' ', '-'), timmOf(stateOf(m, short(m))))
    const b = right(await readModel(file, { heads: 2 })())
    expect(tokensOf(b)).toEqual(tokensOf({ model: m, weights: short(m) }))
    expect(b.model.options.maskKeyBias).toBe(m.options.maskKeyBias)
    const folder = at(`${name.replaceAll(' ', '-')}-folder`)
    mkdirSync(folder)
    right(await writeSafetensors(join(folder, 'model.safetensors'))({ tensors: timmOf(stateOf(m, short(m))), metadata: {} })())
    writeFileSync(
      join(folder, 'config.json'),
      JSON.stringify({
        architecture: `vit_small_patch4_${name.startsWith('DINOv3') ? 'dinov3' : 'x'}`,
        num_classes: 0,
        model_args: { num_heads: 2 },
        pretrained_cfg: {
          input_size: [3, 12, 12],
          crop_pct: 0.75,
          mean: [0.1, 0.2, 0.3],
          std: [1, 1, 1],
          interpolation: 'bicubic',
          url: '',
        },
      }),
    )
    const f = right(await readModel(folder)())
    expect(f.weights).toEqual(b.weights)
    expect(f.preprocessor).toMatchObject({ size: { shortest_edge: 16 }, crop_size: { height: 12, width: 12 }, image_mean: [0.1, 0.2, 0.3] })
  })
})

describe('what no tensor of timm says', () => {
  const rotary = { ...sizes, generation: 3, layerScale: 1, registers: 2, eps: 1e-5, maskKeyBias: true } as const
  const m = vit({ ...rotary, position: { kind: 'rope', periods: { base: 50 } } })
  const folder = async (name: string, over: Readonly<Record<string, unknown>>): Promise<string> => {
    const path = at(`said-${name}`)
    mkdirSync(path, { recursive: true })
    right(await writeSafetensors(join(path, 'model.safetensors'))({ tensors: timmOf(stateOf(m, weightsOf(m))), metadata: {} })())
    const config = { architecture: 'vit_small_patch4_dinov3', model_args: { num_heads: 2, rope_temperature: 50 }, ...over }
    writeFileSync(join(path, 'config.json'), JSON.stringify(config))
    return path
  }
  it('is read: the base of rotary periods, and pictures that are squashed', async () => {
    const pretrained_cfg = { input_size: [3, 12, 16], crop_pct: 0.5, crop_mode: 'squash' }
    const b = right(await readModel(await folder('base', { pretrained_cfg }))())
    expect(tokensOf(b)).toEqual(tokensOf({ model: m, weights: weightsOf(m) }))
    expect(b.preprocessor).toMatchObject({ size: { height: 24, width: 32 }, crop_size: { height: 12, width: 16 } })
  })
  it.each<readonly [Readonly<Record<string, unknown>>, string]>([
    [{ architecture: 'eva02_tiny_patch14_224' }, 'architecture'],
    [{ architecture: 'vit_base_patch16_rope_ape_224' }, 'architecture'],
    [{ architecture: 'vit_base_patch16_clip_quickgelu_224' }, 'architecture'],
    [{ model_args: { num_heads: 2, act_layer: 'quick_gelu' } }, 'act_layer'],
    [{ model_args: { num_heads: 2, act_layer: 'torch.nn.SiLU' } }, 'act_layer'],
    [{ model_args: { num_heads: 2, rope_mixed_mode: true } }, 'rope_mixed_mode'],
    [{ pretrained_cfg: { input_size: [3, 12, 12], crop_mode: 'border' } }, 'crop_mode'],
  ])('or refused: %j', async (over, key) => {
    expect(left(await readModel(await folder('refused', over))()).place).toContain(key)
  })
})

describe('nothing is guessed or left out', () => {
  const s = stateOf(backbones.dinov2)
  it('heads, of a state that does not say them', async () => {
    const bad = left(await readModel(await written('heads', s))())
    expect(bad.remedy).toContain('--heads N')
    expect(bad.found).toContain('35 tensors: blocks.0.attn.proj.bias')
  })
  it('rotary positions beside learned ones, which no tensor of EVA-02 shows', async () => {
    const eva = new Map([...timmOf(stateOf(backbones.dinov3_vit)), ['pos_embed', floatTensor([1, 10, 8], new Float32Array(80))] as const])
    expect(left(await readModel(await written('eva02', eva), { heads: 2 })()).allowed).toContain('both at once are not known here')
  })
  it('positions, of a file that has none: timm has rotary ones of several rules, of which no tensor says anything', async () => {
    const turned = stateOf(vit({ ...sizes, generation: 3, layerScale: 1, position: { kind: 'rope', periods: { base: 100 } } }))
    expect(left(await readModel(await written('placeless', timmOf(turned)), { heads: 2 })()).found).toBe(
      'neither pos_embed nor rope_embed.periods',
    )
  })
  it.each(['blocks.0.attn.q_norm.weight', 'blocks.1.adapter.down.weight', 'dist_token', 'norm_pre.weight', 'pos_embed_extra'])(
    '%s, even where unknown tensors are to be ignored',
    async (name) => {
      const file = await written('essential', new Map([...s, [name, floatTensor([8], new Float32Array(8))]]))
      expect(left(await readModel(file, { heads: 2, unknown: 'ignore' })()).found).toBe(`1 unknown tensor(s): ${name}`)
    },
  )
  it('heads for tasks are left out, and said', async () => {
    expect(
      right(
        await readModel(await written('task', new Map([...s, ['head.weight', floatTensor([2, 8], new Float32Array(16))]])), { heads: 2 })(),
      ).notes,
    ).toEqual(['left out: head.weight'])
  })
  it("a rank's share, and what is no backbone at all, by the names in it", async () => {
    expect(
      left(
        await readModel(
          await written('share', new Map([['teacher.backbone._fsdp_wrapped_module._flat_param', floatTensor([4], new Float32Array(4))]])),
        )(),
      ).found,
    ).toContain("_flat_param: one rank's share")
    expect(left(await readModel(await written('other', new Map([['conv1.weight', floatTensor([1], new Float32Array(1))]])))()).found).toBe(
      '1 tensors: conv1.weight',
    )
  })
})

describe('positions at another size', () => {
  const m = vit({ ...sizes, generation: 2, layerScale: 1, maskToken: true })
  const plain = vit({ ...m.options, position: { kind: 'learned', offset: 0 }, wholePatches: false })
  it('are resized as transformers does in its folders, as the official code does in others, and as the one who reads wants', async () => {
    const given = { model: plain, weights: weightsOf(m) }
    right(await writeBackbone(at('theirs'))(given)())
    right(await writeBackbone(at('ours'))({ ...given, model: m })())
    const at20 = async (path: string, o = {}): Promise<ReadonlyArray<number>> => tokensOf(right(await readModel(path, o)()), 20)
    const [theirs, ours] = [tokensOf(given, 20), tokensOf({ model: m, weights: weightsOf(m) }, 20)]
    expect(theirs).not.toEqual(ours)
    expect(await at20(at('theirs'))).toEqual(theirs)
    // a run says in its folder what it was trained with
    expect(await at20(at('ours'))).toEqual(ours)
    expect(await at20(at('theirs'), { dialect: 'official' })).toEqual(ours)
    expect(await at20(at('ours'), { dialect: 'huggingface' })).toEqual(theirs)
    expect(await at20(await written('named', stateOf(m)), { heads: 2 })).toEqual(ours)
    // sides that are no whole number of patches are cut, as transformers does
    expect(tokensOf(right(await readModel(at('theirs'))()), 22).length).toBe(theirs.length)
  })
})
