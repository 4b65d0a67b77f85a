/** The loop: batches in, metrics out, state on the device, checkpoints on disk. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device, Executable, HostValues } from '../compiler/target.ts'
import type { Fault } from '../core/fault.ts'
import { fault } from '../core/fault.ts'
import type { Json } from '../data/decode.ts'
import type { Loader } from '../data/loader.ts'
import { save } from './checkpoints.ts'
import type { Assembled, AssembledPhase } from './experiment.ts'
import type { Metrics } from './log/metrics.ts'
import type { Progress } from './log/progress.ts'
import { enter, microBatchAt, phaseAt } from './phases.ts'
import { readState } from './state.ts'

/** A phase as it runs: an executable for each of its turns, and its batches. */
export interface RunningPhase {
  readonly turns: ReadonlyArray<Executable>
  readonly loader: Loader
  readonly accuracy: TaskEither<Fault, number>
}

export interface LoopOptions {
  readonly device: Device
  readonly assembled: Assembled
  /** One for each phase of `assembled`. */
  readonly running: ReadonlyArray<RunningPhase>
  readonly seed: number
  readonly config: Json
  /** The first step to do, and the step to stop before. */
  readonly from: number
  readonly steps: number
  readonly metrics: Metrics
  readonly progress: Progress
  readonly checkpoints: { readonly dir: string; readonly every: number }
  /** After these steps the accuracy is shown and recorded. */
  readonly evaluateAfter: ReadonlySet<number>
  /** Whether somebody asked the run to stop after the step at hand. */
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
  return term === undefined ? undefined : fault('numeric', {
    place: `step ${step}, ${term[0]}`,
    found: String(term[1]),
    allowed: 'a finite loss',
    remedy: `lower the learning rate or clip more; the last good state is ${lastSaved ?? 'the initial one'}${lastSaved === undefined ? '' : ' (continue from it with --resume)'}`,
  })
}

/** What several micro-batches say together: the means of their values, and the norms of the gradients that the last one has in sum. */
const together = (turns: ReadonlyArray<ReadonlyMap<string, number>>): ReadonlyMap<string, number> =>
  new Map([...turns[turns.length - 1]].map(([name, last]) => [name, name.startsWith('grad_norm.') ? last : turns.reduce((sum, t) => sum + (t.get(name) ?? last), 0) / turns.length]))

/** One run of a program. */
const oneTurn = (o: LoopOptions, { phase, running }: Now, step: number, turn: number): TaskEither<Fault, { readonly values: ReadonlyMap<string, number>; readonly notes: ReadonlyArray<string> }> => {
  const micro = microBatchAt(o.assembled.phases.map((p) => ({ from: p.from, turns: p.turns.length })), step) + turn
  return pipe(
    running.loader.batch(micro),
    TE.bindTo('batch'),
    TE.bind('crops', ({ batch }) => TE.fromEither(phase.crops.feed(o.seed, batch))),
    TE.bind('values', ({ crops }) => running.turns[turn].run({ values: new Map([...crops, ...phase.feed(o.seed, micro), ...hypersAt(phase, step)]), seed: o.seed, step: micro })),
    TE.map(({ batch, values }) => ({ values: scalars(values), notes: batch.notes })),
  )
}

const oneStep = (o: LoopOptions, now: Now, step: number): TaskEither<Fault, ReadonlyMap<string, number>> => pipe(
  now.running.turns.map((_, turn) => turn),
  TE.traverseSeqArray((turn) => oneTurn(o, now, step, turn)),
  TE.map((turns) => {
    for (const note of turns.flatMap((t) => t.notes)) o.progress.say(note)
    return together(turns.map((t) => t.values))
  }),
)

/** Says what begins, and makes the state ready for it. */
const begin = (o: LoopOptions, step: number): TaskEither<Fault, void> => {
  const n = o.assembled.phases.findIndex((p) => p.from === step)
  if (n < 0 || o.assembled.phases.length === 1) return TE.right(undefined)
  o.progress.say(`step ${step}: ${o.assembled.phases[n].name}`)
  return n === 0 ? TE.right(undefined) : enter(o.device, o.assembled.residents, o.assembled.phases, n)
}

const checkpoint = (o: LoopOptions, step: number): TaskEither<Fault, string> =>
  pipe(
    readState(o.device, o.assembled.residents),
    TE.chain((state) => save(o.checkpoints.dir, { keepLast: 2, keepEvery: 0 })({ step, seed: o.seed, config: o.config, position: null, state })),
    TE.map((saved) => saved.path),
  )

/** One step with everything that belongs to it; gives what is carried on. */
const turn = async (o: LoopOptions, step: number, carried: Carried): Promise<Either<Fault, Carried>> => {
  const now = nowAt(o, step)
  const began = o.clock()
  const values = await pipe(begin(o, step), TE.chain(() => oneStep(o, now, step)))()
  if (E.isLeft(values)) return values
  const bad = notFinite(step, values.right, carried.lastSaved)
  if (bad !== undefined) return E.left(bad)
  const done = step + 1
  const shown = Object.fromEntries(['loss', 'entropy', 'spread'].flatMap((n) => (values.right.has(n) ? [[n, values.right.get(n) ?? NaN]] : [])))
  o.progress.tick({ step: done, steps: o.steps, images: now.images, values: shown })
  let accuracy: number | undefined
  if (o.evaluateAfter.has(done)) {
    const k = await now.running.accuracy()
    if (E.isLeft(k)) return k
    accuracy = k.right
    o.progress.say(`step ${done}: k-NN ${(100 * accuracy).toFixed(1)} %`)
  }
  const written = await o.metrics.append({
    step: done,
    ...Object.fromEntries(values.right),
    ...Object.fromEntries(Object.entries(now.phase.hypers).map(([name, s]) => [name, s(step)])),
    images_per_s: now.images / Math.max(1e-9, o.clock() - began),
    ...(accuracy === undefined ? {} : { knn: accuracy }),
  })()
  if (E.isLeft(written)) return written
  const due = done % o.checkpoints.every === 0 || done === o.steps || o.stopping()
  if (!due) return E.right({ values: values.right, lastSaved: carried.lastSaved })
  return E.map((path: string): Carried => ({ values: values.right, lastSaved: path }))(await checkpoint(o, done)())
}

/** Runs until the last step, a fault, or a request to stop; the last two leave a checkpoint behind where there is a good state. */
export const loop = (o: LoopOptions): TaskEither<Fault, Ended> => async () => {
  let carried: Carried = { values: new Map(), lastSaved: undefined }
  let step = o.from
  for (; step < o.steps && !(step > o.from && o.stopping()); step++) {
    const next = await turn(o, step, carried)
    if (E.isLeft(next)) {
      o.progress.end()
      return next
    }
    carried = next.right
    // timers and signals are served between steps, also on targets that compute on this thread
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  o.progress.end()
  return E.right({ step, stopped: step < o.steps, values: carried.values, imagesPerSecond: o.progress.pace().imagesPerSecond })
}
