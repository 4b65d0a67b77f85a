/** The evaluations of a frozen network, each from data to numbers. One record is one evaluation: the command's operands are its keys. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../../compiler/target.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import type { Progress } from '../../run/log/progress.ts'
import type { Targets } from './classes.ts'
import { classesOf, probabilities, rowsOfTargets, targetsOf } from './classes.ts'
import type { Encoder, Wanted } from './encoder.ts'
import { encoder, outputOf } from './encoder.ts'
import type { Frozen } from './network.ts'
import type { KnnOptions } from './knn.ts'
import { knnOn } from './knn.ts'
import type { LogisticOptions, Regression } from './logistic.ts'
import { fitLogistic, logisticProbabilities } from './logistic.ts'
import type { Task } from './metrics.ts'
import { accuracy, auc, taskOf } from './metrics.ts'
import type { Rows } from './neighbours.ts'
import type { Parts } from './parts.ts'
import { pooled, volumesOf } from './volumes.ts'
import { choosing } from './parts.ts'
import type { Probe, ProbeOptions } from './probe.ts'
import { probeRow, probeScores, trainProbes } from './probe.ts'

export interface EvaluationOptions {
  readonly knn: Pick<KnnOptions, 'k' | 'temperature' | 'votes'> & { readonly leaveOneOut: boolean }
  readonly probe: ProbeOptions
  readonly logistic: LogisticOptions
}

/** A network whose weights lie under `root` on a device, and data to evaluate it with. */
export interface Evaluated {
  readonly device: Device
  readonly frozen: Frozen
  readonly root: string
  readonly parts: Parts
  readonly progress: Progress
  readonly options: EvaluationOptions
  /** Class tokens, where they are known or come in another way than by the network on the device. */
  readonly classTokens?: (d: Dataset) => TaskEither<Fault, Rows>
}

export interface Result {
  /** One row for each line of a table; the first column names it. */
  readonly table: ReadonlyArray<Readonly<Record<string, string | number>>>
  /** The numbers that stand for it: `top1`, `acc`, `auc`, … */
  readonly metrics: Readonly<Record<string, number>>
  /** All else that a program would want. */
  readonly details: Readonly<Record<string, unknown>>
}

export type Evaluation = (e: Evaluated) => TaskEither<Fault, Result>

/** Labelled rows of a part. */
interface Labelled {
  readonly rows: Rows
  readonly targets: Targets
}

/** Labels and features of a data set, of volumes one for each. */
const labelledBy =
  (e: Evaluated, rows: (d: Dataset) => TaskEither<Fault, Rows>) =>
  (d: Dataset): TaskEither<Fault, Labelled> =>
    pipe(
      TE.fromEither(volumesOf(d)),
      TE.chain((volumes) => {
        if (volumes !== undefined) e.progress.say(`${d.name}: ${volumes.members.length} volumes, each by the mean of its slices' features`)
        return pipe(
          TE.Do,
          TE.bind('targets', () => targetsOf(volumes?.first ?? d)),
          TE.bind('rows', () =>
            pipe(
              rows(d),
              TE.map((r) => (volumes === undefined ? r : pooled(volumes)(r))),
            ),
          ),
        )
      }),
    )

const rowsBy = (e: Evaluated, of: Encoder) =>
  labelledBy(e, (d) =>
    pipe(
      TE.fromIO(() => {
        e.progress.say(`features of ${d.length} images of ${d.name}`)
      }),
      TE.chain(() => of.encode(d, e.progress)),
      TE.map((x) => outputOf(x, 'rows')),
      TE.chainFirst(() =>
        TE.fromIO(() => {
          e.progress.end()
        }),
      ),
    ),
  )

const encoding = (e: Evaluated, wanted: Wanted): TaskEither<Fault, (d: Dataset) => TaskEither<Fault, Labelled>> =>
  pipe(
    encoder(e.device, e.frozen, e.root, wanted),
    TE.map((x) => rowsBy(e, x)),
  )

