/**
 * Adapters merged into their weights and taken out again, on the values of one network by path (`backbone.blocks.0.attn.qkv.weight`).
 *
 *     W' = W + s B A               DoRA: row i of W' is (W + s B A)_i m_i / n_i, n the norms of the rows of W + s B A
 *
 * Laws, tested: the merged network without adapters is the adapted one, and unmerging gives the base back, both to f32 rounding.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { declarations } from '../../core/model.ts'
import { join } from '../../core/tree.ts'
import type { Adapter } from '../../models/lora.ts'
import { eachRow, normOf, partsOf, plus } from '../step/strategies/rows.ts'
import type { Values } from '../step/values.ts'
import { networkValues } from '../step/values.ts'

export interface Merged {
  /** The network without adapters. */
  readonly values: Values
  /** The adapters' own tensors. */
  readonly adapters: Values
  /** n of DoRA by module `[rows]`: what unmerging divides by. */
  readonly norms: ReadonlyMap<string, Float64Array>
}

const pathsOf = (a: Adapter): ReadonlyArray<string> => declarations(a.params).map(([path]) => join(a.module, path))

/** Faults: a missing tensor; a weight that would not be finite (`safe_merge`). */
export const merge =
  (adapters: ReadonlyArray<Adapter>) =>
  (values: Values): Either<Fault, Merged> => {
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
        return E.left(
          fault('numeric', {
            place: `merge: ${x.weight}`,
            found: 'values that are not finite',
            allowed: 'finite weights',
            remedy: 'the adapters are broken: merge those of an earlier checkpoint',
          }),
        )
      out.set(x.weight, next)
      if (m !== undefined) norms.set(x.module, n)
    }
    return E.right({ values: out, adapters: new Map([...values].filter(([path]) => own.has(path))), norms })
  }

/** The network with its adapters beside it again. */
export const unmerge =
  (adapters: ReadonlyArray<Adapter>) =>
  (merged: Merged): Either<Fault, Values> => {
    const out = new Map(merged.values)
    for (const x of adapters) {
      const p = partsOf(x, out, merged.adapters)
      if (E.isLeft(p)) return p
      const { magnitude: m, weight } = p.right
      const next = Float32Array.from(weight)
      const n = merged.norms.get(x.module)
      eachRow(x, p.right, next, (i, old, change) =>
        plus(m === undefined || n === undefined ? old : old.map((v) => (v * n[i]) / m[i]), change, -1),
      )
      out.set(x.weight, next)
    }
    return E.right(new Map([...out, ...merged.adapters]))
  }

/** The plain network that an adapted one is. Faults: those of `merge`. */
export const mergedNetwork =
  (adapters: ReadonlyArray<Adapter>, root: string) =>
  (state: Values): Either<Fault, Values> =>
    pipe(
      merge(adapters)(networkValues(root)(state)),
      E.map((m) => m.values),
    )
