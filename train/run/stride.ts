/** One step of a run: the batches of its turns, run one after the other, and what they say together. */
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Executable, HostValues } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import type { MultiCrop } from '../../data/augment/multicrop.ts'
import type { Batch, Loader } from '../../data/loading/loader.ts'
import type { Assembled, AssembledPhase } from './assembly.ts'
import type { Judged } from './judge.ts'
import { microBatchAt, phaseAt } from './phases.ts'
import type { State } from './saving.ts'

/** A phase as it runs: an executable for each of its turns, and its batches. */
export interface RunningPhase {
  readonly turns: ReadonlyArray<Executable>
  /** Of the images that this process loads. */
  readonly crops: MultiCrop
  readonly loader: Loader
  readonly accuracy: TaskEither<Fault, Judged>
}

/** What steps are made of. */
export interface Steps {
  readonly assembled: Assembled
  /** One for each phase of `assembled`. */
  readonly running: ReadonlyArray<RunningPhase>
  readonly settings: { readonly seed: number }
  /** Seconds of a steady clock. */
  readonly clock: () => number
}

/** The phase that a step belongs to. */
export interface Now {
  readonly phase: AssembledPhase
  readonly running: RunningPhase
  /** Images of the step. */
  readonly images: number
}

export const nowAt = (o: Steps, step: number): Now => {
  const n = phaseAt(o.assembled.phases, step)
  const [phase, running] = [o.assembled.phases[n], o.running[n]]
  return { phase, running, images: running.loader.size * running.turns.length }
}

const hypersAt = ({ hypers }: AssembledPhase, step: number): ReadonlyMap<string, Float32Array> =>
  new Map(Object.entries(hypers).map(([name, schedule]) => [`hyper.${name}`, Float32Array.of(schedule(step))]))

/** The scalars among a run's values. */
const scalars = (values: HostValues): ReadonlyMap<string, number> =>
  new Map([...values].flatMap(([name, v]) => (v.length === 1 ? [[name, v[0]] as const] : [])))

/** What several micro-batches say together: the means of their values, and the norms of the gradients that the last one has in sum. */
const together = (turns: ReadonlyArray<ReadonlyMap<string, number>>): ReadonlyMap<string, number> =>
  new Map(
    [...turns[turns.length - 1]].map(([name, last]) => [
      name,
      name.startsWith('grad_norm.') ? last : turns.reduce((sum, t) => sum + (t.get(name) ?? last), 0) / turns.length,
    ]),
  )

/** What a run of a program, or a whole step of them, gives. */
export interface Outcome {
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
const oneTurn = (o: Steps, { phase, running }: Now, step: number, turn: number, state: State): TaskEither<Fault, Outcome> => {
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

export const oneStep = (o: Steps, now: Now, step: number, state: State): TaskEither<Fault, Outcome> =>
  pipe(
    now.running.turns.map((_, turn) => turn),
    TE.traverseSeqArray((turn) => oneTurn(o, now, step, turn, state)),
    TE.map((turns) => ({
      values: together(turns.map((t) => t.values)),
      notes: turns.flatMap((t) => t.notes),
      waited: turns.reduce((sum, t) => sum + t.waited, 0),
    })),
  )
