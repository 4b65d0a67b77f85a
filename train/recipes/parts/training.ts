/** Optimizer and schedules as settings, and what they make: a gradient transform, and the hypers of every step. */
import { sequenceS } from 'fp-ts/lib/Apply.js'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../../core/fault.ts'
import { clipEach, clipGroups } from '../../step/clip.ts'
import type { ValueOf } from '../../config/field.ts'
import { oneOf, real, share, stepsOrShare } from '../../config/field.ts'
import { stepsOf } from '../../config/length.ts'
import type { Given } from '../../config/section.ts'
import { section } from '../../config/section.ts'
import type { GroupRule } from '../../step/groups.ts'
import { v1Groups, v2Groups, v3Groups } from '../../step/groups.ts'
import type { Method } from '../../step/method.ts'
import { isPrototype } from '../../step/method.ts'
import { adamw } from '../../step/optimizer.ts'
import type { Schedule } from '../../step/schedule.ts'
import { counted, note } from '../../../data/readers/note.ts'
import { constant, cosineSchedule, learningRateFactor, linear, piecewise, warmupDecaySchedule } from '../../step/schedule.ts'
import type { GradientTransform } from '../../step/transform.ts'
import { chain, gated, scaledBy } from '../../step/transform.ts'

export const optimizerSettings = section('AdamW', {
  lr: real(2e-3, 'learning rate at its peak', { above: 0, max: 100 }),
  lrRule: oneOf(['none', 'linear_wrt_256', 'sqrt_wrt_1024', 'four_sqrt_wrt_1024'], 'how the learning rate follows the batch'),
  minLr: real(1e-5, 'learning rate at the end', { min: 0, max: 100 }),
  wd: real(0.04, 'weight decay at the start', { min: 0 }),
  wdEnd: real(0.04, 'weight decay at the end', { min: 0 }),
  beta1: real(0.9, 'share of the old first moment', { min: 0, below: 1 }),
  beta2: real(0.999, 'share of the old second moment', { min: 0, below: 1 }),
  eps: real(1e-8, 'added to the denominator', { above: 0 }),
  clip: real(3, 'largest norm of a gradient; 0: no clipping', { min: 0 }),
  clipBy: oneOf(['tensor', 'network'], 'the norm of each tensor, or of each of the networks within the student'),
  groups: oneOf(['v1', 'v2', 'v3'], 'which parameters decay, and how the rate falls from layer to layer (v2, v3)'),
  layerDecay: real(1, 'v2, v3: rate of a layer over that of the layer above it', { above: 0, max: 1 }),
  patchEmbed: real(1, 'v2, v3: further factor of the patch embedding', { min: 0 }),
})

export type Optimizer = ValueOf<typeof optimizerSettings>

export const scheduleSettings = section('what changes from step to step', {
  warmup: stepsOrShare(0.1, 'until the learning rate is at its peak'),
  momentum: share(0.98, 'of the teacher, at the start'),
  momentumEnd: share(1, 'of the teacher, at the end'),
  temperatureFrom: real(0.04, 'of the teacher, at the start', { above: 0 }),
  temperature: real(0.05, 'of the teacher, after its warm-up', { above: 0 }),
  temperatureWarmup: stepsOrShare(0.33, 'how long that warm-up is'),
  decay: oneOf(['cosine', 'warmup-decay'], 'the learning rate as DINO and DINOv2 have it, or as the later configurations of DINOv3'),
  freezeLastLayer: stepsOrShare(0, 'how long the prototypes are frozen at first'),
  frozenBy: oneOf(
    ['gradient', 'rate'],
    'how: without gradients, moments and counts (DINO), or at a rate of 0, while those go on (DINOv2, DINOv3)',
  ),
})

export type Schedules = ValueOf<typeof scheduleSettings>

/** Defaults of the settings by which a method is followed. */
export interface Usual {
  readonly optimizer?: Given<Optimizer>
  readonly schedule?: Given<Schedules>
}

const groupsOf = (o: Optimizer, blocks: number): GroupRule => {
  const layers = { decay: o.layerDecay, blocks, patchEmbed: o.patchEmbed }
  return o.groups === 'v1' ? v1Groups : o.groups === 'v2' ? v2Groups(layers) : v3Groups(layers)
}

