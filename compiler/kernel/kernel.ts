/**
 * A kernel: a loop nest that computes one or more tensors from others. Its buffers are numbered; which tensors they are
 * is said where it is launched, so that equal kernels are compiled once.
 */
import type { Json } from '../../core/expr.ts'
import { keyOf } from '../../core/expr.ts'
import type { Scalar } from '../../core/scalar.ts'
import type { DType, TensorType } from '../../core/type.ts'
import { isHalf, showType } from '../../core/type.ts'
import type { TermTable } from './table.ts'
import type { Term, Var } from './term.ts'
import { operandsOf, termsOf } from './term.ts'

export interface Buffer {
  readonly dtype: DType
  /** Elements. */
  readonly length: number
}

export interface Write extends Buffer {
  /** Flat position of the element, from the loops: each point has its own. */
  readonly offset: Term
  readonly value: Term
}

/** An argument in memory: element `[i, j, …]` is at `offset + strides[0] i + strides[1] j + …` of the buffer. */
export interface Operand {
  readonly buffer: number
  readonly offset: number
  readonly strides: ReadonlyArray<number>
}

/** What a target runs by a kernel of its own: the meaning of each write (row-major), and its arguments. */
export interface Whole {
  readonly meanings: ReadonlyArray<Scalar>
  readonly operands: ReadonlyArray<Operand>
  /** What ranks do together, which no meaning of one rank says; its argument lies in its buffer from the first element on. */
  readonly together?: Together
}

export interface Together {
  /** The key of the op. */
  readonly op: string
  readonly name: string
  readonly params: Json
  readonly from: TensorType
  readonly to: TensorType
}

export interface Kernel {
  /** What it computes, for people: the ops fused in it, in the scope of the last. */
  readonly name: string
  /** Equal keys mean equal code. */
  readonly key: string
  readonly table: TermTable
  /** Outermost first. */
  readonly loops: ReadonlyArray<Var>
  readonly reads: ReadonlyArray<Buffer>
  readonly writes: ReadonlyArray<Write>
  /** Where the target has asked for it (`Limits.whole`). */
  readonly whole?: Whole
}

/** Elements of the loop nest. */
export const pointsOf = (k: Kernel): number => k.loops.reduce((n, v) => n * v.extent, 1)

/** A constant to the bit, and its type: `3` is an i32, `3.0` an f32, `3.0h` an f16, `3.0w` a bf16. */
const suffixes: { readonly [D in DType]: string } = { f32: '', f16: 'h', bf16: 'w', i32: '', bool: '' }

const showNum = (dtype: DType, value: number): string => {
  if (dtype === 'bool') return value === 0 ? 'false' : 'true'
  const digits = Object.is(value, -0) ? '-0' : `${value}`
  if (dtype === 'i32') return digits
  return `${/^-?\d+$/.test(digits) ? `${digits}.0` : digits}${suffixes[dtype]}`
}

const show = (t: Term, name: (t: Term) => string): string => {
  switch (t._tag) {
    case 'Num':
      return showNum(t.dtype, t.value)
    case 'Var':
      return `v${t.index}<${t.extent}`
    case 'Affine':
      return [...t.terms.map(([x, k]) => (k === 1 ? name(x) : `${k}*${name(x)}`)), ...(t.constant === 0 ? [] : [`${t.constant}`])].join(
        ' + ',
      )
    case 'Read':
      return `b${t.buffer}[${name(t.offset)}]`
    case 'Unary':
      return `${t.op} ${name(t.x)}`
    case 'Cast':
      return `${t.dtype}(${name(t.x)})`
    case 'Assume':
      return `${name(t.x)} in ${t.lo}..${t.hi}`
    case 'Binary':
      return `${t.op} ${name(t.x)} ${name(t.y)}`
    case 'Select':
      return `${name(t.when)} ? ${name(t.x)} : ${name(t.y)}`
    case 'Reduce':
      return `${t.op} over v${t.variable.index}<${t.variable.extent} of ${name(t.body)}`
  }
}

/** What a kernel is but for what it is called. */
export type Unnamed = Omit<Kernel, 'name' | 'key' | 'table'>

