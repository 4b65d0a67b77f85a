/**
 * Phases: a run whose step changes on the way. One resident state, and several programs compiled against it: what is frozen for the
 * first N steps, another resolution, another loss.
 *
 * ```
 * phases: (s) => [
 *   { name: 'head', from: 0, settings: { ...s, frozen: 12 } },           the backbone is frozen, which costs it no gradients
 *   { name: 'all', from: 500, settings: { ...s, frozen: 0 } },
 * ]
 * ```
 * A phase is the experiment with other settings. What was learnt goes on: tensors of earlier phases keep their values, a moving average
 * that is new begins equal to its student, optimizer state that is new begins at step 0, as PyTorch's does for a parameter whose first
 * gradient comes late. What a phase has no use of stays as it is.
 *
 * A step is one run of a program, or k runs on k micro-batches whose gradients are accumulated (step/strategies/accumulate.ts): its
 * `turns`.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import { faultsOf } from '../../core/fault.ts'
import { equalShape, showShape } from '../../core/type.ts'
import type { Values } from '../step/values.ts'
import { readValues, writeResidents } from './state.ts'
import type { Objective, Resident } from '../step/objective.ts'
import { ownerOf } from '../step/share.ts'
import type { Program } from '../step/step.ts'
import { startAdapters } from '../step/strategies/adapters.ts'
import type { GradientTransform } from '../step/transform.ts'
import { each } from '../step/transform.ts'

/** What an experiment says of a phase: its settings from a step on. */
export interface Phase<S> {
  readonly name: string
  /** The first step, counted from 0. */
  readonly from: number
  readonly settings: S
}

/** A phase with the programs that make one of its steps, in order. */
export interface Stage {
  readonly name: string
  readonly from: number
  readonly turns: readonly [Program, ...ReadonlyArray<Program>]
}

const wrong = faultsOf('config')

/** Faults: no phase from step 0; two that begin together or out of order; one that never begins. */
export const checkPhases = <S>(steps: number, phases: ReadonlyArray<Phase<S>>): Either<Fault, ReadonlyArray<Phase<S>>> => {
  if (phases.length === 0 || phases[0].from !== 0)
    return E.left(
      wrong(
        'phases',
        phases.length === 0 ? 'none' : `a first phase from step ${phases[0].from}`,
        'a first phase from step 0',
        'let the first phase begin at step 0',
      ),
    )
  const bad = phases.find((p, i) => !Number.isInteger(p.from) || (i > 0 && (p.from <= phases[i - 1].from || p.from >= steps)))
  return bad === undefined
    ? E.right(phases)
    : E.left(
        wrong(
          `phases: ${bad.name}`,
          `a phase from step ${bad.from}`,
          `whole numbers in ascending order, below ${steps}`,
          'correct the first step of the phase, or train for more steps',
        ),
      )
}

/** The number of the phase that a step belongs to. */
export const phaseAt = (phases: ReadonlyArray<{ readonly from: number }>, step: number): number =>
  phases.reduce((found, p, i) => (p.from <= step ? i : found), 0)

/** The number of a step's first micro-batch, counted over the run: a function of the step alone. */
export const microBatchAt = (stages: ReadonlyArray<{ readonly from: number; readonly turns: number }>, step: number): number =>
  stages.reduce((n, s, i) => {
    const to = Math.min(step, stages[i + 1]?.from ?? Infinity)
    return to > s.from ? n + (to - s.from) * s.turns : n
  }, 0)

/** All that lives on the device over a run. Fault: a tensor that two phases declare with other shapes. */
export const residentsOver = (
  programs: ReadonlyArray<{ readonly residents: ReadonlyArray<Resident> }>,
): Either<Fault, ReadonlyArray<Resident>> => {
  const all = new Map<string, Resident>()
  for (const r of programs.flatMap((p) => p.residents)) {
    const old = all.get(r.path)
    if (old === undefined || r.role === 'trained') all.set(r.path, r)
    if (old !== undefined && !equalShape(old.declaration.shape, r.declaration.shape))
      return E.left(
        wrong(
          `phases: ${r.path}`,
          `${showShape(r.declaration.shape)} in one phase, ${showShape(old.declaration.shape)} in another`,
          'one state for all phases',
          'leave the size of networks alone, and the image that positions are declared for: crops may differ',
        ),
      )
  }
  return E.right([...all.values()])
}

/**
 * What was trained in an earlier phase is no longer equal to its average, so it cannot be shared from here on: the teacher goes on
 * following it.
 *
 * ```
 * before  student.w: fixed, teacher.w: shared          student.w was trained before
 * after   student.w: fixed, teacher.w: average
 * ```
 */
export const keepAverages =
  (trainedBefore: ReadonlySet<string>) =>
  (o: Objective): Either<Fault, Objective> =>
    E.right({
      ...o,
      residents: o.residents.map((r): Resident =>
        r.role === 'shared' && trainedBefore.has(ownerOf(r.path)) ? { ...r, role: 'average' } : r,
      ),
    })

/** Parameters whose first gradient comes in a later phase count their steps from there: `begun` names that phase. */
export const countingFrom = (begun: (path: string) => string | undefined): GradientTransform =>
  each((p) => ({ ...p, begun: O.fromNullable(begun(p.path)) }))

const paths = (programs: ReadonlyArray<Program>): ReadonlySet<string> => new Set(programs.flatMap((p) => p.residents.map((r) => r.path)))

/** The values with which the tensors begin that phase `n` is the first to have, from those of all others. */
export const valuesOnEntry =
  (stages: ReadonlyArray<Stage>, n: number) =>
  (now: Values): Either<Fault, Values> => {
    const known = paths(stages.slice(0, n).flatMap((s) => s.turns))
    const fresh = stages[n].turns.flatMap((p) => p.residents).filter((r) => !known.has(r.path))
    const averages = fresh.flatMap((r): ReadonlyArray<readonly [string, Float32Array]> => {
      const student = r.role === 'average' ? now.get(ownerOf(r.path)) : undefined
      return student === undefined ? [] : [[r.path, student]]
    })
    const isFresh = new Set(fresh.map((r) => r.path))
    return pipe(
      startAdapters(stages[n].turns[0].adapters.filter((a) => isFresh.has(`student.${a.module}.lora_A.weight`)))(
        new Map([...now, ...averages]),
      ),
      E.map((all) => new Map([...all].filter(([path]) => isFresh.has(path)))),
    )
  }

/** Makes the state ready for phase `n`, before its first step. */
export const enter = (
  device: Device,
  residents: ReadonlyArray<Resident>,
  stages: ReadonlyArray<Stage>,
  n: number,
): TaskEither<Fault, void> =>
  pipe(
    readValues(device, residents),
    TE.chainEitherK(valuesOnEntry(stages, n)),
    TE.chain((values) => writeResidents(device, residents)(values)),
  )
