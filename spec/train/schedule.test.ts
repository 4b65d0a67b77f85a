import { readFileSync } from 'node:fs'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import fc from 'fast-check'
import * as t from 'io-ts'
import { describe, expect, test } from 'vitest'
import type { Fault } from '../../core/fault.ts'
import {
  concat,
  constant,
  cosine,
  cosineSchedule,
  epochCosineSchedule,
  epochTemperature,
  learningRateFactor,
  linear,
  piecewise,
  scale,
  stepTemperature,
  truncatedCosineSchedule,
  valuesOf,
  warmupDecaySchedule,
} from '../../train/step/schedule.ts'
import type { Schedule } from '../../train/step/schedule.ts'
import { left, right } from '../data/either.ts'

const Case = t.type({ config: t.record(t.string, t.record(t.string, t.number)), scalars: t.record(t.string, t.array(t.number)) })
const decoded = Case.decode(JSON.parse(readFileSync(new URL('../parity/fixtures/schedules/case.json', import.meta.url), 'utf8')))
if (E.isLeft(decoded)) throw new Error('the fixture of schedules does not decode')
const { config, scalars } = decoded.right

const close = (got: ReadonlyArray<number>, want: ReadonlyArray<number>): void => {
  expect(got.length).toBe(want.length)
  got.forEach((g, i) => {
    expect(Math.abs(g - want[i]), `step ${i}: ${g} for ${want[i]}`).toBeLessThanOrEqual(1e-9 * Math.abs(want[i]))
  })
}

const build = (name: string): E.Either<Fault, Schedule> => {
  const c = config[name]
  if (name.startsWith('v1')) {
    return epochCosineSchedule({
      base: c['base_value'],
      final: c['final_value'],
      epochs: c['epochs'],
      stepsPerEpoch: c['niter_per_ep'],
      warmupEpochs: c['warmup_epochs'] ?? 0,
    })
  }
  if (name.startsWith('v3lw')) {
    return warmupDecaySchedule({
      start: c['start'],
      peak: c['peak'],
      end: c['end'],
      warmup: c['warmup_iterations'],
      total: c['total_iterations'],
      ...(c['cosine_iterations'] === undefined ? {} : { cosineSteps: c['cosine_iterations'] }),
    })
  }
  return truncatedCosineSchedule({
    base: c['base_value'],
    final: c['final_value'],
    total: c['total_iters'],
    warmup: c['warmup_iters'],
    startWarmup: c['start_warmup_value'] ?? 0,
    freeze: c['freeze_iters'] ?? 0,
    truncExtra: c['trunc_extra'] ?? 0,
  })
}

describe('the official schedules', () => {
  test.each(Object.keys(config))('%s', (name) => {
    close(valuesOf(scalars[name].length)(right(build(name))), scalars[name])
  })

  test('teacher temperatures', () => {
    const v1 = right(epochTemperature({ start: 0.04, peak: 0.07, warmupEpochs: 4, stepsPerEpoch: 3 }))
    close(valuesOf(15)(v1), [0.04, 0.04, 0.04, 0.05, 0.05, 0.05, 0.06, 0.06, 0.06, 0.07, 0.07, 0.07, 0.07, 0.07, 0.07])
    close(valuesOf(3)(right(epochTemperature({ start: 0.04, peak: 0.07, warmupEpochs: 0, stepsPerEpoch: 1 }))), [0.07, 0.07, 0.07])
    // numpy: linspace(a, b, 1) is [a].
    close(valuesOf(3)(right(epochTemperature({ start: 0.04, peak: 0.07, warmupEpochs: 1, stepsPerEpoch: 1 }))), [0.04, 0.07, 0.07])
    close(valuesOf(9)(right(stepTemperature({ start: 0.04, peak: 0.07, warmup: 6 }))), scalars['v2_temp'])
  })

  test('beyond the end the final value stays, and before the beginning the first', () => {
    for (const name of Object.keys(config)) {
      const s = right(build(name))
      const last = config[name]['final_value'] ?? config[name]['end']
      expect([s(1000), s(1e9)]).toEqual([last, last])
      expect(s(-5)).toBe(s(0))
    }
  })

  test('learning rate rules', () => {
    expect(learningRateFactor('linear_wrt_256', 1024)).toBe(4)
    expect(learningRateFactor('sqrt_wrt_1024', 4096)).toBe(2)
    expect(learningRateFactor('four_sqrt_wrt_1024', 256)).toBe(2)
    expect(learningRateFactor('none', 17)).toBe(1)
  })

  test('wrong options are faults that name the option', () => {
    expect(left(cosineSchedule({ base: NaN, final: 0, total: 3 }, 'lr')).place).toBe('lr.base')
    expect(left(cosineSchedule({ base: 1, final: 0, total: 2.5 }, 'lr')).place).toBe('lr.total')
    expect(left(cosineSchedule({ base: 1, final: 0, total: 5, warmup: 4, freeze: 2 })).found).toMatch(/^6 steps .* in 5 steps/)
    expect(left(truncatedCosineSchedule({ base: 1, final: 0, total: 5, truncExtra: -1 })).place).toBe('schedule.truncExtra')
    expect(left(epochCosineSchedule({ base: 1, final: 0, epochs: 2, stepsPerEpoch: 3, warmupEpochs: 3 })).found).toMatch(/in 2 steps/)
    expect(left(warmupDecaySchedule({ start: 0, peak: 1, end: 0, warmup: 4, total: 3 })).found).toMatch(/^4 steps/)
    expect(left(epochTemperature({ start: 0, peak: 1, warmupEpochs: 1, stepsPerEpoch: 0 })).kind).toBe('config')
  })

  test('every accepted schedule is finite and within its values', () => {
    const n = fc.nat(20)
    fc.assert(
      fc.property(n, n, n, fc.double({ min: 0, max: 2, noNaN: true }), n, (warmup, freeze, rest, truncExtra, step) => {
        const v = right(truncatedCosineSchedule({ base: 3, final: 1, total: warmup + freeze + rest, warmup, freeze, truncExtra }))(step)
        expect(v >= 0 && v <= 3).toBe(true)
        const w = right(warmupDecaySchedule({ start: 0, peak: 3, end: 1, warmup, total: warmup + rest }))(step)
        expect(w >= 0 && w <= 3).toBe(true)
      }),
    )
  })
})

describe('combinators', () => {
  test('linear and cosine meet their ends', () => {
    expect(valuesOf(5)(linear(0, 1, 4))).toEqual([0, 0.25, 0.5, 0.75, 1])
    expect(linear(2, 3, 0)(0)).toBe(3)
    close(valuesOf(4)(cosine(1, 0, 2)), [1, 0.5, 0, 0])
    expect(cosine(2, 3, 0)(0)).toBe(3)
  })

  test('laws of scale, piecewise and concat', () => {
    const s: Schedule = (step) => 1 + step
    fc.assert(
      fc.property(fc.nat(50), fc.nat(20), fc.nat(20), (step, a, b) => {
        expect(scale(1)(s)(step)).toBe(s(step))
        expect(scale(2)(scale(4)(s))(step)).toBe(scale(8)(s)(step))
        expect(piecewise()(s)(step)).toBe(s(step))
        const left1 = pipe(s, concat(a, constant(-1)), concat(a + b, linear(5, 6, 3)))
        const right1 = piecewise({ steps: a, schedule: s }, { steps: b, schedule: constant(-1) })(linear(5, 6, 3))
        expect(left1(step)).toBe(right1(step))
      }),
    )
  })
})
