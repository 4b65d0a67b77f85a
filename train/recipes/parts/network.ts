/** Backbones and heads as settings, and the networks that they make. */
import type { Expr } from '../../../core/expr.ts'
import type { Model } from '../../../core/model.ts'
import type { HeadParams, PlainHeadParams } from '../../../models/head.ts'
import { head, plainHead } from '../../../models/head.ts'
import { ffnKinds } from '../../../models/ffn.ts'
import type { FullOptions, Position, VitOptions } from '../../../models/options.ts'
import type { RopeOptions } from '../../../models/rope.ts'
import type { Generation } from '../../../models/tokens.ts'
import type { Vit, VitInput, VitParams } from '../../../models/vit.ts'
import { vit } from '../../../models/vit.ts'
import type { ValueOf } from '../../config/field.ts'
import { flag, oneOf, optional, pair, real, whole } from '../../config/field.ts'
import type { Given } from '../../config/section.ts'
import { section } from '../../config/section.ts'
import type { Backbone } from '../../step/method.ts'
import { part } from '../part.ts'

const rope = section('rotary positions', {
  base: real(100, 'of the periods', { above: 0 }),
  periods: optional(pair([0.5, 100], 'smallest and largest period, in place of a base', { above: 0 })),
  normalize: oneOf(
    ['separate', 'max', 'min'],
    'by which side coordinates are divided: each axis by its own, or both by the longer or the shorter one',
  ),
  shift: real(0, 'training alone: adds up to so much to both coordinates', { min: 0 }),
  jitter: real(1, 'training alone: multiplies each axis by up to so much', { min: 1 }),
  rescale: real(2, 'training alone: multiplies both axes by up to so much', { min: 1 }),
})

export const networkSettings = section(
  'the backbone, a Vision Transformer',
  {
    patch: whole(16, 'pixels along the side of a patch', { min: 1, max: 1024 }),
    width: whole(192, 'components of a token', { min: 1 }),
    depth: whole(12, 'blocks', { min: 1, max: 1000 }),
    heads: whole(3, 'attention heads of a block', { min: 1 }),
    mlpRatio: real(4, 'hidden width of the feed-forward half, in widths', { above: 0 }),
    hidden: optional(whole(768, 'hidden width of the feed-forward half, in place of mlpRatio', { min: 1 })),
    ffn: oneOf(ffnKinds, 'kind of the feed-forward half'),
    qkvBias: flag(true, 'whether queries, keys and values have a bias'),
    maskKeyBias: flag(false, 'whether the bias of keys is stored and not used, as in DINOv3'),
    projBias: flag(true, 'whether the output of attention has a bias'),
    ffnBias: flag(true, 'whether the feed-forward half has biases'),
    norm: oneOf(['layer', 'rms'], 'kind of the normalisation'),
    eps: real(1e-6, 'of every normalisation; 1e-5 in the released DINOv3', { above: 0 }),
    untiedNorms: flag(false, 'whether class token and registers have a final norm of their own'),
    localNorm: flag(false, 'whether they have one of their own for local crops, in training'),
    generation: oneOf(['1', '2', '3'], 'whose names and first values tokens have: those of DINO, DINOv2, DINOv3'),
    image: optional(
      whole(224, 'pixels along the side of the images that learned positions are stored for; null: the global crops', { min: 1 }),
    ),
    offset: real(0.1, 'added to the grid when learned positions are read at another size; 0 in DINOv2 with registers', { min: 0 }),
    antialias: flag(false, 'whether they are read with antialias'),
    registers: whole(0, 'tokens beside the class token that are no patches'),
    layerScale: optional(real(1e-5, 'where LayerScale begins; null: none', { above: 0 })),
    initStd: real(0.02, 'standard deviation that the matrices of the blocks begin with', { above: 0 }),
    positionStd: real(0.02, 'that of learned positions; in short runs of small networks 0.5 lets class tokens tell places apart', {
      above: 0,
    }),
    dropPath: real(0, 'drop-path rate', { min: 0, below: 1 }),
    dropPathRule: oneOf(['linear', 'uniform'], 'whether the rate grows from block to block'),
    dropPathForm: oneOf(['sample', 'subset'], 'drops samples of a branch, or computes a branch on a subset of the batch'),
    rope: optional(rope),
  },
  [
    {
      at: 'heads',
      of: ['width', 'heads'],
      holds: (n) => n.width % n.heads === 0,
      allowed: (n) => `a divisor of the width ${n.width}`,
      remedy: 'choose heads that divide the width',
    },
    {
      at: 'rope',
      of: ['rope', 'width', 'heads'],
      holds: (n) => n.rope === null || (n.width / n.heads) % 4 === 0,
      allowed: (n) => `heads whose width is a multiple of 4 (here ${n.width / n.heads})`,
      remedy: 'change width or heads',
    },
  ],
)

