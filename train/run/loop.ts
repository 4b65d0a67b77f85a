/** The loop: batches in, metrics out, state on the device, checkpoints on disk. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { fault, unexpected } from '../../core/fault.ts'
import type { Aims, Tracking } from './best.ts'
import { begunWith, checkMetrics, isStale, tracked } from './best.ts'
import type { RunEnding } from './ending.ts'
import type { Saving, State } from './saving.ts'
import { checkpoint, rescued } from './saving.ts'
import type { Assembled } from './assembly.ts'
import type { Watching } from './collapse.ts'
import { calm, isCollapsed, watch } from './collapse.ts'
import { knnName, percent } from './log/numbers.ts'
import type { Progress } from './log/progress.ts'
import { skippedName } from '../step/finiteness.ts'
import type { CommonSettings } from '../config/common.ts'
import { enter } from './phases.ts'
import type { Now, RunningPhase } from './stride.ts'
import { nowAt, oneStep } from './stride.ts'

export interface LoopOptions extends Saving {
  /** One for each phase of `assembled`. */
  readonly running: ReadonlyArray<RunningPhase>
  /** The first step to do. */
  readonly from: number
  readonly progress: Progress
  /** After these steps the accuracy is shown and recorded. */
  readonly evaluateAfter: ReadonlySet<number>
  /** After these steps numbers are looked at: whether they improve. */
  readonly lookAfter: ReadonlySet<number>
  readonly aims: Aims
  /** By the clock: when training ends, however many steps are done. */
  readonly deadline: number | undefined
  /** Called before every step. */
  readonly between: (step: number) => TaskEither<Fault, void>
  /** Whether the run was asked to stop after the present step. */
  readonly stopping: () => boolean
  /** Seconds of a steady clock. */
  readonly clock: () => number
}

export interface Ended {
  /** Steps done, counted from the start of the run. */
  readonly step: number
  readonly ending: RunEnding
  readonly tracking: Tracking
  /** The last step's values by name. */
  readonly values: ReadonlyMap<string, number>
  readonly imagesPerSecond: number
}

/** What the loop carries from step to step. */
interface Carried {
  readonly values: ReadonlyMap<string, number>
  readonly lastSaved: string | undefined
  /** Steps in a row that were left out. */
  readonly skipped: number
  readonly watching: Watching
  readonly tracking: Tracking
  /** Why there is no further step. */
  readonly ending: RunEnding | undefined
}

/** A loss that is no number any more: which term, at which step, and where the last good state is. */
const notFinite = (step: number, values: ReadonlyMap<string, number>, lastSaved: string | undefined): Fault | undefined => {
  const bad = [...values].filter(([name]) => name === 'loss' || name.startsWith('loss.')).filter(([, v]) => !Number.isFinite(v))
  const term = bad.find(([name]) => name !== 'loss') ?? bad[0]
  return term === undefined
    ? undefined
    : fault('numeric', {
        place: `step ${step}, ${term[0]}`,
        found: String(term[1]),
        allowed: 'a finite loss',
        remedy: `lower the learning rate or clip more; the last good state is ${lastSaved ?? 'the initial one'}${lastSaved === undefined ? '' : ' (continue from it with --resume)'}`,
      })
}

/** Too many steps in a row that were left out. */
const skippedOften = (step: number, skipped: number): Fault =>
  fault('numeric', {
    place: `step ${step}`,
    found: `${skipped} steps in a row without finite numbers`,
    allowed: 'fewer than runtime.skips',
    remedy: 'lower the learning rate or clip more; with runtime.nonFinite: stop the first such step is shown by its term',
  })

/** Says what begins, and makes the state ready for it. */
const begin = (o: LoopOptions, step: number): TaskEither<Fault, void> => {
  const n = o.assembled.phases.findIndex((p) => p.from === step)
  if (n < 0 || o.assembled.phases.length === 1) return TE.right(undefined)
  o.progress.say(`step ${step}: ${o.assembled.phases[n].name}`)
  return n === 0 ? TE.right(undefined) : enter(o.device, o.assembled.residents, o.assembled.phases, n)
}

/** Steps between checkpoints: ten in a run where nothing is said. */
const everyOf = ({ steps, runtime }: CommonSettings): number =>
  runtime.checkpoints.every === 0 ? Math.max(1, Math.round(steps / 10)) : runtime.checkpoints.every

/** What is shown of a step's values. */
const shownOf = (values: ReadonlyMap<string, number>): Readonly<Record<string, number>> =>
  Object.fromEntries(['loss', 'entropy', 'spread'].flatMap((n) => (values.has(n) ? [[n, values.get(n) ?? NaN]] : [])))

/** What becomes of a step whose numbers are not finite, by the policy of the settings. */
const judged = (o: LoopOptions, step: number, values: ReadonlyMap<string, number>, carried: Carried): Either<Fault, number> => {
  if (o.settings.runtime.nonFinite === 'stop') {
    const bad = notFinite(step, values, carried.lastSaved)
    return bad === undefined ? E.right(0) : E.left(bad)
  }
  if (!((values.get(skippedName) ?? 0) > 0)) return E.right(0)
  const skipped = carried.skipped + 1
  o.progress.say(`note: step ${step + 1} was left out: its numbers are not finite (${skipped} in a row)`)
  return skipped >= o.settings.runtime.skips ? E.left(skippedOften(step, skipped)) : E.right(skipped)
}