const ofClassTokens = (e: Evaluated): TaskEither<Fault, (d: Dataset) => TaskEither<Fault, Labelled>> => {
  const { classTokens: known } = e
  return known === undefined ? encoding(e, (look) => ({ rows: look.cls })) : TE.right(labelledBy(e, known))
}

/** Says how far something has come, at most ten times. */
const tally = (e: Evaluated, what: string) => {
  let said = 0
  return (done: number, total: number): void => {
    if (done < total && done < said + total / 10) return
    said = done
    e.progress.say(`${what}: ${done} of ${total}`)
  }
}

const single = (place: string, t: Targets): Either<Fault, Int32Array> =>
  t.multiLabel
    ? E.left(
        fault('usage', {
          place,
          found: `${t.classes} labels that can hold at once`,
          allowed: 'one class for each image',
          remedy: 'evaluate these data with linear, logistic or medmnist',
        }),
      )
    : E.right(classesOf(t))

/** Every item of train and test at once, each asked of all others; or the test part of the training part. */
const knnSets = (
  e: Evaluated,
  of: (d: Dataset) => TaskEither<Fault, Labelled>,
): TaskEither<Fault, { readonly train: Labelled; readonly test: Labelled }> =>
  pipe(
    of(e.parts.train),
    TE.chain((train) =>
      e.options.knn.leaveOneOut
        ? TE.right({ train, test: train })
        : pipe(
            of(e.parts.test),
            TE.map((test) => ({ train, test })),
          ),
    ),
  )

const neighbours: Evaluation = (e) =>
  pipe(
    TE.Do,
    TE.bind('of', () => ofClassTokens(e)),
    TE.bind('sets', ({ of }) => knnSets(e, of)),
    TE.bind('known', ({ sets }) => TE.fromEither(single('knn', sets.train.targets))),
    TE.bind('asked', ({ sets }) => TE.fromEither(single('knn', sets.test.targets))),
    TE.chain(({ sets, known, asked }) =>
      knnOn(
        e.device,
        { ...e.options.knn, classes: sets.train.targets.classes },
        { ...sets.train.rows, labels: known },
        tally(e, 'blocks of similarities'),
      )({ ...sets.test.rows, labels: asked }),
    ),
    TE.map((all): Result => {
      const best = all.reduce((a, b) => (b.top1 > a.top1 ? b : a))
      return {
        table: all.map((r) => ({ k: r.k, used: r.used, 'top-1': r.top1, 'top-5': r.top5 })),
        metrics: { top1: best.top1, top5: best.top5, ...Object.fromEntries(all.map((r) => [`knn_${r.k}`, r.top1])) },
        details: {
          k: best.k,
          results: all.map(({ k, used, top1, top5 }) => ({ k, used, top1, top5 })),
          temperature: e.options.knn.temperature,
          votes: e.options.knn.votes,
          leave_one_out: e.options.knn.leaveOneOut,
        },
      }
    }),
  )

/** What is fitted, chosen and tested with. */
interface Sets {
  readonly fit: Labelled
  readonly choose: Labelled
  readonly test: Labelled
  readonly heldOut: boolean
}

const setsOf = (e: Evaluated, of: (d: Dataset) => TaskEither<Fault, Labelled>): TaskEither<Fault, Sets> =>
  pipe(
    TE.Do,
    TE.bind('train', () => of(e.parts.train)),
    TE.bind('test', () => of(e.parts.test)),
    TE.bind('val', (): TaskEither<Fault, Labelled | undefined> => (e.parts.val === undefined ? TE.right(undefined) : of(e.parts.val))),
    TE.chainEitherK(({ train, test, val }): Either<Fault, Sets> =>
      val !== undefined
        ? E.right({ fit: train, choose: val, test, heldOut: false })
        : pipe(
            heldOutOf(e.parts),
            E.map(({ fit, choose }) => ({ fit: pickRows(fit)(train), choose: pickRows(choose)(train), test, heldOut: true })),
          ),
    ),
  )

