/** The options of a backbone from its state dict alone: names and shapes say all but heads, eps and how positions are resized. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Misuse } from '../../../core/expr.ts'
import type { Shape } from '../../../core/type.ts'
import type { FfnKind } from '../../../models/ffn.ts'
import type { VitOptions } from '../../../models/options.ts'
import { learned, learnedAntialiased } from '../../../models/options.ts'
import type { RopePeriods } from '../../../models/rope.ts'
import type { Generation } from '../../../models/tokens.ts'

/** What a state dict says of itself: shapes by official name, and the buffer `rope_embed.periods` where it is there. */
export interface StateOutline {
  readonly shapes: ReadonlyMap<string, Shape>
  readonly periods?: ArrayLike<number>
}

/** Relative error of numbers that 8 bits of mantissa hold, and of such that 24 bits hold. */
const [coarse, fine] = [2 ** -8, 1e-4]

/** Whether numbers have no more digits than bf16 keeps. */
const isCoarse = (xs: ArrayLike<number>): boolean =>
  Uint32Array.from(new Uint32Array(Float32Array.from(xs).buffer)).every((bits) => bits % 65536 === 0)

/** The rule that a buffer of periods follows: a whole base where one gives all of them as well as their type holds them. */
const periodsOf = (periods: ArrayLike<number> | undefined): RopePeriods => {
  if (periods === undefined || periods.length === 0) return { base: 100 }
  const slack = isCoarse(periods) ? coarse : fine
  const [n, first, last] = [periods.length, periods[0], periods[periods.length - 1]]
  if (Math.abs(first - 1) > slack || n === 1) return { min: first, max: last }
  const base = last ** (n / (n - 1))
  const fits = (b: number): boolean => Array.from(periods).every((t, i) => Math.abs(t - b ** (i / n)) <= slack * t)
  return (
    [Math.round(base / 100) * 100, Math.round(base / 10) * 10, Math.round(base)].flatMap((b) =>
      b > 0 && fits(b) ? [{ base: b }] : [],
    )[0] ?? { base }
  )
}

/** Heads in every released model of a width, for a hint: nothing in a file says it. */
const usualHeads = (width: number): string => (width % 64 === 0 ? ` (released models of this width: ${width / 64})` : '')

/** Left: no backbone of the family, or heads that have to be given. */
export const inferOptions = ({ shapes, periods }: StateOutline, heads?: number): Either<Misuse, VitOptions> => {
  const [cls, proj] = [shapes.get('cls_token'), shapes.get('patch_embed.proj.weight')]
  const has = (name: string): boolean => shapes.has(name)
  const names = [...shapes.keys()]
  const depth = 1 + names.reduce((m, n) => Math.max(m, Number(/^blocks\.(\d+)\./.exec(n)?.[1] ?? -1)), -1)
  if (cls?.length !== 3 || proj?.length !== 4 || depth === 0 || proj[2] !== proj[3])
    return E.left({
      allowed: 'the state of a ViT: cls_token [1, 1, D], patch_embed.proj.weight [D, C, p, p], blocks.0.…',
      remedy: 'name the file of a DINO, DINOv2 or DINOv3 backbone',
    })
  const width = cls[2]
  const stated = periods === undefined || periods.length === 0 ? undefined : width / (4 * periods.length)
  if (stated !== undefined && heads !== undefined && stated !== heads)
    return E.left({ allowed: `${stated} heads, as the periods of the file say (asked for: ${heads})`, remedy: 'leave --heads out' })
  const each = stated ?? heads
  if (each === undefined || !Number.isInteger(each) || width % each !== 0)
    return E.left({
      allowed: `a number of heads that divides the width ${width}; ${each === undefined ? 'nothing here says it' : `${each} does not`}`,
      remedy: `tell it with --heads N${usualHeads(width)}`,
    })
  const ffn: FfnKind = has('blocks.0.mlp.fc1.weight') ? 'mlp' : has('blocks.0.mlp.w12.weight') ? 'swiglu-fused' : 'swiglu'
  const inner = shapes.get(`blocks.0.mlp.${ffn === 'mlp' ? 'fc1' : ffn === 'swiglu' ? 'w1' : 'w12'}.weight`)?.[0] ?? 4 * width
  const registers = shapes.get('register_tokens')?.[1] ?? shapes.get('storage_tokens')?.[1] ?? 0
  const stored = shapes.get('pos_embed')?.[1]
  const grid = stored === undefined ? undefined : Math.round(Math.sqrt(stored - 1))
  const scaled = has('blocks.0.ls1.gamma')
  const generation: Generation = grid === undefined ? 3 : scaled || registers > 0 || has('mask_token') ? 2 : 1
  return E.right({
    generation,
    width,
    depth,
    heads: each,
    patch: proj[2],
    channels: proj[1],
    ffn,
    hidden: ffn === 'swiglu-fused' ? inner / 2 : inner,
    registers,
    image: grid === undefined ? 224 : grid * proj[2],
    maskToken: has('mask_token'),
    qkvBias: has('blocks.0.attn.qkv.bias'),
    maskKeyBias: has('blocks.0.attn.qkv.bias_mask'),
    projBias: has('blocks.0.attn.proj.bias'),
    ffnBias: has(`blocks.0.mlp.${ffn === 'mlp' ? 'fc1' : 'w3'}.bias`),
    norm: has('blocks.0.norm1.bias') ? 'layer' : 'rms',
    eps: generation === 3 ? 1e-5 : 1e-6,
    ...(scaled ? { layerScale: 1 } : {}),
    untiedNorms: has('cls_norm.weight'),
    localNorm: has('local_cls_norm.weight'),
    wholePatches: generation === 2,
    dropPathForm: generation === 1 ? 'sample' : 'subset',
    dropPathRule: generation === 1 ? 'linear' : 'uniform',
    position: grid === undefined ? { kind: 'rope', periods: periodsOf(periods) } : registers > 0 ? learnedAntialiased : learned,
  })
}
