/** A regression on frozen class tokens, its C chosen by validation. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import type { Targets } from './classes.ts'
import type { Evaluated } from './evaluation.ts'
import type { Labelled } from './labelled.ts'
import { joined, ofClassTokens, tally } from './labelled.ts'
import { unitRows } from './neighbours.ts'
import type { Regression } from './logistic.ts'
import { fitLogistic, logisticProbabilities } from './logistic.ts'
import type { Task } from './metrics.ts'
import { accuracy, auc, foundOf, taskOf } from './metrics.ts'
import type { Sets } from './sets.ts'
import { setsOf } from './sets.ts'

/** What scores that are probabilities come to. */
export interface Scored {
  readonly acc: number
  /** NaN where a class has no items to tell it by. */
  readonly auc: number
  /** Sensitivity and specificity of two classes. */
  readonly found: Readonly<Record<string, number>>
}

export const judged = (task: Task, t: Targets, scores: Float64Array): Either<Fault, Scored> =>
  pipe(
    accuracy(task)(t, scores),
    E.map((acc) => ({ acc, auc: E.getOrElse(() => NaN)(auc(task)(t, scores)), found: foundOf(task)(t, scores) })),
  )

export const best = <A>(items: ReadonlyArray<A>, of: (a: A) => number): A => items.reduce((a, b) => (of(b) > of(a) ? b : a))

export interface Fitted {
  readonly sets: Sets
  readonly task: Task
  readonly all: ReadonlyArray<{ readonly r: Regression; readonly m: Scored }>
  readonly chosen: Regression
  readonly scores: (s: Labelled) => Float64Array
}

/** C chosen by validation; where that was held out of the training part, the regression of this C is fitted once more on all of it. */
export const fitted = (e: Evaluated): TaskEither<Fault, Fitted> =>
  pipe(
    TE.Do,
    TE.bind('of', () => ofClassTokens(e)),
    TE.bind('raw', ({ of }) => setsOf(e, of)),
    TE.let('sets', ({ raw }): Sets => {
      const unit = (s: Labelled): Labelled => ({ ...s, rows: unitRows(s.rows) })
      return { ...raw, fit: unit(raw.fit), choose: unit(raw.choose), test: unit(raw.test) }
    }),
    TE.bind('regressions', ({ sets }) => {
      e.progress.say(`logistic regressions for ${e.options.logistic.cs.length} values of C at once on ${sets.fit.targets.length} images`)
      return fitLogistic(e.device, e.options.logistic, sets.fit.rows, sets.fit.targets, tally(e, 'regressions solved'))
    }),
    TE.bind('judged', ({ sets, regressions }) => {
      const task = taskOf(sets.fit.targets, e.parts.train.name)
      return TE.fromEither(
        pipe(
          regressions,
          E.traverseArray((r) =>
            pipe(
              judged(task, sets.choose.targets, logisticProbabilities(r, sets.choose.rows, sets.choose.targets.multiLabel)),
              E.map((m) => ({ r, m })),
            ),
          ),
        ),
      )
    }),
    TE.bind('final', ({ sets, judged: all }) => {
      const { r } = best(all, (x) => x.m.acc)
      if (!sets.heldOut) return TE.right(r)
      const whole = joined(sets.fit, sets.choose)
      return pipe(
        fitLogistic(e.device, { ...e.options.logistic, cs: [r.c] }, whole.rows, whole.targets),
        TE.map(([one]) => one),
      )
    }),
    TE.map(({ sets, judged: all, final }): Fitted => ({
      sets,
      all,
      chosen: final,
      task: taskOf(sets.fit.targets, e.parts.train.name),
      scores: (s) => logisticProbabilities(final, s.rows, s.targets.multiLabel),
    })),
  )