/** The kernel as text: buffers, loops, then one line for each shared term. */
export const showKernel = (k: Unnamed): string => {
  const roots = k.writes.flatMap((w) => [w.offset, w.value])
  const terms = termsOf(roots)
  const uses = new Map<Term, number>()
  const count = (t: Term): void => {
    uses.set(t, (uses.get(t) ?? 0) + 1)
  }
  roots.forEach(count)
  for (const t of terms) operandsOf(t).forEach(count)
  const names = new Map<Term, string>()
  const lines: Array<string> = []
  const name = (t: Term): string => names.get(t) ?? (t._tag === 'Var' ? `v${t.index}` : `(${show(t, name)})`)
  for (const t of terms) {
    if (t._tag === 'Num') names.set(t, showNum(t.dtype, t.value))
    else if (t._tag === 'Var') names.set(t, `v${t.index}`)
    else if ((uses.get(t) ?? 0) > 1 || t._tag === 'Reduce') {
      lines.push(`  t${lines.length} = ${show(t, name)}`)
      names.set(t, `t${lines.length - 1}`)
    }
  }
  return [
    `kernel (${k.reads.map((b, i) => `b${i}: ${b.dtype}[${b.length}]`).join(', ')})`,
    ...(k.loops.length > 0 ? [`  for ${k.loops.map((v) => `v${v.index}<${v.extent}`).join(', ')}`] : []),
    ...lines,
    ...k.writes.map((w, i) => `  out${i}: ${w.dtype}[${w.length}] [${name(w.offset)}] = ${name(w.value)}`),
    ...(k.whole === undefined
      ? []
      : [`  whole (${k.whole.operands.map((o) => `b${o.buffer}[${[o.offset, ...o.strides].join()}]`).join(', ')})`]),
  ].join('\n')
}

/** Everything that the code of a kernel depends on: its text, and the meaning of what the target runs by a kernel of its own. */
export const kernelKey = (k: Unnamed): string => {
  const together = k.whole?.together
  const ranks = together === undefined ? [] : [`${together.op} ${showType(together.from)} ${showType(together.to)}`]
  return [showKernel(k), ...(k.whole?.meanings ?? []).map(keyOf), ...ranks].join('\n')
}

/** Work of one run of the kernel: floating-point operations (a multiply-add is two) and bytes that must move. */
export interface Work {
  readonly flops: number
  readonly bytes: number
  /** Whether it is a contraction: a sum of products of two reads. */
  readonly contraction: boolean
}

const bytesOfBuffer = (b: Buffer): number => b.length * (isHalf(b.dtype) ? 2 : 4)

/** A sum whose body is a product of two reads: the structure that a target's matrix kernel stands for. */
export const isContraction = (t: Term): boolean => {
  if (t._tag !== 'Reduce' || t.op !== 'sum') return false
  const body = t.body
  if (body._tag === 'Reduce') return isContraction(body)
  return body._tag === 'Binary' && body.op === 'mul' && body.x._tag === 'Read' && body.y._tag === 'Read'
}

export const workOf = (k: Kernel): Work => {
  const terms = termsOf(k.writes.map((w) => w.value))
  const extents = new Map<number, number>()
  k.loops.forEach((v) => extents.set(v.index, v.extent))
  for (const t of terms) if (t._tag === 'Reduce') extents.set(t.variable.index, t.variable.extent)
  // a term runs once for every value of the variables it depends on
  const times = (t: Term): number => [...extents].reduce((n, [v, d]) => ((t.vars >>> v) & 1 ? n * d : n), 1)
  const isArithmetic = (t: Term): boolean => t.dtype !== 'i32' && (t._tag === 'Unary' || t._tag === 'Binary')
  const flops = terms.reduce((n, t) => n + (isArithmetic(t) ? times(t) : t._tag === 'Reduce' ? times(t.body) : 0), 0)
  return {
    flops,
    bytes: [...k.reads, ...k.writes].reduce((n, b) => n + bytesOfBuffer(b), 0),
    contraction: terms.some(isContraction),
  }
}
