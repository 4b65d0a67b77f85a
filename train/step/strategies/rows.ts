/**
 * The rows of a weight that an adapter changes, on the values of one network by path: what merging, and the first values of DoRA's
 * magnitudes, are computed from.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { join } from '../../../core/tree.ts'
import type { Adapter } from '../../../models/lora.ts'
import type { Values } from '../values.ts'

const missing = (path: string): Fault =>
  fault('data', {
    place: `merge: ${path}`,
    found: 'no such tensor',
    allowed: 'the values of a network with its adapters',
    remedy: 'give the tensors of the adapters that were trained',
  })

/** Where element k of row i of an adapter's part of a weight with `width` inputs and `outputs` outputs lies. */
const placeOf =
  (a: Adapter, width: number, outputs: number) =>
  (i: number, k: number): number =>
    a.transposed ? k * outputs + a.rows[0] + i : (a.rows[0] + i) * width + k

/** A weight, and the tensors of an adapter of it. */
export interface Parts {
  readonly weight: Float32Array
  readonly a: Float32Array
  readonly b: Float32Array
  readonly magnitude: Float32Array | undefined
}

/** Fault: a tensor that is not among the values. */
export const partsOf = (adapter: Adapter, weights: Values, tensors: Values): Either<Fault, Parts> => {
  const weight = weights.get(adapter.weight)
  const a = tensors.get(join(adapter.module, 'lora_A.weight'))
  const b = tensors.get(join(adapter.module, 'lora_B.weight'))
  const magnitude = tensors.get(join(adapter.module, 'lora_magnitude_vector'))
  if (weight === undefined) return E.left(missing(adapter.weight))
  if (a === undefined || b === undefined) return E.left(missing(join(adapter.module, a === undefined ? 'lora_A.weight' : 'lora_B.weight')))
  if (magnitude === undefined && adapter.params.lora_magnitude_vector !== undefined)
    return E.left(missing(join(adapter.module, 'lora_magnitude_vector')))
  return E.right({ weight, a, b, magnitude })
}

/** Row i of s B A, in double precision. */
const changeOf =
  (x: Adapter, { a, b }: Parts, width: number) =>
  (i: number): Float64Array => {
    const row = new Float64Array(width)
    for (let r = 0; r < x.rank; r++) {
      const factor = x.scale * b[i * x.rank + r]
      for (let k = 0; k < width; k++) row[k] += factor * a[r * width + k]
    }
    return row
  }

export const normOf = (row: Float64Array): number => Math.sqrt(row.reduce((s, v) => s + v * v, 0))

/** Calls `f` for every row of an adapter with the row's values and change, and writes what it gives. */
export const eachRow = (
  x: Adapter,
  p: Parts,
  into: Float32Array,
  f: (i: number, old: Float64Array, change: Float64Array) => Float64Array,
): void => {
  const width = p.a.length / x.rank
  const place = placeOf(x, width, p.weight.length / width)
  const change = changeOf(x, p, width)
  for (let i = 0; i < x.rows[1] - x.rows[0]; i++) {
    const next = f(
      i,
      Float64Array.from({ length: width }, (_, k) => into[place(i, k)]),
      change(i),
    )
    for (let k = 0; k < width; k++) into[place(i, k)] = next[k]
  }
}

export const plus = (x: Float64Array, y: Float64Array, factor = 1): Float64Array => x.map((v, k) => v + factor * y[k])

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
