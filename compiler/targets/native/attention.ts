/**
 * Attention by its structure: a kernel of the target's own whose meaning is an output, a row's log-sum-exp or a gradient of attention
 * (ops/attention.ts), as a call of the runtime (runtime/attention.c), which reads queries, keys and values where they lie.
 */
import { keyOf } from '../../../core/expr.ts'
import type { Scalar } from '../../../core/scalar.ts'
import { under } from '../../../core/scalar.ts'
import { stridesOf, tensorType } from '../../../core/type.ts'
import { attending } from '../../../ops/attention.ts'
import type { Fused, Tensor } from '../../kernel/fused.ts'
import type { Kernel, Operand } from '../../kernel/kernel.ts'
import { kernelKey } from '../../kernel/kernel.ts'
import type { Term } from '../../kernel/term.ts'
import { transplant } from '../../kernel/transplant.ts'

const parts = ['output', 'rows', 'gradient'] as const

export interface Attention {
  /** What each write is. */
  readonly parts: ReadonlyArray<(typeof parts)[number]>
  readonly images: number
  readonly tokens: number
  readonly heads: number
  readonly width: number
  readonly scale: number
}

/** Of queries, keys and values `[images, tokens, heads, width]`, and what their products are multiplied by. */
interface Sizes {
  readonly images: number
  readonly tokens: number
  readonly heads: number
  readonly width: number
  readonly scale: number
}

/**
 * The sizes that the scalar would have, were it attention: those of its first sum of products, and the tokens that its reductions run over.
 */
const sizesOf = (s: Scalar): Sizes | undefined => {
  const all = under(s)
  const product = all.find((x) => x._tag === 'Reduce' && x.body._tag === 'Binary' && x.body.x._tag === 'Read')
  const over = all.find((x) => x._tag === 'Reduce')
  const factor = all.find((x) => x._tag === 'Num' && x.dtype === 'f32')
  if (product?._tag !== 'Reduce' || over?._tag !== 'Reduce' || factor?._tag !== 'Num') return undefined
  const index = product.body._tag === 'Binary' && product.body.x._tag === 'Read' ? product.body.x.index : []
  const [image, , head] = index.map((x) => (x._tag === 'Axis' ? x.extent : undefined))
  return image === undefined || head === undefined
    ? undefined
    : { images: image, tokens: over.extent, heads: head, width: product.extent, scale: factor.value }
}

/** The meanings of the three for these sizes. */
const meaningsOf = ({ images, tokens, heads, width, scale }: Sizes): ReadonlyArray<Scalar> => {
  const [x, rows] = [tensorType('f32', [images, tokens, heads, width]), tensorType('f32', [images, heads, tokens])]
  return [
    attending.attention.op({ scale }).lower([x, x, x], x),
    attending.attentionRows.op({ scale }).lower([x, x], rows),
    attending.attentionGradient.op({ scale }).lower([x, x, x, rows, x, x], tensorType('f32', [images, tokens, 3, heads, width])),
  ]
}

interface Read extends Sizes {
  readonly part: (typeof parts)[number]
}

const readOf = (s: Scalar): Read | undefined => {
  const sizes = sizesOf(s)
  if (sizes === undefined) return undefined
  const key = keyOf(s)
  const found = meaningsOf(sizes).findIndex((m) => keyOf(m) === key)
  return found < 0 ? undefined : { ...sizes, part: parts[found] }
}

/** Whether a scalar is the meaning of a part of attention. */
export const isAttention = (s: Scalar): boolean => readOf(s) !== undefined

/** What a kernel computes of attention, if that is what it does. */
export const attentionOf = (k: Kernel): Attention | undefined => {
  const all = k.whole?.meanings.flatMap((m) => readOf(m) ?? []) ?? []
  const [first] = all
  return first === undefined || all.length !== k.writes.length ? undefined : { ...first, parts: all.map((r) => r.part) }
}

/** Multiply-adds count as two. */
export const attentionFlops = (a: Attention): number => {
  const product = 2 * a.images * a.heads * a.tokens * a.tokens * a.width
  // a row's log-sum-exp costs nothing beside the output
  return product * (a.parts.includes('gradient') ? 5 : a.parts.includes('output') ? 2 : 1)
}

const placeText = (o: { readonly strides: ReadonlyArray<number> }, axes: readonly [number, number, number, number]): string =>
  `{${axes.map((a) => o.strides[a] ?? 0).join(', ')}}`

const heads = [0, 1, 2, 3] as const
/** Rows are `[images, heads, tokens]`. */
const rowAxes = [0, 2, 1, 3] as const

const pointer = (o: Operand | undefined): string =>
  o === undefined ? 'NULL' : `(const float *)b[${o.buffer}]${o.offset === 0 ? '' : ` + ${o.offset}`}`