/** Clipping, AdamW, and prototypes that are frozen at first (`hyper.last_layer`), by `frozenBy`; for the networks of a method. */
export const optimizerOf = (o: Optimizer, frozenBy: Schedules['frozenBy'], m: Pick<Method, 'blocks' | 'prototypes'>): GradientTransform =>
  chain([
    ...(o.clip === 0 ? [] : [o.clipBy === 'tensor' ? clipEach(o.clip) : clipGroups(o.clip)]),
    ...(frozenBy === 'gradient' ? [gated('last_layer', isPrototype(m))] : []),
    adamw({ betas: [o.beta1, o.beta2], eps: o.eps, groups: groupsOf(o, m.blocks) }),
    ...(frozenBy === 'rate' ? [scaledBy('last_layer', isPrototype(m))] : []),
  ])

/** The schedule of a run of so many steps, its parts in steps. */
const inSteps = (t: Schedules, steps: number): Schedules => {
  const of = stepsOf(steps)
  return {
    ...t,
    warmup: of(t.warmup),
    temperatureWarmup: of(t.temperatureWarmup),
    freezeLastLayer: of(t.freezeLastLayer),
  }
}

const learningRate = (o: Optimizer, t: Schedules, total: number, batch: number): Either<Fault, Schedule> => {
  const factor = learningRateFactor(o.lrRule, batch)
  const warmup = Math.min(t.warmup, total - 1)
  return t.decay === 'cosine'
    ? cosineSchedule({ base: o.lr * factor, final: o.minLr, total, warmup })
    : warmupDecaySchedule({ start: 0, peak: o.lr * factor, end: o.minLr * factor, warmup, total })
}

/** Parts of a schedule, what it means where one is as long as the run, and the share of a run that suits it. */
const parts = [
  { at: 'warmup', so: 'the learning rate comes to its peak at the last step alone', fits: 0.1 },
  { at: 'temperatureWarmup', so: "the teacher's temperature does not come to its end", fits: 0.33 },
  { at: 'freezeLastLayer', so: 'prototypes are never trained', fits: 0.1 },
] as const

/** What a run is too short for: parts of its schedule that never come to their end. */
export const cutShort = ({ steps, schedule }: { readonly steps: number; readonly schedule: Schedules }): ReadonlyArray<string> => {
  const lengths = inSteps(schedule, steps)
  const still = schedule.temperatureFrom === schedule.temperature
  const short = parts.filter(({ at }) => !(still && at === 'temperatureWarmup') && lengths[at] >= Math.max(1, steps))
  return short.length === 0
    ? []
    : [
        note(
          `the run of ${counted(steps, 'step')} is too short for parts of its schedule: ${short.map(({ at, so }) => `schedule.${at} is ${schedule[at]}: ${so}`).join('; ')}`,
          [],
          `${short.map(({ at, fits }) => `schedule.${at}=${fits}`).join(' --set ')} fits a run of any length`,
        ),
      ]
}

/** The hypers of every step: `lr`, `wd`, `momentum`, `teacher_temp`, `last_layer`. Faults: parts that are longer than the whole. */
export const schedulesOf = (s: {
  readonly steps: number
  readonly batch: number
  readonly optimizer: Optimizer
  readonly schedule: Schedules
}): Either<Fault, Readonly<Record<string, Schedule>>> => {
  const { steps: total, optimizer: o } = s
  const t = inSteps(s.schedule, total)
  return sequenceS(E.Applicative)({
    lr: learningRate(o, t, total, s.batch),
    wd: cosineSchedule({ base: o.wd, final: o.wdEnd, total }),
    momentum: cosineSchedule({ base: t.momentum, final: t.momentumEnd, total }),
    teacher_temp: E.right(
      piecewise({ steps: t.temperatureWarmup, schedule: linear(t.temperatureFrom, t.temperature, t.temperatureWarmup) })(
        constant(t.temperature),
      ),
    ),
    last_layer: E.right((step: number) => (step < t.freezeLastLayer ? 0 : 1)),
  })
}
