/** Attention on the native target against the oracle: any number of tokens and widths, any layout, gradients, threads, vectors. */
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { grad } from '../../compiler/grad.ts'
import { recogniseAttention } from '../../compiler/passes/attention.ts'
import { followKernels } from '../../compiler/road.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import { attentionOf } from '../../compiler/targets/native/attention.ts'
import { openNative } from '../../compiler/targets/native/device.ts'
import type { NativeDevice } from '../../compiler/targets/native/device.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { HostArray, HostValues } from '../../compiler/target.ts'
import type { Expr } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { leavesOfGraph, value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import { dot } from '../../ops/contract.ts'
import { mul } from '../../ops/elementwise.ts'
import { softmax } from '../../ops/nn.ts'
import { sum } from '../../ops/reduce.ts'
import { reshape, transpose } from '../../ops/reshape.ts'
import { pick } from '../../ops/window.ts'
import { right } from '../data/either.ts'
import { must } from '../rules/agreement.ts'
import { runs } from '../support/arbitrary.ts'
import { expectClose, hostArray, input, waves } from '../support/tensor.ts'

const opened = new Map<string, NativeDevice>()
const open = async (threads: number, flags: ReadonlyArray<string> = []): Promise<NativeDevice> => {
  const key = [threads, ...flags].join(' ')
  const d = opened.get(key) ?? (await must(openNative({ threads, least: 1, flags })))
  opened.set(key, d)
  return d
}
afterAll(() => {
  for (const d of opened.values()) d.close()
})

interface Sizes {
  readonly images: number
  readonly tokens: number
  readonly heads: number
  readonly width: number
}

/** One projection's rows to attention, its cotangent's weights in `w`; heads lie within a token or around all tokens. */
const heads = (o: Sizes, around: boolean): Graph => {
  const { images: b, tokens: n, heads: h, width: d } = o
  const qkv = input('qkv', around ? [3, h, b, n, d] : [b, n, 3 * h * d])
  const three = around ? qkv : reshape([b, n, 3, h, d])(qkv)
  const [q, k, v] = [0, 1, 2].map((i) => pick(around ? 0 : 2, i)(three))
  const [batch, token] = around ? [[0, 1], 2] : [[0, 2], 1]
  const scores = mul(dot({ leftBatch: batch, rightBatch: batch, left: [3], right: [3] })(q, k), d ** -0.5)
  const mixed = dot({ leftBatch: [0, 1], rightBatch: batch, left: [3], right: [token] })(softmax(-1)(scores), v)
  const whole = right(recogniseAttention.run(right(trace('heads', [value('y', transpose([1, 2, 0, 3])(mixed))]))))
  const [y] = whole.outputs.map((x) => x.expr)
  const loss = sum()(mul(y, input('w', y.type.shape)))
  return right(trace('heads', [value('y', y), value('loss', loss), ...grad(loss, [qkv]).map((g: Expr) => value('d', g))]))
}

const valuesOf = (g: Graph): HostValues =>
  new Map(leavesOfGraph(g).map((l, i): readonly [string, HostArray] => [l.path, hostArray(waves(l.type.shape, i))]))

const results = async (g: Graph, threads: number, flags: ReadonlyArray<string> = []): Promise<HostValues> =>
  must((await must((await open(threads, flags)).compile(g))).run({ values: valuesOf(g) }))

const partsOf = (g: Graph): ReadonlyArray<string> =>
  right(followKernels(nativeRoad())(g)).kernels.flatMap((k) => attentionOf(k.kernel)?.parts ?? [])

const agree = async (o: Sizes, around: boolean, flags: ReadonlyArray<string> = []): Promise<void> => {
  const g = heads(o, around)
  expect(partsOf(g)).toEqual(['output', 'rows', 'gradient'])
  const expected = evaluate(
    g.outputs.map((x) => x.expr),
    valuesOf(g),
  )
  for (const threads of [1, 3]) {
    const got = await results(g, threads, flags)
    g.outputs.forEach((x, i) => {
      expectClose(got.get(x.path) ?? [], expected[i], 2e-5, `${x.path} of ${JSON.stringify(o)}, ${threads} threads`)
    })
  }
}

const fixed: ReadonlyArray<Sizes> = [
  { images: 1, tokens: 2, heads: 1, width: 1 },
  { images: 2, tokens: 17, heads: 3, width: 64 },
  { images: 1, tokens: 37, heads: 2, width: 24 },
  { images: 2, tokens: 65, heads: 1, width: 5 },
  { images: 1, tokens: 97, heads: 2, width: 33 },
  { images: 1, tokens: 197, heads: 1, width: 16 },
]

describe('agrees with the reference', () => {
  it.for(fixed)('%o', { timeout: 120000 }, async (o) => {
    await agree(o, false)
    await agree(o, true)
  })

  it('on random sizes', { timeout: 240000 }, async () => {
    const sizes = fc.record({
      images: fc.integer({ min: 1, max: 3 }),
      tokens: fc.integer({ min: 2, max: 120 }),
      heads: fc.integer({ min: 1, max: 3 }),
      width: fc.integer({ min: 1, max: 40 }),
    })
    await fc.assert(
      fc.asyncProperty(sizes, fc.boolean(), (o, around) => agree(o, around)),
      { ...runs(8), seed: 5 },
    )
  })

  it.runIf(process.arch === 'x64').for([
    ['AVX2', '-march=x86-64-v3'],
    ['SSE2', '-march=x86-64'],
  ])('with other vectors: %s', { timeout: 120000 }, async ([, flag]) => {
    for (const o of fixed.slice(1, 5)) await agree(o, false, [flag])
  })
})

it('gives the same with any number of threads', { timeout: 60000 }, async () => {
  const g = heads({ images: 3, tokens: 41, heads: 3, width: 20 }, false)
  const [one, ...others] = [await results(g, 1), await results(g, 2), await results(g, 5)]
  for (const other of others) for (const [path, x] of one) expect([...(other.get(path) ?? [])]).toEqual([...x])
})

it('holds for scores that exponentials cannot', { timeout: 60000 }, async () => {
  const g = heads({ images: 1, tokens: 20, heads: 1, width: 16 }, false)
  const large = new Map([...valuesOf(g)].map(([path, x]) => [path, path === 'qkv' ? Float32Array.from(x, (y) => 40 * y) : x]))
  const got = await must((await must((await open(1)).compile(g))).run({ values: large }))
  const expected = evaluate(
    g.outputs.map((x) => x.expr),
    large,
  )
  g.outputs.forEach((x, i) => {
    expectClose(got.get(x.path) ?? [], expected[i], 2e-3, x.path)
  })
})

describe('passes on what is no number', () => {
  /** `[images, tokens, 3 heads width]`: what stands at one column of a token's queries, keys and values. */
  const set = (o: Sizes, at: ReadonlyArray<readonly [token: number, column: number, value: number]>): HostValues =>
    new Map(
      [...valuesOf(heads(o, false))].map(([path, x]): readonly [string, HostArray] => {
        if (path !== 'qkv') return [path, x]
        const y = Float32Array.from(x)
        for (const [token, column, v] of at) y[token * 3 * o.heads * o.width + column] = v
        return [path, y]
      }),
    )

  const o = { images: 2, tokens: 19, heads: 2, width: 16 }
  const key = o.heads * o.width
  it.for([
    ['a query', [[3, 5, NaN]]],
    ['a query behind the vectors', [[17, 5, NaN]]],
    ['a key', [[18, key + 5, NaN]]],
    ['a value', [[2, 2 * key + 5, NaN]]],
    ['an infinite key', [[4, key + 5, Infinity]]],
    ['an infinite value', [[4, 2 * key + 5, -Infinity]]],
  ] as const)('%s', { timeout: 60000 }, async ([, at]) => {
    const g = heads(o, false)
    const values = set(o, at)
    const expected = evaluate(
      g.outputs.map((x) => x.expr),
      values,
    )
    for (const flags of process.arch === 'x64' ? [[], ['-march=x86-64-v3'], ['-march=x86-64']] : [[]]) {
      const got = await must((await must((await open(1, flags)).compile(g))).run({ values }))
      expect([...expected[0]].some((y) => Number.isNaN(y) || !Number.isFinite(y))).toBe(true)
      g.outputs.forEach((x, i) => {
        expectClose(got.get(x.path) ?? [], expected[i], 2e-5, `${x.path} ${flags.join(' ')}`)
      })
    }
  })
})
