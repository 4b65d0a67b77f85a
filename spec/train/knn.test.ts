import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { afterAll, describe, expect, test } from 'vitest'
import type { Device, Executable } from '../../compiler/target.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import { draw, stream } from '../../core/random.ts'
import { readSafetensors } from '../../data/formats/safetensors.ts'
import { floatsOf, intsOf } from '../../data/formats/tensor.ts'
import { knn } from '../../train/judge/evaluate/knn.ts'
import type { KnnOptions, LabelledFeatures } from '../../train/judge/evaluate/knn.ts'
import { nearestOf, nearestOn } from '../../train/judge/evaluate/neighbours.ts'
import type { Rows } from '../../train/judge/evaluate/neighbours.ts'
import { left, right } from '../data/either.ts'

const base: KnnOptions = { k: [5, 20], classes: 7, temperature: 0.07, votes: 'v1' }

const worst = (got: ArrayLike<number>, want: ArrayLike<number>): number => {
  expect(got.length).toBe(want.length)
  let w = 0
  for (let i = 0; i < got.length; i++) w = Math.max(w, Math.abs(got[i] - want[i]))
  return w
}

describe('the official evaluation', async () => {
  const { tensors } = right(await readSafetensors(new URL('../parity/fixtures/knn/tensors.safetensors', import.meta.url).pathname)())
  const get = (name: string) => {
    const t = tensors.get(name)
    if (t === undefined) throw new Error(`the fixture lacks ${name}`)
    return t
  }
  const floats = (name: string) => right(floatsOf(name)(get(name)))
  const ints = (name: string) => right(intsOf(name)(get(name)))
  const set = (kind: string): LabelledFeatures => ({ data: floats(`in/${kind}_features`), dim: 16, labels: ints(`in/${kind}_labels`) })
  const train = set('train')
  const tests = set('test')

  test.each([false, true])('votes, predictions and top-1 are those of the fixture (normalise %s)', (normalise) => {
    const [k5, k20] = right(knn({ ...base, normalise }, train)(tests))
    expect(worst(k5.votes, floats('out/k5/votes'))).toBeLessThanOrEqual(15)
    expect(worst(k20.votes, floats('out/k20/votes'))).toBeLessThanOrEqual(17)
    expect(k5.predictions).toEqual(ints('out/k5/pred'))
    expect(k20.predictions).toEqual(ints('out/k20/pred'))
    expect([k5.top1, k20.top1]).toEqual([0.89, 0.89])
    const [p5, p20] = right(knn({ ...base, votes: 'v2', normalise }, train)(tests))
    expect(worst(p5.votes, floats('out/v2_k5/probs'))).toBeLessThanOrEqual(1.3e-5)
    expect(worst(p20.votes, floats('out/v2_k20/probs'))).toBeLessThanOrEqual(1.2e-5)
    expect(p5.predictions).toEqual(k5.predictions)
  })
})

const sets = fc
  .tuple(
    fc.integer({ min: 2, max: 300 }),
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 6 }),
    fc.infiniteStream(fc.float({ min: -1, max: 1, noNaN: true })),
    fc.infiniteStream(fc.nat(3)),
  )
  .map(([n, m, dim, values, labels]) => {
    const take = (count: number) => Float32Array.from({ length: count }, () => Number(values.next().value))
    const tags = (count: number) => Int32Array.from({ length: count }, () => Number(labels.next().value))
    const train: LabelledFeatures = { data: take(n * dim), dim, labels: tags(n) }
    const tests: LabelledFeatures = { data: take(m * dim), dim, labels: tags(m) }
    return { train, tests, n, m, dim }
  })

/** The definition, written out: all similarities, a stable sort, votes. */
const plain = (o: KnnOptions, k: number, train: LabelledFeatures, tests: LabelledFeatures): ReadonlyArray<ReadonlyArray<number>> => {
  const { dim } = train
  const row = (f: LabelledFeatures, i: number) => {
    const v = Array.from(f.data.subarray(i * dim, (i + 1) * dim))
    const norm = Math.max(1e-12, Math.sqrt(v.reduce((s, x) => s + x * x, 0)))
    return v.map((x) => x / norm)
  }
  return Array.from(tests.labels, (_, i) => {
    const q = row(tests, i)
    const near = Array.from(train.labels, (label, j) => ({ j, label, s: row(train, j).reduce((s, x, d) => s + x * q[d], 0) }))
      .filter(({ j }) => o.leaveOneOut !== true || j !== i)
      .sort((a, b) => b.s - a.s || a.j - b.j)
      .slice(0, k)
    const votes = new Array<number>(o.classes).fill(0)
    for (const { label, s } of near) votes[label] += Math.exp(s / o.temperature)
    return votes
  })
}

