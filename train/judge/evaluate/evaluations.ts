/** The evaluations of a frozen network, each from data to numbers. One record is one evaluation: the command's operands are its keys. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { probabilities } from './classes.ts'
import type { Evaluated, Evaluation, Result } from './evaluation.ts'
import { best, fitted, judged } from './fitted.ts'
import { knnOn } from './knn.ts'
import type { Labelled } from './labelled.ts'
import { encoding, ofClassTokens, single, tally } from './labelled.ts'
import type { Task } from './metrics.ts'
import { taskOf } from './metrics.ts'
import type { Probe } from './probe.ts'
import { probeRow, probeScores, trainProbes } from './probe.ts'
import { knnSets, setsOf } from './sets.ts'

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
        of: `k = ${best.k}${all.length > 1 ? `, the best of ${all.length}` : ''}`,
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

/** Of two classes, which one is looked for: the second, by which sensitivity and AUC are meant. */
const positive = (e: Evaluated, task: Task): Pick<Result, 'positive'> =>
  task === 'binary-class' ? { positive: e.parts.train.classes[1] ?? '1' } : {}

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
              metrics: { top1: test.acc, auc: test.auc, ...test.found, val_top1: chosen.m.acc },
              ...positive(e, task),
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
            iterations: r.converged ? r.iterations : `${r.iterations}, not converged`,
            gradient: Number(r.slope.toPrecision(2)),
            chosen: r.c === chosen.c ? '*' : '',
          })),
          metrics: { top1: test.acc, auc: test.auc, ...test.found, val_top1: best(all, (x) => x.m.acc).m.acc },
          ...positive(e, task),
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
            metrics: { acc: test.acc, auc: test.auc, ...test.found, val_acc: val.acc, val_auc: val.auc },
            ...positive(e, task),
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