export type Network = ValueOf<typeof networkSettings>

const positionOf = (r: Network['rope'], offset: number, antialias: boolean): Position =>
  r === null
    ? { kind: 'learned', offset, antialias }
    : {
        kind: 'rope',
        periods: r.periods === null ? { base: r.base } : { min: r.periods[0], max: r.periods[1] },
        normalize: r.normalize,
        shift: r.shift,
        jitter: r.jitter,
        rescale: r.rescale,
      }

const generations: Readonly<Record<Network['generation'], Generation>> = { 1: 1, 2: 2, 3: 3 }

/** What data and method ask of a backbone: channels, the side of the images where its settings say none, a token for hidden patches. */
export type Asked = Pick<VitOptions, 'channels' | 'image' | 'maskToken'>

/** The Vision Transformer of such settings. */
export const backboneOf = ({ rope: r, offset, antialias, layerScale, hidden, image, generation, ...n }: Network, o: Asked = {}): Vit =>
  vit({
    ...n,
    ...o,
    position: positionOf(r, offset, antialias),
    generation: generations[generation],
    ...(image === null ? {} : { image }),
    ...(layerScale === null ? {} : { layerScale }),
    ...(hidden === null ? {} : { hidden }),
  })

const ropeOf = (o: RopeOptions): NonNullable<Given<Network>['rope']> => {
  const periods = o.periods ?? { base: 100 }
  return {
    normalize: o.normalize ?? 'separate',
    ...('base' in periods ? { base: periods.base, periods: null } : { periods: [periods.min, periods.max] }),
  }
}

/**
 * The settings of a backbone that there is, of a folder or of an earlier run; what is for training alone (drop-path, moved positions) is
 * as usual.
 */
export const networkOf = (o: FullOptions): Given<Network> => ({
  patch: o.patch,
  width: o.width,
  depth: o.depth,
  heads: o.heads,
  hidden: o.hidden,
  ffn: o.ffn,
  qkvBias: o.qkvBias,
  maskKeyBias: o.maskKeyBias,
  projBias: o.projBias,
  ffnBias: o.ffnBias,
  norm: o.norm,
  eps: o.eps,
  registers: o.registers,
  layerScale: o.layerScale ?? null,
  untiedNorms: o.untiedNorms,
  localNorm: o.localNorm,
  generation: `${o.generation}`,
  ...(o.position.kind === 'learned'
    ? { rope: null, image: o.image, offset: o.position.offset, antialias: o.position.antialias === true }
    : { rope: ropeOf(o.position) }),
})

const headSettings = section('the projection head', {
  layers: whole(3, 'linear layers before the prototypes', { min: 1 }),
  hidden: whole(2048, 'their hidden width', { min: 1 }),
  bottleneck: whole(256, 'width of the normalised output', { min: 1 }),
  prototypes: whole(4096, 'K', { min: 2 }),
  normLastLayer: flag(true, 'keeps the norms of the prototypes at 1'),
})

export type Prototypes = ValueOf<typeof headSettings>

/** A projection head, and where in it the prototypes are. */
export interface Head<H> extends Model<H, Expr, { readonly logits: Expr }> {
  readonly prototypes?: string
}

const lastLayer = 'last_layer'

/** The projection head on class tokens, and on patches where there are any, for features of a width. */
export const prototypes = part(headSettings, (o) => (width: number): Head<HeadParams> => ({
  ...head({ in: width, ...o }),
  prototypes: lastLayer,
}))

/** The head of DINOv3: prototypes without weight normalisation. */
export const plainPrototypes = part(headSettings, (o) => (width: number): Head<PlainHeadParams> => ({
  ...plainHead({ in: width, ...o }),
  prototypes: lastLayer,
}))

/** A Vision Transformer. Presets of the papers are files to extend: examples/recipes/backbones. */
export const network = part(networkSettings, (n) => (o: Asked): Backbone<VitParams, Expr | VitInput> => {
  const made = backboneOf(n, o)
  return { ...made, blocks: n.depth, vit: made }
})
