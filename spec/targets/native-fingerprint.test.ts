/** Plans are kept under what they depend on: the elements of every node, not only the names of its primitives. */
import { describe, expect, it } from 'vitest'
import { graphFingerprint } from '../../compiler/targets/native/fingerprint.ts'
import type { Expr } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { value } from '../../core/graph.ts'
import { add, mul, neg } from '../../ops/elementwise.ts'
import { input } from '../support/tensor.ts'

const x = input('x', [3, 4])
const graph = (e: Expr, path = 'y'): Graph => ({ name: 'g', outputs: [value(path, e)] })
const of = (e: Expr, path = 'y', context: ReadonlyArray<string> = []): string | undefined => graphFingerprint(context, graph(e, path))

describe('the fingerprint of a graph', () => {
  it('is the same for the same graph', () => {
    expect(of(add(mul(x, 2), x))).toBe(of(add(mul(x, 2), x)))
  })

  it('differs with what is computed, of what, and in what context', () => {
    const all = [
      of(mul(x, 2)),
      of(mul(x, 3)),
      of(add(x, x)),
      of(mul(input('x', [4, 3]), 2)),
      of(mul(input('z', [3, 4]), 2)),
      of(mul(x, 2), 'z'),
      of(mul(x, 2), 'y', ['other']),
      of(mul(x, 0)),
      of(mul(x, -0)),
    ]
    expect(new Set(all).size).toBe(all.length)
  })

  it('differs where a primitive of the same name means something else', () => {
    const e = neg(x)
    if (e._tag !== 'Apply') throw new Error('no application')
    const other: Expr = { ...e, op: { ...e.op, lower: (_, out) => ({ _tag: 'Num', dtype: out.dtype, value: 1 }) } }
    expect(of(other)).not.toBe(of(e))
  })

  it('is none for what is no graph', () => {
    expect(of(add(x, input('w', [5])))).toBeUndefined()
  })
})