/** Which items of the training part are fitted, and which choose: by numbers, so that no feature is computed twice. */
const heldOutOf = (p: Parts): Either<Fault, { readonly fit: ReadonlyArray<number>; readonly choose: ReadonlyArray<number> }> => {
  return pipe(
    volumesOf(p.train),
    E.map((volumes): Dataset => {
      const d = volumes?.first ?? p.train
      // numbers in place of names: what must not be parted is said by the group
      return { ...d, group: (i) => d.group?.(i) ?? d.sourceOf?.(i) ?? String(i), sourceOf: String }
    }),
    E.chain((train) => choosing({ train, test: p.test })),
    E.map(({ fit, choose }) => {
      const numbers = (d: Dataset): ReadonlyArray<number> => Array.from({ length: d.length }, (_, i) => Number(d.sourceOf?.(i)))
      return { fit: numbers(fit), choose: numbers(choose) }
    }),
  )
}

const pickRows =
  (indices: ReadonlyArray<number>) =>
  ({ rows, targets }: Labelled): Labelled => {
    const data = new Float32Array(indices.length * rows.dim)
    indices.forEach((i, k) => {
      data.set(rows.data.subarray(i * rows.dim, (i + 1) * rows.dim), k * rows.dim)
    })
    return { rows: { data, dim: rows.dim }, targets: rowsOfTargets(indices)(targets) }
  }

/** The two numbers of scores that are probabilities. AUC is left out where a class has no items to tell it by. */
const judged = (task: Task, t: Targets, scores: Float64Array): Either<Fault, Readonly<Record<'acc' | 'auc', number>>> =>
  pipe(
    accuracy(task)(t, scores),
    E.map((acc) => ({ acc, auc: E.getOrElse(() => NaN)(auc(task)(t, scores)) })),
  )

const best = <A>(items: ReadonlyArray<A>, of: (a: A) => number): A => items.reduce((a, b) => (of(b) > of(a) ? b : a))

/** What a person sees of numbers that may not be there. */
const orNone = (x: number): number | string => (Number.isFinite(x) ? x : '-')

const linear: Evaluation = (e) => {
  const { options } = e
  const width = e.frozen.width
  return pipe(
    TE.Do,
    TE.bind('of', () => encoding(e, (look) => ({ rows: probeRow(look) }))),
    TE.bind('sets', ({ of }) => setsOf(e, of)),
    TE.bind('probes', ({ sets }) => {
      const blocks = sets.fit.rows.dim / width - 1
      e.progress.say(
        `training the grid of ${options.probe.rates.length} rates at once on ${sets.fit.targets.length} images, ${options.probe.steps} steps of ${Math.min(options.probe.batch, sets.fit.targets.length)}`,
      )
      return trainProbes(e.device, { blocks, width }, options.probe, sets.fit.rows, sets.fit.targets, (step, loss) => {
        e.progress.tick({ step, steps: options.probe.steps, images: options.probe.batch, values: { loss } })
      })
    }),
    TE.chainFirst(() =>
      TE.fromIO(() => {
        e.progress.end()
      }),
    ),
    TE.chainEitherK(({ sets, probes }) => {
      const task = taskOf(sets.fit.targets, e.parts.train.name)
      const scored = (p: Probe, s: Labelled) =>
        judged(task, s.targets, probabilities(probeScores(p, s.rows), s.targets.classes, s.targets.multiLabel))
      return pipe(
        probes,
        E.traverseArray((p) =>
          pipe(
            scored(p, sets.choose),
            E.map((m) => ({ p, m })),
          ),
        ),
        E.chain((all) => {
          const chosen = best(all, (x) => x.m.acc)
          if (chosen.p.rate === Math.max(...options.probe.rates))
            e.progress.say('the best rate is the largest of the grid: more --steps, or larger --rates, may do better')
          return pipe(
            scored(chosen.p, sets.test),
            E.map((test): Result => ({
              table: all.map(({ p, m }) => ({
                rate: p.rate,
                blocks: p.blocks,
                mean: p.average ? 'yes' : 'no',
                'val ACC': m.acc,
                chosen: p === chosen.p ? '*' : '',
              })),
              metrics: { top1: test.acc, auc: test.auc, val_top1: chosen.m.acc },
              details: {
                task,
                rate: chosen.p.rate,
                blocks: chosen.p.blocks,
                average: chosen.p.average,
                held_out: sets.heldOut,
                steps: options.probe.steps,
                batch: options.probe.batch,
              },
            })),
          )
        }),
      )
    }),
  )
}

