/**
 * Adapters merged into their weights and taken out again, on the values of one network by path (`backbone.blocks.0.attn.qkv.weight`).
 *
 *     W' = W + s B A               DoRA: row i of W' is (W + s B A)_i m_i / n_i, n the norms of the rows of W + s B A
 *
 * Laws, tested: the merged network without adapters is the adapted one, and unmerging gives the base back, both to f32 rounding.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { declarations } from '../../core/model.ts'
import { join } from '../../core/tree.ts'
import type { Adapter } from '../../models/lora.ts'

/** Values of a network by path, row-major. */
export type Values = ReadonlyMap<string, Float32Array>

export interface Merged {
  /** The network without adapters. */
  readonly values: Values
  /** The adapters' own tensors. */
  readonly adapters: Values
  /** n of DoRA by module `[rows]`: what unmerging divides by. */
  readonly norms: ReadonlyMap<string, Float64Array>
}

const missing = (path: string): Fault =>
  fault('data', { place: `merge: ${path}`, found: 'no such tensor', allowed: 'the values of a network with its adapters', remedy: 'give the tensors of the adapters that were trained' })

const pathsOf = (a: Adapter): ReadonlyArray<string> => declarations(a.params).map(([path]) => join(a.module, path))

/** Where element k of row i of an adapter's part of a weight with `width` inputs and `outputs` outputs lies. */
const placeOf = (a: Adapter, width: number, outputs: number) => (i: number, k: number): number =>
  (a.transposed ? k * outputs + a.rows[0] + i : (a.rows[0] + i) * width + k)

interface Parts {
  readonly weight: Float32Array
  readonly a: Float32Array
  readonly b: Float32Array
  readonly magnitude: Float32Array | undefined
}

const partsOf = (adapter: Adapter, weights: Values, tensors: Values): Either<Fault, Parts> => {
  const weight = weights.get(adapter.weight)
  const a = tensors.get(join(adapter.module, 'lora_A.weight'))
  const b = tensors.get(join(adapter.module, 'lora_B.weight'))
  const magnitude = tensors.get(join(adapter.module, 'lora_magnitude_vector'))
  if (weight === undefined) return E.left(missing(adapter.weight))
  if (a === undefined || b === undefined) return E.left(missing(join(adapter.module, a === undefined ? 'lora_A.weight' : 'lora_B.weight')))
  if (magnitude === undefined && adapter.params.lora_magnitude_vector !== undefined) return E.left(missing(join(adapter.module, 'lora_magnitude_vector')))
  return E.right({ weight, a, b, magnitude })
}

/** Row i of s B A, in double precision. */
const changeOf = (x: Adapter, { a, b }: Parts, width: number) => (i: number): Float64Array => {
  const row = new Float64Array(width)
  for (let r = 0; r < x.rank; r++) {
    const factor = x.scale * b[i * x.rank + r]
    for (let k = 0; k < width; k++) row[k] += factor * a[r * width + k]
  }
  return row
}

const normOf = (row: Float64Array): number => Math.sqrt(row.reduce((s, v) => s + v * v, 0))

/** Calls `f` for every row of an adapter with the row's values and change, and writes what it gives. */
const eachRow = (x: Adapter, p: Parts, into: Float32Array, f: (i: number, old: Float64Array, change: Float64Array) => Float64Array): void => {
  const width = p.a.length / x.rank
  const place = placeOf(x, width, p.weight.length / width)
  const change = changeOf(x, p, width)
  for (let i = 0; i < x.rows[1] - x.rows[0]; i++) {
    const next = f(i, Float64Array.from({ length: width }, (_, k) => into[place(i, k)]), change(i))
    for (let k = 0; k < width; k++) into[place(i, k)] = next[k]
  }
}

const plus = (x: Float64Array, y: Float64Array, factor = 1): Float64Array => x.map((v, k) => v + factor * y[k])

/** The norms n of the rows that a DoRA adapter starts from: its magnitude where it begins. */
export const rowNorms = (x: Adapter, values: Values): Either<Fault, Float32Array> =>
  E.map((p: Parts) => {
    const norms = new Float32Array(x.rows[1] - x.rows[0])
    eachRow(x, p, Float32Array.from(p.weight), (i, old, change) => {
      norms[i] = normOf(plus(old, change))
      return old
    })
    return norms
  })(partsOf({ ...x, params: { lora_A: x.params.lora_A, lora_B: x.params.lora_B } }, values, values))

/** Faults: a missing tensor; a weight that would not be finite (`safe_merge`). */
export const merge = (adapters: ReadonlyArray<Adapter>) => (values: Values): Either<Fault, Merged> => {
  const own = new Set(adapters.flatMap(pathsOf))
  const out = new Map([...values].filter(([path]) => !own.has(path)))
  const norms = new Map<string, Float64Array>()
  for (const x of adapters) {
    const p = partsOf(x, out, values)
    if (E.isLeft(p)) return p
    const { magnitude: m, weight } = p.right
    const next = Float32Array.from(weight)
    const n = new Float64Array(x.rows[1] - x.rows[0])
    eachRow(x, p.right, next, (i, old, change) => {
      const row = plus(old, change)
      n[i] = normOf(row)
      return m === undefined ? row : row.map((v) => (v * m[i]) / n[i])
    })
    if (!next.every(Number.isFinite))
      return E.left(fault('numeric', { place: `merge: ${x.weight}`, found: 'values that are not finite', allowed: 'finite weights', remedy: 'the adapters are broken: merge those of an earlier checkpoint' }))
    out.set(x.weight, next)
    if (m !== undefined) norms.set(x.module, n)
  }
  return E.right({ values: out, adapters: new Map([...values].filter(([path]) => own.has(path))), norms })
}

/** The network with its adapters beside it again. */
export const unmerge = (adapters: ReadonlyArray<Adapter>) => (merged: Merged): Either<Fault, Values> => {
  const out = new Map(merged.values)
  for (const x of adapters) {
    const p = partsOf(x, out, merged.adapters)
    if (E.isLeft(p)) return p
    const { magnitude: m, weight } = p.right
    const next = Float32Array.from(weight)
    const n = merged.norms.get(x.module)
    eachRow(x, p.right, next, (i, old, change) =>
      plus(m === undefined || n === undefined ? old : old.map((v) => (v * n[i]) / m[i]), change, -1))
    out.set(x.weight, next)
  }
  return E.right(new Map([...out, ...merged.adapters]))
}
