/**
 * Schedules: learning rate, weight decay, temperatures and momentum as functions of the step, computed in float64.
 * The official ones agree with dino `utils.py` cosine_scheduler, dinov2 `utils/utils.py` CosineScheduler, and dinov3
 * `train/cosine_lr_scheduler.py` to the last digits, for every step; they fill no table.
 */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'

/** A number for every step 0, 1, 2, … A step before 0 counts as 0; a schedule with an end keeps its last value. */
export type Schedule = (step: number) => number

/** The same value at every step. */
export const constant =
  (value: number): Schedule =>
  () =>
    value

/** From `from` at step 0 to `to` at step `steps`, evenly; then `to`. `steps` 0 is `to` at once. */
export const linear =
  (from: number, to: number, steps: number): Schedule =>
  (step) =>
    step >= steps ? to : step <= 0 ? from : from + ((to - from) * step) / steps

/** Half a cosine from `from` at step 0 to `to` at step `steps`; then `to`. `steps` 0 is `to` at once. */
export const cosine =
  (from: number, to: number, steps: number): Schedule =>
  (step) =>
    step >= steps ? to : step <= 0 ? from : to + 0.5 * (from - to) * (1 + Math.cos((Math.PI * step) / steps))

/** A schedule times a factor. Laws: `scale(1)` is the identity, `scale(a)` after `scale(b)` is `scale(a * b)`. */
export const scale =
  (factor: number) =>
  (schedule: Schedule): Schedule =>
  (step) =>
    factor * schedule(step)

/** A stretch of a piecewise schedule: its own schedule, counted from 0, for this many steps. */
export interface Stretch {
  readonly steps: number
  readonly schedule: Schedule
}

/** One stretch after the other, then `tail`, each counted from its own beginning. Law: no stretches is `tail`. */
export const piecewise =
  (...stretches: ReadonlyArray<Stretch>) =>
  (tail: Schedule): Schedule =>
  (step) => {
    let at = Math.max(0, step)
    for (const { steps, schedule } of stretches) {
      if (at < steps) return schedule(at)
      at -= steps
    }
    return tail(at)
  }

/** `first` for `steps` steps, then `second`, counted from 0 again. Data last: `pipe(first, concat(10, second))`. */
export const concat =
  (steps: number, second: Schedule) =>
  (first: Schedule): Schedule =>
    piecewise({ steps, schedule: first })(second)

/** A schedule that changes once an epoch: its step is the epoch. */
export const everyEpoch =
  (stepsPerEpoch: number) =>
  (schedule: Schedule): Schedule =>
  (step) =>
    schedule(Math.floor(Math.max(0, step) / stepsPerEpoch))

/** The values of the first `steps` steps, for plots and tests. */
export const valuesOf =
  (steps: number) =>
  (schedule: Schedule): ReadonlyArray<number> =>
    Array.from({ length: steps }, (_, i) => schedule(i))

/** numpy's `linspace(from, to, count)[i]`: both ends included; with one point it is `from`. */
const linspace =
  (from: number, to: number, count: number): Schedule =>
  (i) =>
    count > 1 && i >= count - 1 ? to : from + i * ((to - from) / Math.max(1, count - 1))

/** The cosine schedule of DINO and DINOv2, in steps. */
export interface CosineOptions {
  readonly base: number
  readonly final: number
  /** Steps until `final`, all parts together. */
  readonly total: number
  /** Steps of the linear warm-up, which begins at `startWarmup` and whose last step is `base` already. */
  readonly warmup?: number
  readonly startWarmup?: number
  /** Steps of zeros before the warm-up. */
  readonly freeze?: number
}

/** DINOv3's `CosineScheduler` has one option more. */
export interface TruncatedCosineOptions extends CosineOptions {
  /**
   * The share of a longer cosine that is cut off: the curve is that of `int((1 + truncExtra) * steps)` points, of which
   * the first `steps` are taken and stretched to end at `final`, so that it falls more steeply at the end.
   */
  readonly truncExtra?: number
}