/** Rows of length 1, as the official regression takes them. */
const unitRows = ({ data, dim }: Rows): Rows => {
  const out = Float32Array.from(data)
  for (let at = 0; at < out.length; at += dim) {
    let s = 0
    for (let d = at; d < at + dim; d++) s += out[d] * out[d]
    const norm = Math.max(Math.sqrt(s), 1e-12)
    for (let d = at; d < at + dim; d++) out[d] /= norm
  }
  return { data: out, dim }
}

const joined = (a: Labelled, b: Labelled): Labelled => {
  const both = (x: Float32Array, y: Float32Array): Float32Array => {
    const out = new Float32Array(x.length + y.length)
    out.set(x)
    out.set(y, x.length)
    return out
  }
  return {
    rows: { data: both(a.rows.data, b.rows.data), dim: a.rows.dim },
    targets: { ...a.targets, length: a.targets.length + b.targets.length, values: both(a.targets.values, b.targets.values) },
  }
}

interface Fitted {
  readonly sets: Sets
  readonly task: Task
  readonly all: ReadonlyArray<{ readonly r: Regression; readonly m: { readonly acc: number; readonly auc: number } }>
  readonly chosen: Regression
  readonly scores: (s: Labelled) => Float64Array
}

/** C chosen by validation; where that was held out of the training part, the regression of this C is fitted once more on all of it. */
const fitted = (e: Evaluated): TaskEither<Fault, Fitted> =>
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

const logistic: Evaluation = (e) =>
  pipe(
    fitted(e),
    TE.chainEitherK(({ sets, all, chosen, task, scores }) =>
      pipe(
        judged(task, sets.test.targets, scores(sets.test)),
        E.map((test): Result => ({
          table: all.map(({ r, m }) => ({
            C: Number(r.c.toPrecision(3)),
            'val ACC': m.acc,
            iterations: r.iterations,
            gradient: Number(r.slope.toPrecision(2)),
            chosen: r.c === chosen.c ? '*' : '',
          })),
          metrics: { top1: test.acc, auc: test.auc, val_top1: best(all, (x) => x.m.acc).m.acc },
          details: { task, C: chosen.c, held_out: sets.heldOut, converged: all.filter(({ r }) => r.converged).length, of: all.length },
        })),
      ),
    ),
  )

const medmnist: Evaluation = (e) =>
  pipe(
    fitted(e),
    TE.chainEitherK(({ sets, all, chosen, task, scores }) =>
      pipe(
        judged(task, sets.test.targets, scores(sets.test)),
        E.map((test): Result => {
          // by the regression that had not seen them: where they were held out, the last one has
          const val = best(all, (x) => x.m.acc).m
          return {
            table: [
              { split: 'val', ACC: val.acc, AUC: orNone(val.auc) },
              { split: 'test', ACC: test.acc, AUC: orNone(test.auc) },
            ],
            metrics: { acc: test.acc, auc: test.auc, val_acc: val.acc, val_auc: val.auc },
            details: { task, classifier: 'logistic regression on frozen class tokens', C: chosen.c, held_out: sets.heldOut },
          }
        }),
      ),
    ),
  )

/** Every evaluation by its name. */
export const evaluations = { knn: neighbours, linear, logistic, medmnist } satisfies Readonly<Record<string, Evaluation>>

export type EvaluationName = keyof typeof evaluations

export const isEvaluation = (s: string): s is EvaluationName => Object.hasOwn(evaluations, s)
