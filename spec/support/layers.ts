/** Layers that random networks are made of: each takes tokens `[B, T, D]` to tokens. */
import type { Expr } from '../../core/expr.ts'
import type { Model } from '../../core/model.ts'
import { context, normal, param } from '../../core/model.ts'
import { add, mul, tanh } from '../../ops/elementwise.ts'
import { attending, composed } from '../../ops/attention.ts'
import { gelu } from '../../ops/nn.ts'
import { reshape, transpose } from '../../ops/reshape.ts'
import { concat, pick, slice } from '../../ops/window.ts'
import { block } from '../../models/block.ts'
import { ffn, ffnKinds } from '../../models/ffn.ts'
import { layerScale } from '../../models/layer-scale.ts'
import { linear } from '../../models/linear.ts'
import { norm } from '../../models/norm.ts'
import { behindPrefix, ropeTables } from '../../models/rope.ts'
import type { Chooser } from './generator.ts'
import type { Parameters } from './parameters.ts'
import type { Sizes } from './sizes.ts'

export interface Place {
  readonly c: Chooser
  readonly sizes: Sizes
  readonly name: string
  readonly parameters: Parameters
}

type Layer = (p: Place) => (x: Expr) => Expr

/** Runs a model with parameters of its own. */
const run = <P, I, O>(p: Place, name: string, m: Model<P, I, O>, x: I): O =>
  m.apply(context('train', `${p.name}.${name}`), p.parameters.of(`${p.name}.${name}`, m.params))(x)

const normOf = (p: Place): ReturnType<typeof norm> =>
  norm({ width: p.sizes.width, eps: p.c.of([1e-3, 1e-5, 1e-2]), kind: p.c.of(['layer', 'rms'] as const) })

const whole: Layer = (p) => (x) => {
  const {
    c,
    sizes: { width, heads, each, prefix, patches },
  } = p
  const gated = c.bit()
  const made = block({
    width,
    heads,
    qkvBias: c.bit(),
    projBias: c.bit(),
    maskKeyBias: c.bit(),
    hidden: c.of([5, 8, 2 * width, 24]),
    ffn: gated ? c.of(ffnKinds) : 'mlp',
    ffnBias: c.bit(),
    eps: 1e-4,
    norm: c.of(['layer', 'rms'] as const),
    ...(c.bit() ? { layerScale: 0.5 } : {}),
    dropPath: c.of([0, 0, 0.3]),
    dropPathForm: c.of(['sample', 'subset'] as const),
  })
  const turned = each % 4 === 0 && c.bit()
  return run(
    p,
    'block',
    made,
    turned ? { tokens: x, rope: (inner) => behindPrefix(prefix, ropeTables({}, each, [1, patches], inner)) } : { tokens: x },
  ).tokens
}

/** Class token, registers and patches: all by one norm, or each group, or the first two together, by one of its own. */
export const untied: Layer = (p) => (x) => {
  const { prefix } = p.sizes
  const ends = p.c.of([[], [prefix], [1, prefix], [1]]).filter((e, i, all) => all.indexOf(e) === i)
  const starts = [0, ...ends]
  const kind = normOf(p)
  const groups = starts.map((from, i) => run(p, `norm${i}`, kind, starts.length === 1 ? x : slice(1, from, starts[i + 1])(x)))
  return concat(1)(groups)
}

const feed: Layer = (p) => (x) => {
  const kind = p.c.of(ffnKinds)
  return add(
    x,
    run(p, 'ffn', ffn(kind, { width: p.sizes.width, hidden: p.c.of([3, 8, 17, 24]), bias: p.c.bit() }), run(p, 'norm', normOf(p), x)),
  )
}

/** Attention of the class token alone, or of all tokens to a part of them, or by the region that targets have kernels for. */
const attended: Layer = (p) => (x) => {
  const { batch, width, heads, each } = p.sizes
  const tokens = x.type.shape[1]
  const shaped = (y: Expr): Expr => reshape([batch, y.type.shape[1], heads, each])(y)
  const three = reshape([batch, tokens, 3, heads, each])(
    run(p, 'qkv', linear({ in: width, out: 3 * width, bias: p.c.bit() }), run(p, 'norm', normOf(p), x)),
  )
  const [q, k, v] = [0, 1, 2].map((i) => pick(2, i)(three))
  const scale = each ** -0.5
  const mixed = ((): Expr => {
    switch (p.c.nat(7)) {
      case 0:
        return composed(scale, slice(1, 0, 1)(q), k, v)
      case 1:
        return composed(scale, q, slice(1, 0, Math.ceil(tokens / 2))(k), slice(1, 0, Math.ceil(tokens / 2))(v))
      case 2:
        return composed(0.5, shaped(x), k, shaped(x))
      case 3: {
        const [a, b, o] = [q, k, v].map(slice(1, 0, 1))
        return attending.attention({ scale }, a, b, o)
      }
      default:
        return attending.attention({ scale: p.c.of([scale, 0.5]) }, q, k, v)
    }
  })()
  const flat = reshape([batch, mixed.type.shape[1], width])(mixed)
  return add(x, run(p, 'proj', linear({ in: width, out: width, bias: p.c.bit() }), flat))
}

/** Mixes tokens instead of channels. */
const across: Layer = (p) => (x) => {
  const tokens = x.type.shape[1]
  const mixed = run(p, 'mix', linear({ in: tokens, out: tokens, bias: p.c.bit() }), transpose([0, 2, 1])(run(p, 'norm', normOf(p), x)))
  return add(x, transpose([0, 2, 1])(p.c.bit() ? gelu(mixed) : mixed))
}

const scaled: Layer = (p) => (x) => run(p, 'scale', layerScale({ width: p.sizes.width, initial: 1 }), x)

/** A low-rank pair beside a layer, as LoRA adds it. */
const adapted: Layer = (p) => (x) => {
  const { width } = p.sizes
  const { a, b } = p.parameters.of(`${p.name}.pair`, { a: param([2, width], normal(1)), b: param([width, 2], normal(1)) })
  const pair = linear({ in: width, out: 2, bias: false }).apply(context('train'), { weight: a })(x)
  const low = linear({ in: 2, out: width, bias: false }).apply(context('train'), { weight: b })(pair)
  return add(tanh(run(p, 'base', linear({ in: width, out: width }), x)), mul(low, 0.5))
}

export const layers: ReadonlyArray<Layer> = [whole, whole, attended, attended, feed, untied, across, scaled, adapted]
