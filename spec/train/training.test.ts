/** The settings of optimizer and schedules: what `schedule.frozenBy` and `schedule.decay` choose between, against plain loops. */
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { input, parameter } from '../../core/leaves.ts'
import { param, zeros } from '../../core/model.ts'
import type { Optimizer, Schedules } from '../../train/recipes/parts/training.ts'
import { optimizerOf, optimizerSettings, scheduleSettings, schedulesOf } from '../../train/recipes/parts/training.ts'
import { cosineSchedule, valuesOf, warmupDecaySchedule } from '../../train/step/schedule.ts'
import type { Proposal } from '../../train/step/transform.ts'
import { right } from '../data/either.ts'
import { expectClose } from '../support/tensor.ts'

const optimizerWith = (given: Partial<Optimizer>): Optimizer =>
  right(
    E.mapLeft(() => {
      throw new Error('refused')
    })(optimizerSettings.decode(given)),
  )
const scheduleWith = (given: Partial<Schedules>): Schedules =>
  right(
    E.mapLeft(() => {
      throw new Error('refused')
    })(scheduleSettings.decode(given)),
  )

const proposal = (path: string): Proposal => {
  const declaration = param([1, 1], zeros)
  return {
    path,
    declaration,
    value: parameter(`student.${path}`, declaration),
    update: input(`gradient.${path}`, [1, 1]),
    gate: O.none,
    begun: O.none,
  }
}

const [steps, frozen] = [12, 5]
const gradient = (t: number): number => Math.cos(t * 0.9) + 0.3
const [lr, wd] = [0.01, 0.2]

/** torch.optim.AdamW for one number; while it is frozen either `grad` is None, or the rate of its group is 0. */
const torch = (frozenBy: Schedules['frozenBy'], standsStill: (t: number) => boolean): ReadonlyArray<number> => {
  let [p, m, v, n] = [1, 0, 0, 0]
  return Array.from({ length: steps }, (_, t) => {
    if (frozenBy === 'gradient' && standsStill(t)) return p
    const rate = standsStill(t) ? 0 : lr
    n++
    p *= 1 - rate * wd
    m = 0.9 * m + 0.1 * gradient(t)
    v = 0.999 * v + 0.001 * gradient(t) ** 2
    p -= ((rate / (1 - 0.9 ** n)) * m) / (Math.sqrt(v) / Math.sqrt(1 - 0.999 ** n) + 1e-8)
    return p
  })
}

describe('schedule.frozenBy', () => {
  const trained = (frozenBy: Schedules['frozenBy']): ReadonlyArray<ReadonlyArray<number>> => {
    const paths = ['backbone.weight', 'dino_head.last_layer.weight_v']
    const { proposals, kept } = optimizerOf(optimizerWith({ clip: 0 }), frozenBy, {
      blocks: 1,
      prototypes: ['dino_head.last_layer'],
    }).update(paths.map(proposal))
    const gates = right(
      schedulesOf({
        steps,
        batch: 4,
        optimizer: optimizerWith({}),
        schedule: scheduleWith({ warmup: 0, freezeLastLayer: frozen, frozenBy }),
      }),
    ).last_layer
    const params = new Map(paths.map((p) => [p, 1]))
    const state = new Map(kept.map((k) => [k.path, 0]))
    return Array.from({ length: steps }, (_, t) => {
      const values = new Map([
        ...paths.flatMap(
          (p) =>
            [
              [`student.${p}`, Float64Array.of(params.get(p) ?? NaN)],
              [`gradient.${p}`, Float64Array.of(gradient(t))],
            ] as const,
        ),
        ...[...state].map(([path, x]) => [`optimizer.${path}`, Float64Array.of(x)] as const),
        ['hyper.lr', Float64Array.of(lr)] as const,
        ['hyper.wd', Float64Array.of(wd)] as const,
        ['hyper.last_layer', Float64Array.of(gates(t))] as const,
      ])
      const results = evaluate([...proposals.map((p) => p.update), ...kept.map((k) => k.next)], values)
      // what is behind a closed gate is not written, as the step does it
      proposals.forEach((p, i) => {
        if (O.isNone(p.gate) || gates(t) > 0) params.set(p.path, (params.get(p.path) ?? NaN) + results[i][0])
      })
      kept.forEach((k, i) => state.set(k.path, results[proposals.length + i][0]))
      return paths.map((p) => params.get(p) ?? NaN)
    })
  }
  it.each(['gradient', 'rate'] as const)('%s: as PyTorch does, all others moving on', (frozenBy) => {
    const got = trained(frozenBy)
    const [other, last] = [torch(frozenBy, () => false), torch(frozenBy, (t) => t < frozen)]
    got.forEach((values, t) => {
      expectClose(values, [other[t], last[t]], 1e-9, `step ${t}`)
    })
    expect(got[frozen - 1][1]).toBe(1)
    expect(got[frozen][1]).not.toBe(1)
  })
  it('by gradient and by rate come apart as soon as the layer is let go', () => {
    const [a, b] = [trained('gradient'), trained('rate')]
    expect(a[frozen - 1]).toEqual(b[frozen - 1])
    expect(Math.abs(a[frozen][1] - b[frozen][1])).toBeGreaterThan(1e-4)
  })
})

describe('schedule.decay', () => {
  const rates = (decay: Schedules['decay'], lrRule: Optimizer['lrRule'] = 'none'): ReadonlyArray<number> =>
    valuesOf(20)(
      right(
        schedulesOf({
          steps: 20,
          batch: 64,
          optimizer: optimizerWith({ lr: 1, minLr: 0.1, lrRule }),
          schedule: scheduleWith({ warmup: 5, decay }),
        }),
      ).lr,
    )

  it('cosine: a warm-up that includes its end, then a cosine that never quite reaches its own', () => {
    const got = rates('cosine')
    expect(got).toEqual(valuesOf(20)(right(cosineSchedule({ base: 1, final: 0.1, total: 20, warmup: 5 }))))
    expectClose(got.slice(0, 6), [0, 0.25, 0.5, 0.75, 1, 1], 1e-12)
    expectClose([got[19]], [0.1 + 0.45 * (1 + Math.cos((14 / 15) * Math.PI))], 1e-12)
  })
  it('warmup-decay: a warm-up without its end, then a cosine with both ends', () => {
    const got = rates('warmup-decay')
    expect(got).toEqual(valuesOf(20)(right(warmupDecaySchedule({ start: 0, peak: 1, end: 0.1, warmup: 5, total: 20 }))))
    expectClose(got.slice(0, 6), [0, 0.2, 0.4, 0.6, 0.8, 1], 1e-12)
    expectClose([got[19]], [0.1], 1e-12)
  })
  it('follows the batch at its peak; at its end in the newer schedule alone', () => {
    const factor = 4 * Math.sqrt(64 / 1024)
    expectClose(
      [Math.max(...rates('cosine', 'four_sqrt_wrt_1024')), Math.max(...rates('warmup-decay', 'four_sqrt_wrt_1024'))],
      [factor, factor],
      1e-12,
    )
    const rule = 'linear_wrt_256'
    expectClose([rates('warmup-decay', rule)[19]], [0.1 * 0.25], 1e-12)
    expect(rates('cosine', rule)[19]).toBeGreaterThan(0.1)
  })
})
