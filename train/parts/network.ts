/** Backbones and heads as settings, and the networks that they make. */
import type { Expr } from '../../core/expr.ts'
import type { Model } from '../../core/model.ts'
import type { HeadParams, Projected } from '../../models/head.ts'
import { head } from '../../models/head.ts'
import { ffnKinds } from '../../models/ffn.ts'
import type { VitOptions } from '../../models/options.ts'
import { learned } from '../../models/options.ts'
import type { Vit } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import type { ValueOf } from '../config/field.ts'
import { flag, oneOf, optional, real, whole } from '../config/field.ts'
import { section } from '../config/section.ts'

const rope = section('rotary positions', {
  base: real(100, 'of the periods', { above: 0 }),
  shift: real(0, 'training alone: adds up to so much to both coordinates', { min: 0 }),
  jitter: real(1, 'training alone: multiplies each axis by up to so much', { min: 1 }),
  rescale: real(2, 'training alone: multiplies both axes by up to so much', { min: 1 }),
})

/** A Vision Transformer. Presets of the papers are files to extend: examples/recipes/backbones. */
export const network = section('the backbone, a Vision Transformer', {
  patch: whole(16, 'pixels along the side of a patch', { min: 1, max: 1024 }),
  width: whole(192, 'components of a token', { min: 1 }),
  depth: whole(12, 'blocks', { min: 1, max: 1000 }),
  heads: whole(3, 'attention heads of a block', { min: 1 }),
  mlpRatio: real(4, 'hidden width of the feed-forward half, in widths', { above: 0 }),
  ffn: oneOf(ffnKinds, 'kind of the feed-forward half'),
  qkvBias: flag(true, 'whether queries, keys and values have a bias'),
  registers: whole(0, 'tokens beside the class token that are no patches'),
  layerScale: optional(real(1e-5, 'where LayerScale begins; null: none', { above: 0 })),
  dropPath: real(0, 'drop-path rate', { min: 0, below: 1 }),
  dropPathRule: oneOf(['linear', 'uniform'], 'whether the rate grows from block to block'),
  dropPathForm: oneOf(['sample', 'subset'], 'drops samples of a branch, or computes a branch on a subset of the batch'),
  rope: optional(rope),
}, [
  { at: 'heads', of: ['width', 'heads'], holds: (n) => n.width % n.heads === 0, allowed: (n) => `a divisor of the width ${n.width}`, remedy: 'choose heads that divide the width' },
  { at: 'rope', of: ['rope', 'width', 'heads'], holds: (n) => n.rope === null || (n.width / n.heads) % 4 === 0, allowed: (n) => `heads whose width is a multiple of 4 (here ${n.width / n.heads})`, remedy: 'change width or heads' },
])

export type Network = ValueOf<typeof network>

/** The backbone of such settings; `o` says what data and method ask for: channels, image, maskToken, generation. */
export const backboneOf = ({ rope: r, layerScale, ...n }: Network, o: Pick<VitOptions, 'channels' | 'image' | 'maskToken' | 'generation' | 'untiedNorms'> = {}): Vit => vit({
  ...n, ...o,
  position: r === null ? learned : { kind: 'rope', periods: { base: r.base }, shift: r.shift, jitter: r.jitter, rescale: r.rescale },
  ...(layerScale === null ? {} : { layerScale }),
})

/** The projection head on class tokens, and on patches where there are any. */
export const prototypes = section('the projection head', {
  layers: whole(3, 'linear layers before the prototypes', { min: 1 }),
  hidden: whole(2048, 'their hidden width', { min: 1 }),
  bottleneck: whole(256, 'width of the normalised output', { min: 1 }),
  prototypes: whole(4096, 'K', { min: 2 }),
  normLastLayer: flag(true, 'keeps the norms of the prototypes at 1'),
})

export type Prototypes = ValueOf<typeof prototypes>

export const headOf = (width: number, o: Prototypes): Model<HeadParams, Expr, Projected> => head({ in: width, ...o })
