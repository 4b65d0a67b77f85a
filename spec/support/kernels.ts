/** Kernels interpreted in float64, point by point, from their terms: what every pass over kernels must preserve. */
import type { Fused, Kernels, Tensor } from '../../compiler/kernel/fused.ts'
import { hypersOf, isHyper } from '../../compiler/kernel/fused.ts'
import type { Kernel, Unnamed } from '../../compiler/kernel/kernel.ts'
import { kernelKey } from '../../compiler/kernel/kernel.ts'
import type { TermTable } from '../../compiler/kernel/table.ts'
import type { Term, Var } from '../../compiler/kernel/term.ts'
import { idiv, mod, roundings, unaryValues } from '../../compiler/numerics.ts'
import type { BinaryName } from '../../core/scalar.ts'
import type { DType } from '../../core/type.ts'
import { isHalf, sizeOf } from '../../core/type.ts'

type Values = ReadonlyMap<string, ArrayLike<number>>

const binaries: { readonly [N in BinaryName]: (x: number, y: number, dtype: DType) => number } = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y, d) => (d === 'i32' ? Math.imul(x, y) : x * y),
  div: (x, y) => x / y,
  min: (x, y) => Math.min(x, y),
  max: (x, y) => Math.max(x, y),
  lt: (x, y) => Number(x < y),
  le: (x, y) => Number(x <= y),
  eq: (x, y) => Number(x === y),
  and: (x, y) => x & y,
  or: (x, y) => x | y,
  xor: (x, y) => x ^ y,
  shl: (x, y) => x << y,
  shr: (x, y) => x >>> y,
  idiv,
  mod,
}

export const stored = (dtype: DType, x: number): number => (dtype === 'i32' ? x | 0 : isHalf(dtype) ? roundings[dtype](x) : x)

/** A kernel that is made by hand. */
export const kernelOf = (table: TermTable, shape: Unnamed): Kernel => ({ name: 'made by hand', table, ...shape, key: kernelKey(shape) })

/** A term at one point; `read` gives what buffers hold. */
export const evaluate = (t: Term, at: ReadonlyMap<Var, number>, read: (buffer: number, offset: number) => number): number => {
  const of = (x: Term): number => evaluate(x, at, read)
  switch (t._tag) {
    case 'Num':
      return t.value
    case 'Var':
      return at.get(t) ?? NaN
    case 'Affine':
      return t.terms.reduce((sum, [x, k]) => sum + k * of(x), t.constant)
    case 'Read':
      return read(t.buffer, of(t.offset))
    case 'Unary':
      return stored(t.dtype, unaryValues[t.op](of(t.x)))
    case 'Binary':
      return stored(t.dtype, binaries[t.op](of(t.x), of(t.y), t.x.dtype))
    case 'Select':
      return of(t.when) === 0 ? of(t.y) : of(t.x)
    case 'Cast':
      return t.dtype === 'bool' ? Number(of(t.x) !== 0) : stored(t.dtype, t.dtype === 'i32' ? Math.trunc(of(t.x)) : of(t.x))
    case 'Assume':
      // as targets do, so that a range that is too narrow gives another element
      return Math.min(t.hi, Math.max(t.lo, of(t.x)))
    case 'Reduce': {
      let [sum, best, where] = [0, -Infinity, 0]
      for (let i = 0; i < t.variable.extent; i++) {
        const x = evaluate(t.body, new Map(at).set(t.variable, i), read)
        sum = t.dtype === 'i32' ? (sum + x) | 0 : sum + x
        if (x > best || i === 0) [best, where] = [x, i]
      }
      return t.op === 'sum' ? sum : t.op === 'max' ? best : where
    }
  }
}

/** Every point of a loop nest. */
export const points = (loops: ReadonlyArray<Var>): ReadonlyArray<ReadonlyMap<Var, number>> =>
  loops.reduce<ReadonlyArray<ReadonlyMap<Var, number>>>(
    (all, v) => all.flatMap((p) => Array.from({ length: v.extent }, (_, i) => new Map(p).set(v, i))),
    [new Map()],
  )

const runOne = (f: Fused, memory: Map<Tensor, Float64Array>): void => {
  const buffers = f.reads.map((r) => memory.get(r))
  const read = (buffer: number, offset: number): number => buffers[buffer]?.[offset] ?? NaN
  const made = f.kernel.writes.map((w) => new Float64Array(w.length))
  for (const p of points(f.kernel.loops))
    f.kernel.writes.forEach((w, i) => {
      made[i][evaluate(w.offset, p, read)] = stored(w.dtype, evaluate(w.value, p, read))
    })
  f.writes.forEach((t, i) => {
    memory.set(t, made[i])
  })
}

/** The values of a graph's outputs, as its kernels compute them. Kernels run in their order: what is not there yet is NaN. */
export const interpreted = ({ graph, kernels }: Kernels, values: Values): ReadonlyArray<Float64Array> => {
  const memory = new Map<Tensor, Float64Array>()
  const hypers = hypersOf(graph)
  memory.set(
    'hyper',
    Float64Array.from(hypers, (h) => (h._tag === 'Leaf' && h.source._tag === 'Hyper' ? (values.get(h.source.path)?.[0] ?? NaN) : NaN)),
  )
  for (const t of kernels.flatMap((k) => k.reads)) {
    if (t === 'hyper' || t._tag !== 'Leaf' || isHyper(t) || memory.has(t)) continue
    const { source: s, type } = t
    memory.set(
      t,
      'path' in s
        ? Float64Array.from(values.get(s.path) ?? [], (x) => stored(type.dtype, x))
        : s._tag === 'Table'
          ? Float64Array.from(s.values)
          : new Float64Array(sizeOf(type.shape)).fill(s._tag === 'Fill' ? s.value : 0),
    )
  }
  for (const f of kernels) runOne(f, memory)
  return graph.outputs.map((o) => memory.get(o.expr) ?? new Float64Array())
}
