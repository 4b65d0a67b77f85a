/**
 * Low-rank adaptation (Hu et al. 2022, section 4.1) and its weight-decomposed form DoRA (Liu et al. 2024, eq. 5), with the names,
 * defaults and targets of PEFT's `LoraConfig`. Pure: which modules get adapters, what these are, and what they add.
 *
 *     y = W x + b + s B A drop(x)       s = alpha / r, for rsLoRA alpha / sqrt(r)        A [r, in], B [out, r]
 *     DoRA: W + s B A has its rows scaled to the norms m [out], which are trained
 */
import type { Expr } from '../core/expr.ts'
import { table } from '../core/expr.ts'
import type { Declaration, Exprs } from '../core/model.ts'
import { normal, ones, param, uniform, zeros } from '../core/model.ts'
import { join } from '../core/tree.ts'
import type { Shape } from '../core/type.ts'
import { sizeOf } from '../core/type.ts'
import { dot } from '../ops/contract.ts'
import { add, div, mul, sqrt, square, stopGradient } from '../ops/elementwise.ts'
import { sum } from '../ops/reduce.ts'
import { reshape } from '../ops/reshape.ts'
import { concat, pad, slice } from '../ops/window.ts'
import type { Targets } from './target.ts'
import { byPattern, hasSuffix, layerOf, matches } from './target.ts'

export interface LoraOptions {
  readonly targets: Targets
  readonly exclude?: Targets
  /** Only modules of these layers (`layers_to_transform`), and the name of the list that holds them (`layers_pattern`). */
  readonly layers?: ReadonlyArray<number>
  readonly layersPattern?: string
  /** r. Default 8. */
  readonly rank?: number
  /** Default 8. */
  readonly alpha?: number
  readonly rankPattern?: Readonly<Record<string, number>>
  readonly alphaPattern?: Readonly<Record<string, number>>
  /** Of the adapters' input while training. Default 0. */
  readonly dropout?: number
  /** Scales by alpha / sqrt(r). Default false. */
  readonly rsLora?: boolean
  /** Default false. */
  readonly dora?: boolean
  /** Of A. `kaiming` (the default): uniform within 1 / sqrt(in). `gaussian`: normal of std 1 / r. B begins with zeros. */
  readonly init?: 'kaiming' | 'gaussian'
  /** Which biases of the base are trained. Default `none`. */
  readonly bias?: 'none' | 'all' | 'lora_only'
  /** Modules that are trained as a whole (`modules_to_save`), by suffix. */
  readonly save?: ReadonlyArray<string>
  /** Fused layers by the last part of their name, with the names of their equal slices of rows: each slice gets a pair of its own. */
  readonly slices?: Readonly<Record<string, ReadonlyArray<string>>>
}

/** The projection to queries, keys and values is one layer here and three in Hugging Face's models. */
export const qkvSlices: Readonly<Record<string, ReadonlyArray<string>>> = { qkv: ['query', 'key', 'value'] }

/** The tensors of one adapter by PEFT's names. */
export interface AdapterParams {
  readonly lora_A: { readonly weight: Declaration }
  readonly lora_B: { readonly weight: Declaration }
  readonly lora_magnitude_vector?: Declaration
}

/** A low-rank pair on rows of a weight. */
export interface Adapter {
  /** `backbone.blocks.0.attn.qkv.query`: the module, or the slice of it. */
  readonly module: string
  /** `backbone.blocks.0.attn.qkv.weight`, whose rows `[from, to)` it changes. */
  readonly weight: string
  readonly rows: readonly [from: number, to: number]
  /** Whether the weight is stored `[in, out]`: its rows are columns then. */
  readonly transposed: boolean
  readonly rank: number
  /** s */
  readonly scale: number
  readonly dropout: number
  readonly params: AdapterParams
}

/** A weight that may be adapted: its path, how many outputs it has, and the shape of what one output sums over. */
export interface Adaptable {
  readonly path: string
  readonly out: number
  readonly inputs: Shape
  /** Stored `[in, out]`. */
  readonly transposed?: boolean
}

/** The module of a weight: its path without `.weight`. */
export const moduleOf = (path: string): string => path.replace(/\.weight$/, '')

const lastPart = (module: string): string => module.slice(module.lastIndexOf('.') + 1)

/** The module as a whole, or its slices. */
const slicesOf = (
  o: LoraOptions,
  module: string,
  out: number,
): ReadonlyArray<{ readonly name: string; readonly rows: readonly [number, number] }> => {
  const names = (o.slices ?? qkvSlices)[lastPart(module)]
  if (names === undefined || out % names.length !== 0) return [{ name: module, rows: [0, out] }]
  const each = out / names.length
  return names.map((n, i) => ({ name: join(module, n), rows: [i * each, (i + 1) * each] }))
}

