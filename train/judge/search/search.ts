/** A search for settings: rounds of trials, each of the best of the round before, until the time is over. */
import { performance } from 'node:perf_hooks'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Choice } from '../../config/layers.ts'
import { isShare } from '../../config/length.ts'
import type { Resolved } from '../../run/experiment.ts'
import { percent } from '../../run/log/numbers.ts'
import type { Cost, Round } from './halving.ts'
import { eta, planFor, roundsOf, secondsOf } from './halving.ts'
import type { Axis, Effect, Point } from './space.ts'
import { changesAt, effectsOf, pointsOf } from './space.ts'
import type { Trial } from './trial.ts'
import { bare, trial } from './trial.ts'

export interface SearchOptions {
  readonly axes: ReadonlyArray<Axis>
  /** Of a whole run. */
  readonly steps: number
  readonly seconds: number
  readonly seed: number
  /** The experiment with some settings changed. Fault: settings that do not go together. */
  readonly resolve: (changes: Choice) => TaskEither<Fault, Resolved>
  readonly say: (text: string) => void
}

/** A point that was tried in a round. */
export interface Tried extends Trial {
  readonly point: Point
  readonly changes: Choice
  readonly steps: number
}

export interface Found {
  /** Of each round, the best first. */
  readonly rounds: ReadonlyArray<ReadonlyArray<Tried>>
  /** The best of the longest runs. */
  readonly best: Tried
  /** Whether its run was a whole one. */
  readonly whole: boolean
  readonly effects: ReadonlyArray<Effect>
  /** Points whose settings do not go together. */
  readonly unfit: number
}

/** Steps by which the pace is known. */
const leastSeen = 10

/** Settings whose steps follow the length of a run; where they are shares of it, they do so anyway. */
const inSteps = ['schedule.warmup', 'schedule.temperatureWarmup', 'schedule.freezeLastLayer']

/** A run of fewer steps: warm-ups are shortened as it is. `valueOf` says what a whole run has. */
export const shortened = (valueOf: (path: string) => unknown, whole: number, steps: number): Choice => ({
  steps,
  ...Object.fromEntries(
    inSteps.flatMap((path) => {
      const now = valueOf(path)
      return typeof now === 'number' && !isShare(now) ? [[path, Math.round((now * steps) / whole)] as const] : []
    }),
  ),
})

const minutes = (seconds: number): string => (Math.ceil(seconds / 6) / 10).toFixed(1)

const tooShort = (o: SearchOptions, cost: Cost): Fault => {
  const least = secondsOf(roundsOf(2, o.steps, 1), cost)
  return fault('usage', {
    place: '--minutes',
    found: `${minutes(o.seconds)}, while a whole run of ${o.steps} steps takes about ${minutes(cost.fixed + o.steps * cost.step)}`,
    allowed: `at least ${minutes(least + cost.fixed)} for two of them`,
    remedy: 'give it more minutes, or shorten the runs with --steps',
  })
}

/**
 * Tries points in rounds. The first run, of the settings as they stand, says what a run costs here. Faults: time for less than two whole
 * runs; those of training.
 */
export const search =
  (o: SearchOptions, valueOf: (path: string) => unknown): TaskEither<Fault, Found> =>
  async () => {
    const until = performance.now() + 1000 * o.seconds
    const isOver = (): boolean => performance.now() > until
    let unfit = 0
    const tryAt = async (point: Point, steps: number): Promise<Either<Fault, Tried | undefined>> => {
      const changes = changesAt(o.axes, point)
      const over = shortened((path) => changes[path] ?? valueOf(path), o.steps, steps)
      const run = await o.resolve({ ...changes, ...over, ...bare })()
      if (E.isLeft(run)) {
        unfit++
        return E.right(undefined)
      }
      const done = await trial(run.right, isOver)()
      return E.map((t: Trial | undefined) => (t === undefined ? undefined : { ...t, point, changes, steps }))(done)
    }
    const asItStands = o.axes.map(() => 0)
    const short = Math.min(o.steps, Math.max(leastSeen, Math.round(o.steps / eta ** 3)))
    const first = await tryAt(asItStands, short)
    if (E.isLeft(first)) return first
    if (first.right === undefined) return E.left(tooShort(o, { fixed: o.seconds, step: 0 }))
    const { seconds, stepSeconds } = first.right
    const cost: Cost = { fixed: Math.max(0, seconds - short * stepSeconds), step: stepSeconds }
    const plan = planFor((until - performance.now()) / 1000, o.steps, cost, 3 ** 5)
    if (plan.length === 0) return E.left(tooShort(o, cost))
    o.say(
      `plan: ${plan.map((r: Round) => `${r.runs} runs of ${r.steps} steps`).join(', then ')}; about ${minutes(secondsOf(plan, cost))} minutes`,
    )
    const rounds: Array<ReadonlyArray<Tried>> = []
    let points = pointsOf(o.axes, plan[0].runs, o.seed)
    for (const { steps } of plan) {
      const tried: Array<Tried> = []
      for (const point of points) {
        if (isOver()) break
        const t = await tryAt(point, steps)
        if (E.isLeft(t)) return t
        if (t.right === undefined) continue
        tried.push(t.right)
        o.say(`${percent(t.right.score)} after ${steps} steps: ${JSON.stringify(t.right.changes)}`)
      }
      // a round that time cut off says nothing of those that it left out
      if (tried.length === 0 || (isOver() && rounds.length > 0)) break
      rounds.push([...tried].sort((a, b) => b.score - a.score))
      points = rounds[rounds.length - 1].slice(0, Math.ceil(tried.length / eta)).map(({ point }) => point)
    }
    const last = rounds.at(-1)
    if (last === undefined)
      return E.left(
        fault('usage', {
          place: 'the settings that are varied',
          found: 'no point whose settings go together',
          allowed: 'values that the experiment takes',
          remedy: `see ${commandLine('train')} --help for what it takes`,
        }),
      )
    return E.right({ rounds, best: last[0], whole: last[0].steps === o.steps, effects: effectsOf(o.axes, rounds[0]), unfit })
  }
