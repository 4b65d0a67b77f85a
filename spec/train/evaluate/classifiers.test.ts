/** Logistic regression at its minimum, and the grid of linear classifiers, on a device. */
import { describe, expect, test } from 'vitest'
import type { Device } from '../../../compiler/target.ts'
import { openTarget } from '../../../compiler/targets/open.ts'
import { normals } from './rows.ts'
import { oneOf, probabilities } from '../../../train/judge/evaluate/classes.ts'
import type { Targets } from '../../../train/judge/evaluate/classes.ts'
import { lbfgs } from '../../../train/judge/evaluate/lbfgs.ts'
import { fitLogistic, logisticProbabilities, officialCs } from '../../../train/judge/evaluate/logistic.ts'
import { accuracy } from '../../../train/judge/evaluate/metrics.ts'
import { officialRates, probeScores, trainProbes, variantsOf } from '../../../train/judge/evaluate/probe.ts'
import { left, right } from '../../data/either.ts'

const device = async (): Promise<Device> => right(await openTarget('reference')())

/** Rows around a centre for each class, and their classes. */
const clusters = (n: number, dim: number, classes: number, apart: number) => {
  const labels = Array.from({ length: n }, (_, i) => i % classes)
  const noise = normals(1, n * dim)
  return { labels, rows: { dim, data: Float32Array.from(noise, (v, i) => v + (i % dim === labels[Math.floor(i / dim)] ? apart : 0)) } }
}

describe('L-BFGS', () => {
  test('finds the minimum of a convex function whose axes differ a thousandfold', () => {
    const scales = [1, 10, 100, 1000, 0.5]
    const solver = lbfgs(new Float64Array(5), { tolerance: 1e-9, iterations: 500 })
    let step = solver.next()
    while (step.done !== true) step = solver.next(step.value.map((x, i) => scales[i] * (x - i) + (x - i) ** 3))
    expect(step.value.converged).toBe(true)
    step.value.x.forEach((x, i) => {
      expect(x).toBeCloseTo(i, 8)
    })
  })
})

/** The largest component of the gradient of the mean cross entropy with its penalty, in float64. */
const slope = (
  t: Targets,
  rows: { readonly data: Float32Array; readonly dim: number },
  c: number,
  weight: Float64Array,
  probability: Float64Array,
): number => {
  const [n, k] = [t.length, weight.length / rows.dim]
  let most = 0
  for (let row = 0; row < k; row++) {
    const column = k === 1 ? 1 : row
    for (let d = 0; d <= rows.dim; d++) {
      let g = d < rows.dim ? weight[row * rows.dim + d] / (c * n) : 0
      for (let i = 0; i < n; i++)
        g +=
          ((probability[i * t.classes + column] - t.values[i * t.classes + column]) * (d < rows.dim ? rows.data[i * rows.dim + d] : 1)) / n
      most = Math.max(most, Math.abs(g))
    }
  }
  return most
}

describe('logistic regression', () => {
  const { labels, rows } = clusters(60, 5, 3, 1)
  test.each([
    ['of several classes', oneOf(labels, 3)],
    [
      'of two classes',
      oneOf(
        labels.map((l) => (l === 2 ? 1 : 0)),
        2,
      ),
    ],
    [
      'of labels that can hold at once',
      {
        length: 60,
        classes: 2,
        multiLabel: true,
        values: Float32Array.from({ length: 120 }, (_, i) => (labels[i >> 1] === i % 2 || labels[i >> 1] === 2 ? 1 : 0)),
      } satisfies Targets,
    ],
  ])('%s ends where the gradient is nothing', async (_, targets) => {
    const d = await device()
    const cs = [0.1, 1, 10]
    const all = right(await fitLogistic(d, { cs, tolerance: 1e-6, iterations: 300 }, rows, targets)())
    expect(all.map((r) => r.c)).toEqual(cs)
    for (const r of all) {
      expect(r.converged).toBe(true)
      expect(slope(targets, rows, r.c, r.weight, logisticProbabilities(r, rows, targets.multiLabel))).toBeLessThan(3e-6)
    }
    const norms = all.map((r) => r.weight.reduce((s, v) => s + v * v, 0))
    expect([...norms].sort((a, b) => a - b)).toEqual(norms)
  })
  test('refuses options and rows that do not fit', async () => {
    const d = await device()
    expect(left(await fitLogistic(d, { cs: [0], tolerance: 1e-5, iterations: 9 }, rows, oneOf(labels, 3))()).found).toBe('0')
    expect(left(await fitLogistic(d, { cs: [1], tolerance: 1e-5, iterations: 9 }, rows, oneOf([0, 1], 3))()).kind).toBe('data')
  })
  test('has the official grid', () => {
    expect([officialCs.length, officialCs[0], officialCs[44]]).toEqual([45, 1e-6, 1e5])
  })
})

describe('linear probes', () => {
  test('learn what can be told apart with the better rate, in every variant', async () => {
    const {
      labels,
      rows: { data },
    } = clusters(96, 4, 4, 6)
    // two blocks and a mean, 4 wide each: the last block tells the classes
    const rows = { dim: 12, data: new Float32Array(96 * 12) }
    for (let i = 0; i < 96; i++) for (let d = 0; d < 4; d++) rows.data.set([data[i * 4 + d]], i * 12 + 4 + d)
    const targets = oneOf(labels, 4)
    const probes = right(
      await trainProbes(
        await device(),
        { blocks: 2, width: 4 },
        { rates: [1e-5, 1], batch: 32, steps: 60, seed: 0 },
        rows,
        targets,
        () => undefined,
      )(),
    )
    expect(probes.map((p) => [p.rate, p.blocks, p.average])).toEqual(
      variantsOf(2).flatMap((v) => [1e-5, 1].map((r) => [r, v.blocks, v.average])),
    )
    const scores = probes.map((p) => right(accuracy('multi-class')(targets, probabilities(probeScores(p, rows), 4, false))))
    probes.forEach((p, i) => {
      if (p.rate === 1) expect(scores[i]).toBeGreaterThan(Math.max(0.95, scores[i - 1]))
    })
  })
  test('are the same for the same seed', async () => {
    const { labels, rows } = clusters(24, 4, 3, 2)
    const once = async (seed: number) =>
      right(
        await trainProbes(
          await device(),
          { blocks: 1, width: 2 },
          { rates: [0.1], batch: 8, steps: 5, seed },
          rows,
          oneOf(labels, 3),
          () => undefined,
        )(),
      ).map((p) => [...probeScores(p, rows)])
    expect(await once(3)).toEqual(await once(3))
    expect(await once(3)).not.toEqual(await once(4))
  })
  test('have the official rates', () => {
    expect([officialRates.length, officialRates[0], officialRates[12]]).toEqual([13, 1e-5, 0.1])
  })
})