const declared = (o: LoraOptions, w: Adaptable, rows: number, rank: number): AdapterParams => ({
  lora_A: { weight: param([rank, ...w.inputs], o.init === 'gaussian' ? normal(1 / rank) : uniform(sizeOf(w.inputs) ** -0.5)) },
  lora_B: { weight: param([rows, rank, ...w.inputs.slice(1).map(() => 1)], zeros) },
  ...(o.dora === true ? { lora_magnitude_vector: param([rows], ones) } : {}),
})

/** The adapters that a weight gets; none where it is not meant. A target may name a fused layer, or some of its slices. */
export const adaptersFor =
  (o: LoraOptions) =>
  (w: Adaptable): ReadonlyArray<Adapter> => {
    const module = moduleOf(w.path)
    if (o.targets === 'all-linear' && w.inputs.length !== 1) return []
    const layer = layerOf(module, o.layersPattern)
    if (o.layers !== undefined && (layer === undefined || !o.layers.includes(layer))) return []
    const isMeant = (t: Targets, name: string): boolean => matches(t)(module) || matches(t)(name)
    return slicesOf(o, module, w.out)
      .filter(({ name }) => isMeant(o.targets, name) && !(o.exclude !== undefined && isMeant(o.exclude, name)))
      .map(({ name, rows }): Adapter => {
        const rank = byPattern(o.rankPattern ?? {}, o.rank ?? 8)(name)
        const alpha = byPattern(o.alphaPattern ?? {}, o.alpha ?? 8)(name)
        return {
          module: name,
          weight: w.path,
          rows,
          rank,
          transposed: w.transposed === true,
          scale: alpha / (o.rsLora === true ? Math.sqrt(rank) : rank),
          dropout: o.dropout ?? 0,
          params: declared(o, w, rows[1] - rows[0], rank),
        }
      })
  }

/** Whether a module is one of those that are trained as a whole, or lies inside of one: it gets no adapters (`modules_to_save`). */
export const isSaved = (o: LoraOptions): ((module: string) => boolean) => {
  const whole = hasSuffix(o.save ?? [])
  return (module) => module.split('.').some((_, i, parts) => whole(parts.slice(0, i + 1).join('.')))
}

/**
 * Whether a tensor of the base is trained beside the adapters: saved modules, and biases where they are asked for. `adapted`: modules
 * with adapters.
 */
export const isTrainedWhole = (o: LoraOptions, adapted: ReadonlySet<string>): ((path: string) => boolean) => {
  const saved = isSaved(o)
  return (path) =>
    saved(path) || (path.endsWith('.bias') && (o.bias === 'all' || (o.bias === 'lora_only' && adapted.has(path.slice(0, -'.bias'.length)))))
}

/** An adapter with an expression for each of its tensors. */
export interface Standing {
  readonly adapter: Adapter
  readonly leaves: Exprs<AdapterParams>
}

/** All pairs on one weight as one: `down [R, in...]`, and `up [out, R]`, block-diagonal and scaled, R the sum of the ranks. */
export const joined = (all: ReadonlyArray<Standing>, out: number): { readonly down: Expr; readonly up: Expr } => {
  const up = all.map(({ adapter: a, leaves }) => {
    const rows = reshape([a.rows[1] - a.rows[0], a.rank])(leaves.lora_B.weight)
    return pad(0, a.rows[0], out - a.rows[1])(a.scale === 1 ? rows : mul(rows, a.scale))
  })
  return { down: concat(0)(all.map((s) => s.leaves.lora_A.weight)), up: concat(1)(up) }
}

/** s B A, the change of the weight `[out, in...]`. */
export const weightChange = ({ down, up }: { readonly down: Expr; readonly up: Expr }): Expr =>
  dot({ leftBatch: [], rightBatch: [], left: [1], right: [0] })(up, down)

/**
 * m / n `[out]`: what DoRA scales every output by, n the norms of the rows of W + s B A, whose gradient is stopped (Liu et al. 2024,
 * section 4.3). Undefined where no adapter has a magnitude.
 */
export const magnitudeScale = (
  all: ReadonlyArray<Standing>,
  weight: Expr,
  pair: { readonly down: Expr; readonly up: Expr },
): Expr | undefined => {
  const out = weight.type.shape[0]
  const found = all.flatMap(({ adapter: a, leaves }) =>
    leaves.lora_magnitude_vector === undefined ? [] : [{ rows: a.rows, m: leaves.lora_magnitude_vector }],
  )
  if (found.length === 0) return undefined
  const changed = stopGradient(add(weight, weightChange(pair)))
  const norms = sqrt(sum({ axes: changed.type.shape.map((_, i) => i).slice(1) })(square(changed)))
  const ratios = found.map(({ rows: [from, to], m }) => pad(0, from, out - to)(div(m, slice(0, from, to)(norms))))
  // rows without a magnitude keep their own norm
  const others = new Array<number>(out).fill(1)
  for (const { rows } of found) others.fill(0, rows[0], rows[1])
  const total = ratios.reduce((x, y) => add(x, y))
  return others.some((c) => c === 1) ? add(total, table('f32', [out], others)) : total
}
