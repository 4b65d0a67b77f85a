/** An output of attention and the rows that its gradient needs are one kernel where they are of the same scores, else two. */
import { describe, expect, it } from 'vitest'
import type { Fused } from '../../compiler/kernel/fused.ts'
import { attentionOf, joinAttention } from '../../compiler/targets/native/attention.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import type { Expr } from '../../core/expr.ts'
import { value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import { attending } from '../../ops/attention.ts'
import { add, exp } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { reshape } from '../../ops/reshape.ts'
import { pick } from '../../ops/window.ts'
import { right } from '../data/either.ts'
import { input } from '../support/tensor.ts'

const [images, tokens, heads, width] = [2, 9, 3, 8]
const [q, k, v] = ['q', 'k', 'v'].map((name) => input(name, [images, tokens, heads, width]))
const all = input('qkv', [images, tokens, 3, heads, width])

/** What the attention kernels of a graph compute, after joining. */
const kernelsOf = (outputs: ReadonlyArray<Expr>): ReadonlyArray<string> => {
  const graph = right(
    trace(
      'joining',
      outputs.map((e, i) => value(`${i}`, e)),
    ),
  )
  const joined = joinAttention(right(nativeRoad().fuse.run(graph)).kernels)
  return joined.flatMap((f: Fused) => attentionOf(f.kernel)?.parts.join(' ') ?? [])
}

const output = (scale: number, a: Expr, b: Expr, c: Expr): Expr => attending.attention({ scale }, a, b, c)
const rows = (scale: number, a: Expr, b: Expr): Expr => attending.attentionRows({ scale }, a, b)

describe('output and rows', () => {
  it('of the same queries, keys and scale are one kernel', () => {
    expect(kernelsOf([rows(0.5, q, k), output(0.5, q, k, v)])).toEqual(['output rows'])
    expect(kernelsOf([rows(0.5, pick(2, 0)(all), pick(2, 1)(all)), output(0.5, pick(2, 0)(all), pick(2, 1)(all), v)])).toEqual([
      'output rows',
    ])
  })
  it('of other scales are two', () => {
    expect(kernelsOf([rows(0.25, q, k), output(0.5, q, k, v)])).toEqual(['rows', 'output'])
  })
  it('of other queries or keys are two', () => {
    expect(kernelsOf([rows(0.5, k, q), output(0.5, q, k, v)])).toEqual(['rows', 'output'])
  })
  it('of other parts of one tensor are two', () => {
    const part = (i: number): Expr => pick(2, i)(all)
    expect(kernelsOf([rows(0.5, part(0), part(1)), output(0.5, part(2), part(1), v)])).toEqual(['rows', 'output'])
    expect(kernelsOf([rows(0.5, part(0), part(1)), output(0.5, part(0), part(2), v)])).toEqual(['rows', 'output'])
  })
  it('are two where the output waits for what is made of the rows', () => {
    const mass = reshape([images, 1, heads, 1])(sum({ axes: [2] })(exp(rows(0.5, q, k))))
    expect(kernelsOf([output(0.5, q, k, add(v, mass))])).toEqual(['rows', 'output'])
  })
})

it('a kernel that writes anything besides attention is none', () => {
  const graph = right(trace('one', [value('y', output(0.5, q, k, v))]))
  const [{ kernel }] = right(nativeRoad().fuse.run(graph)).kernels
  expect(attentionOf(kernel)?.parts).toEqual(['output'])
  expect(attentionOf({ ...kernel, writes: [...kernel.writes, ...kernel.writes] })).toBeUndefined()
})