describe('with a device', async () => {
  const precise = right(await openTarget('native')())
  const truncated = (x: Float32Array): Float32Array => new Float32Array(new Uint32Array(x.buffer).map((bits) => bits & 0xffff0000).buffer)
  /** As one that multiplies in bfloat16. */
  const rounding = (d: Device): Device => ({
    ...d,
    compile: (g, o) =>
      pipe(
        d.compile(g, o),
        TE.map((e): Executable => ({
          ...e,
          run: (feed) => e.run({ ...feed, values: new Map([...feed.values].map(([p, x]) => [p, truncated(Float32Array.from(x))])) }),
        })),
      ),
  })
  afterAll(() => {
    precise.close()
  })
  const rows = (n: number, dim: number, seed: number, of: (x: number) => number): Rows => {
    const x = draw(stream(seed, 'rows', 0), { _tag: 'Normal', mean: 0, std: 1 }, [n * dim])
    return { data: Float32Array.from(x, of), dim }
  }
  const normal = (x: number): number => x
  const twice = (r: Rows): Rows => ({ data: Float32Array.from([...r.data, ...r.data]), dim: r.dim })
  test.each([
    ['rows that have little in common', rows(700, 24, 1, normal), rows(300, 24, 2, normal)],
    ['rows that are nearly one', rows(700, 24, 3, (x) => 1 + 1e-6 * x), rows(300, 24, 4, (x) => 1 + 1e-6 * x)],
    ['rows that are one', rows(500, 8, 5, () => 1), rows(40, 8, 6, () => 1)],
    ['rows that come twice', twice(rows(300, 16, 7, normal)), rows(90, 16, 7, normal)],
    ['rows of small whole numbers', rows(600, 3, 8, Math.round), rows(90, 3, 9, Math.round)],
  ])('the neighbours are those of the host, to the bit: %s', async (_, train, tests) => {
    for (const device of [precise, rounding(precise)])
      for (const o of [
        { k: 20, normalise: true, leaveOneOut: false },
        { k: 1, normalise: false, leaveOneOut: false },
        { k: 7, normalise: true, leaveOneOut: true },
      ]) {
        const asked = o.leaveOneOut ? train : tests
        expect(right(await nearestOn(device, train, asked, o, undefined, 0)())).toEqual(nearestOf(train, asked, o))
      }
  })
})

describe('laws of k-NN', () => {
  test('equals the definition, block by block, with and without leaving one out', () => {
    fc.assert(
      fc.property(sets, fc.integer({ min: 1, max: 30 }), fc.boolean(), ({ train, tests }, k, leaveOneOut) => {
        const o: KnnOptions = { k: [k], classes: 4, temperature: 0.5, votes: 'v1', leaveOneOut }
        const [got] = right(knn(o, train)(leaveOneOut ? train : tests))
        const want = plain(o, k, train, leaveOneOut ? train : tests)
        expect(worst(got.votes, want.flat())).toBeLessThan(1e-9)
        expect(got.used).toBe(Math.min(k, train.labels.length - (leaveOneOut ? 1 : 0)))
      }),
      { numRuns: 60 },
    )
  })

  test('v2 is v1 up to a factor per item; both predict the same; a tiny temperature does not overflow', () => {
    fc.assert(
      fc.property(sets, fc.constantFrom(1e-4, 0.07, 3), ({ train, tests }, temperature) => {
        const o = { k: [1, 3, 9], classes: 4, temperature }
        const a = right(knn({ ...o, votes: 'v1' }, train)(tests))
        const b = right(knn({ ...o, votes: 'v2' }, train)(tests))
        a.forEach((r, i) => {
          expect(r.predictions).toEqual(b[i].predictions)
          expect(r.top5).toBe(b[i].top5)
          expect(r.top5).toBeGreaterThanOrEqual(r.top1)
        })
        for (const v of b[2].votes) expect(v >= 0 && v <= 1 + 1e-12).toBe(true)
      }),
      { numRuns: 40 },
    )
  })

  test('equal neighbours: the first train item wins, and the smaller class', () => {
    const train: LabelledFeatures = { data: Float32Array.of(1, 0, 1, 0, 1, 0), dim: 2, labels: Int32Array.of(2, 1, 1) }
    const tests: LabelledFeatures = { data: Float32Array.of(2, 0), dim: 2, labels: Int32Array.of(1) }
    const [one, two, many] = right(knn({ k: [1, 2, 50], classes: 3, temperature: 1, votes: 'v1' }, train)(tests))
    expect([one.predictions[0], two.predictions[0], many.predictions[0], many.used]).toEqual([2, 1, 1, 3])
    expect([one.top1, one.top5, two.top1]).toEqual([0, 0, 1])
  })

  test('wrong input is a fault', () => {
    const ok: LabelledFeatures = { data: Float32Array.of(1, 2), dim: 1, labels: Int32Array.of(0, 1) }
    const run = (o: Partial<KnnOptions>, train = ok, tests = ok) =>
      left(knn({ k: [1], classes: 2, temperature: 1, votes: 'v1', ...o }, train)(tests))
    expect(run({ k: [] }).place).toBe('knn.k')
    expect(run({ k: [0] }).found).toBe('0')
    expect(run({ temperature: 0 }).place).toBe('knn.temperature')
    expect(run({ classes: 1 }).found).toBe('label 1 of item 1')
    expect(run({}, { ...ok, dim: 2 }).place).toBe('knn: train')
    expect(run({}, ok, { data: Float32Array.of(NaN, 1), dim: 1, labels: Int32Array.of(0, 1) }).found).toBe('NaN in the features of item 0')
    expect(run({}, ok, { data: new Float32Array(0), dim: 1, labels: new Int32Array(0) }).found).toBe('no items')
    expect(run({}, ok, { data: new Float32Array(4), dim: 2, labels: new Int32Array(2) }).found).toBe('dimensions 1 and 2')
    const single: LabelledFeatures = { data: Float32Array.of(1), dim: 1, labels: Int32Array.of(0) }
    expect(run({ leaveOneOut: true }, single, single).found).toBe('1 items')
    expect(run({ leaveOneOut: true }, ok, single).found).toBe('2 and 1 items')
    expect(E.isRight(knn({ k: [1], classes: 2, temperature: 1, votes: 'v1', leaveOneOut: true }, ok)(ok))).toBe(true)
  })
})