/** DINOv3's `linear_warmup_cosine_decay`, in steps. */
export interface WarmupDecayOptions {
  readonly start: number
  readonly peak: number
  readonly end: number
  /** Steps of the warm-up, which does not reach `peak`. */
  readonly warmup: number
  readonly total: number
  /** Points of the cosine, both ends included; all that remain where it is absent. Then `end`. */
  readonly cosineSteps?: number
}

/** DINO's schedules are given in epochs. */
export interface EpochCosineOptions {
  readonly base: number
  readonly final: number
  readonly epochs: number
  readonly stepsPerEpoch: number
  readonly warmupEpochs?: number
  readonly startWarmup?: number
}

const remedy = 'correct the schedule in the configuration'

/** Names and numbers of options. */
type Numbers = Readonly<Record<string, number>>

/** Checks that the values are finite, the counts whole, and the parts (frozen, warm-up, decay) no longer than the total. */
const check = (place: string, values: Numbers, counts: Numbers, parts: number, total: number): Either<Fault, void> => {
  for (const [name, v] of Object.entries(values)) {
    if (!Number.isFinite(v))
      return E.left(fault('config', { place: `${place}.${name}`, found: String(v), allowed: 'a finite number', remedy }))
  }
  for (const [name, v] of Object.entries(counts)) {
    if (!Number.isSafeInteger(v) || v < 0) {
      return E.left(fault('config', { place: `${place}.${name}`, found: String(v), allowed: 'a whole number >= 0', remedy }))
    }
  }
  return parts <= total
    ? E.right(undefined)
    : E.left(
        fault('config', {
          place,
          found: `${parts} steps of freezing, warm-up and decay in ${total} steps`,
          allowed: 'parts that fit the total',
          remedy: 'shorten the warm-up, or train for more steps',
        }),
      )
}

/**
 * The cosine schedule of DINO and DINOv2 (`CosineScheduler`): zeros for `freeze` steps, a linear warm-up including its
 * end point, then `final + (base - final) (1 + cos(pi i / n)) / 2` for i = 0 .. n - 1, and `final` from step `total` on.
 * Faults (`config`, at `place`): a number that is not finite, a negative or broken count, parts longer than the whole.
 */
export const cosineSchedule = (o: CosineOptions, place = 'schedule'): Either<Fault, Schedule> => truncatedCosineSchedule(o, place)

/** DINO's `cosine_scheduler(base, final, epochs, niter_per_ep, warmup_epochs, start_warmup_value)`. Faults: as `cosineSchedule`. */
export const epochCosineSchedule = (o: EpochCosineOptions, place = 'schedule'): Either<Fault, Schedule> => {
  const { base, final, epochs, stepsPerEpoch, warmupEpochs = 0, startWarmup = 0 } = o
  return pipe(
    check(place, {}, { epochs, stepsPerEpoch, warmupEpochs }, warmupEpochs, epochs),
    E.chain(() => cosineSchedule({ base, final, total: epochs * stepsPerEpoch, warmup: warmupEpochs * stepsPerEpoch, startWarmup }, place)),
  )
}

/** The last value, at step `steps - 1`, of the raw cosine of a truncated schedule. */
const truncated = (steps: number, extra: number): Schedule => {
  const wave = linspace(0, Math.PI, Math.floor((1 + extra) * steps))
  const raw = (i: number): number => (Math.cos(wave(i)) + 1) / 2
  const last = raw(steps - 1)
  return (i) => (last === 1 ? 1 : (raw(i) - last) / (1 - last))
}

