/** The loop: batches in, metrics out, state on the device, checkpoints on disk. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Executable, HostValues } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import { fault, unexpected } from '../../core/fault.ts'
import type { MultiCrop } from '../../data/augment/multicrop.ts'
import type { Batch, Loader } from '../../data/loading/loader.ts'
import type { Saving, State } from './saving.ts'
import { checkpoint, rescued } from './saving.ts'
import type { Assembled, AssembledPhase } from './assembly.ts'
import type { Watching } from './collapse.ts'
import { calm, watch } from './collapse.ts'
import type { Progress } from './log/progress.ts'
import { skippedName } from '../step/finiteness.ts'
import type { CommonSettings } from '../config/common.ts'
import { enter, microBatchAt, phaseAt } from './phases.ts'

/** A phase as it runs: an executable for each of its turns, and its batches. */
export interface RunningPhase {
  readonly turns: ReadonlyArray<Executable>
  /** Of the images that this process loads. */
  readonly crops: MultiCrop
  readonly loader: Loader
  readonly accuracy: TaskEither<Fault, number>
}

export interface LoopOptions extends Saving {
  /** One for each phase of `assembled`. */
  readonly running: ReadonlyArray<RunningPhase>
  /** The first step to do. */
  readonly from: number
  readonly progress: Progress
  /** After these steps the accuracy is shown and recorded. */
  readonly evaluateAfter: ReadonlySet<number>
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
  readonly stopped: boolean
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
}

/** The phase that a step belongs to. */
interface Now {
  readonly phase: AssembledPhase
  readonly running: RunningPhase
  /** Images of the step. */
  readonly images: number
}

const nowAt = (o: LoopOptions, step: number): Now => {
  const n = phaseAt(o.assembled.phases, step)
  const [phase, running] = [o.assembled.phases[n], o.running[n]]
  return { phase, running, images: running.loader.size * running.turns.length }
}

const hypersAt = ({ hypers }: AssembledPhase, step: number): ReadonlyMap<string, Float32Array> =>
  new Map(Object.entries(hypers).map(([name, schedule]) => [`hyper.${name}`, Float32Array.of(schedule(step))]))

/** The scalars among a run's values. */
const scalars = (values: HostValues): ReadonlyMap<string, number> =>
  new Map([...values].flatMap(([name, v]) => (v.length === 1 ? [[name, v[0]] as const] : [])))

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

/** What several micro-batches say together: the means of their values, and the norms of the gradients that the last one has in sum. */
const together = (turns: ReadonlyArray<ReadonlyMap<string, number>>): ReadonlyMap<string, number> =>
  new Map(
    [...turns[turns.length - 1]].map(([name, last]) => [
      name,
      name.startsWith('grad_norm.') ? last : turns.reduce((sum, t) => sum + (t.get(name) ?? last), 0) / turns.length,
    ]),
  )

/** What a run of a program, or a whole step of them, gives. */
interface Outcome {
  readonly values: ReadonlyMap<string, number>
  readonly notes: ReadonlyArray<string>
  /** Seconds that it waited for its images. */
  readonly waited: number
}

/** The share of the crops that may be guided by regions of interest that were. */
const guidedShare = ({ crops }: AssembledPhase, { drawn }: Batch): ReadonlyArray<readonly [string, number]> => {
  const groups = crops.plan.groups.filter((g) => g.name !== 'gram' && (g.group.guided?.probability ?? 0) > 0)
  const of = groups.reduce((sum, g) => sum + g.group.count, 0) * crops.layout.batch
  return drawn === undefined || of === 0 ? [] : [['guided', drawn.guided / of]]
}

/** One run of a program. */
const oneTurn = (o: LoopOptions, { phase, running }: Now, step: number, turn: number, state: State): TaskEither<Fault, Outcome> => {
  const { seed } = o.settings
  const micro =
    microBatchAt(
      o.assembled.phases.map((p) => ({ from: p.from, turns: p.turns.length })),
      step,
    ) + turn
  const asked = o.clock()
  return pipe(
    running.loader.batch(micro),
    TE.map((batch) => ({ batch, waited: o.clock() - asked })),
    TE.bind('crops', ({ batch }) => TE.fromEither(running.crops.feed(seed, batch))),
    TE.map((ready) => ({ ...ready, fed: new Map([...ready.crops, ...phase.feed(seed, micro), ...hypersAt(phase, step)]) })),
    TE.chainFirstIOK(() => () => {
      state.whole = undefined
    }),
    TE.bind('values', ({ fed }) => running.turns[turn].run({ values: fed, seed, step: micro })),
    TE.map(({ batch, values, waited }) => ({
      values: new Map([...scalars(values), ...guidedShare(phase, batch)]),
      notes: batch.notes,
      waited,
    })),
  )
}

const oneStep = (o: LoopOptions, now: Now, step: number, state: State): TaskEither<Fault, Outcome> =>
  pipe(
    now.running.turns.map((_, turn) => turn),
    TE.traverseSeqArray((turn) => oneTurn(o, now, step, turn, state)),
    TE.map((turns) => ({
      values: together(turns.map((t) => t.values)),
      notes: turns.flatMap((t) => t.notes),
      waited: turns.reduce((sum, t) => sum + t.waited, 0),
    })),
  )

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
  o.progress.say(`step ${step + 1} was left out: its numbers are not finite (${skipped} in a row)`)
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

/** Reports signs of collapse, where they are asked for. */
const watched = (o: LoopOptions, { phase }: Now, done: number, values: ReadonlyMap<string, number>, carried: Carried): Watching => {
  if (o.settings.runtime.collapse === 'ignore') return carried.watching
  const [next, texts] = watch(
    { prototypes: prototypesOf(o.assembled), width: phase.features.cls.type.shape[1] ?? 1, steps: o.settings.steps },
    done,
    values,
  )(carried.watching)
  for (const text of texts) o.progress.say(text)
  return next
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
  for (const note of notes) o.progress.say(note)
  const skipped = judged(o, step, values, carried)
  if (E.isLeft(skipped)) return skipped
  const done = step + 1
  const { steps } = o.settings
  o.progress.tick({ step: done, steps, images: now.images, values: shownOf(values) })
  let accuracy: number | undefined
  if (o.evaluateAfter.has(done)) {
    const k = await now.running.accuracy()
    if (E.isLeft(k)) return k
    accuracy = k.right
    o.progress.say(`step ${done}: k-NN ${(100 * accuracy).toFixed(1)} %`)
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
  const next: Carried = { values, lastSaved: carried.lastSaved, skipped: skipped.right, watching: watched(o, now, done, values, carried) }
  if (done % everyOf(o.settings) === 0 || done === steps || o.stopping()) {
    const saved = await checkpoint(o, done, next)()
    if (E.isLeft(saved)) return saved
    state.whole = done
    return E.right({ ...next, lastSaved: saved.right })
  }
  state.whole = done
  return E.right(next)
}

/** Runs until the last step, a fault, or a request to stop; the last two leave a checkpoint behind where there is a good state. */
export const loop =
  (o: LoopOptions): TaskEither<Fault, Ended> =>
  async () => {
    const { steps } = o.settings
    let carried: Carried = {
      values: new Map(Object.entries(o.position.values)),
      lastSaved: undefined,
      skipped: o.position.skipped,
      watching: calm,
    }
    const state: State = { whole: undefined }
    let step = o.from
    for (; step < steps && !(step > o.from && o.stopping()); step++) {
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
    return E.right({ step, stopped: step < steps, values: carried.values, imagesPerSecond: o.progress.pace().imagesPerSecond })
  }