/** K of the head on class tokens: the rows of its prototypes. */
const prototypesOf = ({
  method: {
    prototypes: [root],
  },
  residents,
}: Assembled): number | undefined =>
  root === undefined ? undefined : residents.find((r) => r.path.startsWith(`student.${root}.`))?.declaration.shape[0]

/** Looks for signs of collapse, and reports them where that is asked for. */
const watched = (o: LoopOptions, { phase }: Now, done: number, values: ReadonlyMap<string, number>, carried: Carried): Watching => {
  const [next, texts] = watch(
    { prototypes: prototypesOf(o.assembled), width: phase.features.cls.type.shape[1] ?? 1, steps: o.settings.steps, settings: o.settings },
    done,
    values,
  )(carried.watching)
  if (o.settings.runtime.collapse === 'warn') for (const text of texts) o.progress.say(text)
  return next
}

/** Why there is no further step. What is answered may change at any moment: it is decided once, before the step is saved or not. */
const endingAfter = (o: LoopOptions, done: number, tracking: Tracking): RunEnding | undefined => {
  if (done >= o.settings.steps) return 'finished'
  if (o.stopping()) return 'stopped'
  if (isStale(o.aims, tracking)) return 'early'
  return o.deadline !== undefined && o.clock() >= o.deadline ? 'time' : undefined
}

/** One step with everything that belongs to it; gives what is carried on. */
const turn = async (o: LoopOptions, step: number, carried: Carried, state: State): Promise<Either<Fault, Carried>> => {
  const now = nowAt(o, step)
  const asked = o.clock()
  state.whole = undefined
  const begun = await pipe(
    begin(o, step),
    TE.chain(() => o.between(step)),
  )()
  if (E.isLeft(begun)) return begun
  state.whole = step
  const outcome = await oneStep(o, now, step, state)()
  if (E.isLeft(outcome)) return outcome
  const { values, notes, waited } = outcome.right
  const seconds = Math.max(1e-9, o.clock() - asked)
  for (const note of notes) o.progress.say(`note: ${note}`)
  const skipped = judged(o, step, values, carried)
  if (E.isLeft(skipped)) return skipped
  if (step === o.from) {
    const known = checkMetrics(o.settings, o.aims, values)
    if (E.isLeft(known)) return known
  }
  const done = step + 1
  const { steps } = o.settings
  o.progress.tick({ step: done, steps, images: now.images, seconds, values: shownOf(values) })
  let accuracy: number | undefined
  if (o.evaluateAfter.has(done)) {
    const k = await now.running.accuracy()
    if (E.isLeft(k)) return k
    accuracy = k.right.accuracy
    o.progress.say(`step ${done}: ${knnName(o.settings.evaluation.k)} ${percent(accuracy)}`)
  }
  const written = await o.logs.append({
    step: done,
    ...Object.fromEntries(values),
    ...Object.fromEntries(Object.entries(now.phase.hypers).map(([name, s]) => [name, s(step)])),
    images_per_s: now.images / seconds,
    waiting: waited / seconds,
    ...(accuracy === undefined ? {} : { knn: accuracy }),
  })()
  if (E.isLeft(written)) return written
  const tracking = tracked(
    o.aims,
    done,
    accuracy === undefined ? values : new Map([...values, ['knn', accuracy]]),
    o.lookAfter.has(done),
  )(carried.tracking)
  const next: Carried = {
    values,
    lastSaved: carried.lastSaved,
    skipped: skipped.right,
    watching: watched(o, now, done, values, carried),
    tracking,
    ending: endingAfter(o, done, tracking),
  }
  if (done % everyOf(o.settings) === 0 || next.ending !== undefined || tracking.best?.best?.step === done) {
    const saved = await checkpoint(o, done, next)()
    if (E.isLeft(saved)) return saved
    state.whole = done
    // a request that came while it was saved is met here, where nothing is left to save
    return E.right({ ...next, lastSaved: saved.right, ending: next.ending ?? (o.stopping() ? 'stopped' : undefined) })
  }
  state.whole = done
  return E.right(next)
}

/** A run that ended by itself with a sign of collapse has collapsed, whatever else ended it. */
const endingOf = ({ ending = 'finished', watching }: Carried): RunEnding =>
  ending !== 'stopped' && isCollapsed(watching) ? 'collapsed' : ending

/**
 * Runs until the last step, a fault, a request to stop, the last minute, or a number that improves no more; all of them leave a checkpoint
 * behind where there is a good state.
 */
export const loop =
  (o: LoopOptions): TaskEither<Fault, Ended> =>
  async () => {
    const { steps } = o.settings
    let carried: Carried = {
      values: new Map(Object.entries(o.position.values)),
      lastSaved: undefined,
      skipped: o.position.skipped,
      watching: calm,
      tracking: begunWith(o.aims, o.position.tracking ?? {}),
      ending: undefined,
    }
    const state: State = { whole: undefined }
    let step = o.from
    for (; step < steps && carried.ending === undefined; step++) {
      const next = await turn(o, step, carried, state).catch((e: unknown) => E.left(unexpected(e)))
      if (E.isLeft(next)) {
        o.progress.end()
        return E.left(await rescued(o, next.left, { ...carried, from: o.from }, state))
      }
      carried = next.right
      // timers and signals are served between steps, also on targets that compute on this thread
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    o.progress.end()
    return E.right({
      step,
      ending: endingOf(carried),
      tracking: carried.tracking,
      values: carried.values,
      imagesPerSecond: o.progress.pace().imagesPerSecond,
    })
  }