/** DINOv3's `CosineScheduler`: as `cosineSchedule`, and with `truncExtra` > 0 cut off and stretched. Faults: the same. */
export const truncatedCosineSchedule = (o: TruncatedCosineOptions, place = 'schedule'): Either<Fault, Schedule> => {
  const { base, final, total, warmup = 0, startWarmup = 0, freeze = 0, truncExtra = 0 } = o
  return pipe(
    check(place, { base, final, startWarmup, truncExtra }, { total, warmup, freeze }, warmup + freeze, total),
    E.filterOrElse(
      () => truncExtra >= 0,
      () => fault('config', { place: `${place}.truncExtra`, found: String(truncExtra), allowed: 'a number >= 0', remedy }),
    ),
    E.map(() => {
      const steps = total - warmup - freeze
      const share: Schedule = truncExtra === 0 ? (i) => 0.5 * (1 + Math.cos((Math.PI * i) / steps)) : truncated(steps, truncExtra)
      return piecewise(
        { steps: freeze, schedule: constant(0) },
        { steps: warmup, schedule: linspace(startWarmup, base, warmup) },
        { steps, schedule: (i) => final + (base - final) * share(i) },
      )(constant(final))
    }),
  )
}

/**
 * DINOv3's `linear_warmup_cosine_decay`: a warm-up without its end point, a cosine over `linspace(0, pi)` including both
 * ends, then `end`. Faults: as `cosineSchedule`.
 */
export const warmupDecaySchedule = (o: WarmupDecayOptions, place = 'schedule'): Either<Fault, Schedule> => {
  const { start, peak, end, warmup, total, cosineSteps = total - warmup } = o
  return pipe(
    check(place, { start, peak, end }, { warmup, total, cosineSteps: Math.max(0, cosineSteps) }, warmup + Math.max(0, cosineSteps), total),
    E.map(() => {
      const wave = linspace(0, Math.PI, cosineSteps)
      return piecewise(
        { steps: warmup, schedule: (i) => start + i * ((peak - start) / warmup) },
        { steps: cosineSteps, schedule: (i) => end + 0.5 * (peak - end) * (1 + Math.cos(wave(i))) },
      )(constant(end))
    }),
  )
}

/** The temperature of a teacher that warms up from `start` to `peak`. */
export interface TemperatureOptions {
  readonly start: number
  readonly peak: number
}

/** The same per epoch. */
export interface EpochTemperatureOptions extends TemperatureOptions {
  readonly warmupEpochs: number
  readonly stepsPerEpoch: number
}

/**
 * DINO's teacher temperature, constant within an epoch: `linspace(start, peak, warmupEpochs)`, then `peak`.
 * Faults: as `cosineSchedule`.
 */
export const epochTemperature = (o: EpochTemperatureOptions, place = 'schedule'): Either<Fault, Schedule> => {
  const { start, peak, warmupEpochs, stepsPerEpoch } = o
  return pipe(
    check(place, { start, peak }, { warmupEpochs, stepsPerEpoch }, 1, stepsPerEpoch),
    E.map(() =>
      pipe(constant(peak), piecewise({ steps: warmupEpochs, schedule: linspace(start, peak, warmupEpochs) }), everyEpoch(stepsPerEpoch)),
    ),
  )
}

/** DINOv2's teacher temperature, which changes at every step: a `cosineSchedule` that is all warm-up. Faults: the same. */
export const stepTemperature = (o: TemperatureOptions & { readonly warmup: number }, place = 'schedule'): Either<Fault, Schedule> =>
  cosineSchedule({ base: o.peak, final: o.peak, total: o.warmup, warmup: o.warmup, startWarmup: o.start }, place)

/**
 * How a learning rate follows the batch size (images over all ranks): v1 `batch / 256`; v2 `sqrt(batch / 1024)`;
 * v3 `4 sqrt(batch / 1024)`, which scales the end of a schedule too.
 */
export type LearningRateRule = 'none' | 'linear_wrt_256' | 'sqrt_wrt_1024' | 'four_sqrt_wrt_1024'

/** The factor of a rule for a batch of a number of images. */
export const learningRateFactor = (rule: LearningRateRule, batch: number): number => {
  switch (rule) {
    case 'none':
      return 1
    case 'linear_wrt_256':
      return batch / 256
    case 'sqrt_wrt_1024':
      return Math.sqrt(batch / 1024)
    case 'four_sqrt_wrt_1024':
      return 4 * Math.sqrt(batch / 1024)
  }
}