/** The function `name` of a kernel that is attention. */
export const attentionSource = (k: Kernel, a: Attention, name: string): ReadonlyArray<string> => {
  const [q, key, v, saved, y, g] = k.whole?.operands ?? []
  const back = a.parts.includes('gradient')
  const out = { strides: stridesOf([a.images, a.tokens, a.heads, a.width]) }
  const three = { strides: stridesOf([a.images, a.tokens, 3, a.heads, a.width]) }
  const rows = back ? saved : { strides: stridesOf([a.images, a.heads, a.tokens]) }
  const places = [
    ...[q, key, v].flatMap((o, i) => (o === undefined ? [] : [`.${'qkv'[i]} = ${placeText(o, heads)}`])),
    `.y = ${placeText(back ? y : out, heads)}`,
    ...(back ? [`.g = ${placeText(g, heads)}`, `.three = ${placeText(three, [0, 1, 3, 4])}`] : []),
    `.rows = ${placeText(rows, rowAxes)}`,
  ]
  const write = (part: (typeof parts)[number]): string => {
    const i = a.parts.indexOf(part)
    return i < 0 ? 'NULL' : `b[${k.reads.length + i}]`
  }
  return [
    `static void ${name}(void *const *b, int t, int T, const Runtime *rt) {`,
    `  static const Attention a = {.images = ${a.images}, .tokens = ${a.tokens}, .heads = ${a.heads}, .width = ${a.width}, .scale = ${Math.fround(a.scale)}, ${places.join(', ')}, .part = ${a.heads * a.width}};`,
    back
      ? `  rt->attention_back(&a, ${[q, key, v, saved, y, g].map(pointer).join(', ')}, ${write('gradient')}, t, T, rt);`
      : `  rt->attention(&a, ${[q, key, v].map(pointer).join(', ')}, ${write('output')}, ${write('rows')}, t, T, rt);`,
    '}',
  ]
}

const samePlace = (a: Fused, x: Operand, b: Fused, y: Operand): boolean =>
  a.reads[x.buffer] === b.reads[y.buffer] && x.offset === y.offset && x.strides.every((s, i) => s === y.strides[i])

/** Output and rows of the same queries and keys as one kernel. */
const joined = (output: Fused, rows: Fused): Fused => {
  const [a, b] = [output.kernel, rows.kernel]
  const [image, token, head] = a.loops
  const places = new Map<Term, Term>(b.loops.map((v, i) => [v, [image, head, token][i]]))
  const here = transplant(a.table, places, (r, o) => a.table.read(output.reads.indexOf(rows.reads[r.buffer]), r.dtype, o))
  const shape = {
    loops: a.loops,
    reads: a.reads,
    writes: [...a.writes, ...b.writes.map((w) => ({ ...w, offset: here(w.offset), value: here(w.value) }))],
    whole: { meanings: [...(a.whole?.meanings ?? []), ...(b.whole?.meanings ?? [])], operands: a.whole?.operands ?? [] },
  }
  return { ...output, kernel: { ...a, ...shape, key: kernelKey(shape) }, writes: [...output.writes, ...rows.writes] }
}

/**
 * before: k1 = rows (q, k);  k2 = output (q, k, v)
 * after:  k = output and rows (q, k, v), where the rows are not needed before
 */
export const joinAttention = (kernels: ReadonlyArray<Fused>): ReadonlyArray<Fused> => {
  const at: Array<Fused | undefined> = [...kernels]
  const found = kernels.map((f) => attentionOf(f.kernel))
  const is = (n: number, part: (typeof parts)[number]): boolean => found[n]?.parts.length === 1 && found[n].parts[0] === part
  const outputs = kernels.flatMap((_, n) => (is(n, 'output') ? [n] : []))
  const firstReader = new Map<Tensor, number>()
  kernels.forEach((f, n) => {
    for (const r of f.reads) if (!firstReader.has(r)) firstReader.set(r, n)
  })
  kernels.forEach((rows, i) => {
    if (!is(i, 'rows')) return
    const [q, k] = rows.kernel.whole?.operands ?? []
    const j = outputs.find((n) => {
      const [otherQ, otherK] = kernels[n].kernel.whole?.operands ?? []
      return (
        at[n] === kernels[n] &&
        samePlace(rows, q, kernels[n], otherQ) &&
        samePlace(rows, k, kernels[n], otherK) &&
        found[i]?.scale === found[n]?.scale &&
        (firstReader.get(rows.writes[0]) ?? Infinity) >= n
      )
    })
    if (j === undefined) return
    at[j] = joined(kernels[j], rows)
    at[i] = undefined
  })
  return at.filter((f) => f !== undefined)
}
