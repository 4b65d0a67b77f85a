/** The settings that every experiment has, and what follows from them whatever is learned. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import type { CommonSettings, Evaluation } from '../config/common.ts'
import { common, evaluation } from '../config/common.ts'
import type { Given, Section } from '../config/section.ts'
import { section } from '../config/section.ts'
import type { Method } from '../step/method.ts'
import type { Schedule } from '../step/schedule.ts'
import type { UpdateOptions } from '../step/step.ts'
import type { Crops } from './parts/crops.ts'
import type { Start } from './parts/start.ts'
import { startSettings } from './parts/start.ts'
import type { Strategies } from './parts/strategies.ts'
import { scalingOf, strategySettings } from './parts/strategies.ts'
import type { Optimizer, Schedules, Usual } from './parts/training.ts'
import { optimizerOf, optimizerSettings, scheduleSettings, schedulesOf } from './parts/training.ts'

export interface Standard<D> extends CommonSettings {
  readonly start: Start
  readonly data: D
  readonly augmentation: Crops
  readonly optimizer: Optimizer
  readonly schedule: Schedules
  readonly strategies: Strategies
}

/** What an experiment says of them. */
export interface StandardDefaults extends Usual {
  readonly steps: number
  readonly batch: number
  readonly evaluation?: Given<Evaluation>
}

/** The section of them, by an experiment's own defaults over those that are usual for its method. */
export const standard = <D extends object>(
  d: StandardDefaults,
  usual: Usual,
  data: Section<D>,
  crops: Section<Crops>,
  strategies: Section<Strategies> = strategySettings,
): Section<Standard<D>> =>
  section<Standard<D>>('an experiment', {
    ...common(d),
    start: startSettings,
    data,
    augmentation: crops,
    optimizer: optimizerSettings.with(usual.optimizer).with(d.optimizer),
    schedule: scheduleSettings.with(usual.schedule).with(d.schedule),
    strategies,
    evaluation: evaluation.with(d.evaluation),
  })

/** How the objective of a method is followed. */
export const updateOf = <D>(s: Standard<D>, m: Method): UpdateOptions => ({
  optimizer: optimizerOf(s.optimizer, s.schedule.frozenBy, m),
  ...scalingOf(s.strategies),
})

/** The hypers of every step, those of a method beside the usual ones. Faults: parts that are longer than the whole. */
export const hypersOf = <D>(
  s: Standard<D>,
  more: Readonly<Record<string, Schedule>> = {},
): Either<Fault, Readonly<Record<string, Schedule>>> =>
  E.map((usual: Readonly<Record<string, Schedule>>) => ({ ...usual, ...more }))(schedulesOf(s))
