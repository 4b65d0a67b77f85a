/** What a study shows of the features of a network: evaluations, one after the other. */
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import type { EvaluationOptions, Result } from '../judge/evaluate/evaluation.ts'
import { ofWhich } from '../judge/evaluate/evaluation.ts'
import type { EvaluationName } from '../judge/evaluate/evaluations.ts'
import { evaluations } from '../judge/evaluate/evaluations.ts'
import { percent } from '../run/log/numbers.ts'
import { tableText } from './commands/program.ts'
import type { Finding, Shown } from './study.ts'

/** The number that an evaluation is known by, and its name among the metrics of a study. */
const known: Readonly<Record<EvaluationName, readonly [number: string, as: string]>> = {
  knn: ['top1', 'knn'],
  linear: ['top1', 'linear'],
  logistic: ['top1', 'logistic'],
  medmnist: ['auc', 'auc'],
}

const textOf = (name: EvaluationName, result: Result): string => {
  const numbers = Object.entries(result.metrics).filter(([n]) => !n.startsWith('knn_'))
  return `${name}: ${numbers.map(([n, v]) => `${n} ${percent(v)}`).join(', ')}${ofWhich(result)}\n${tableText(result.table)}\n`
}

/** Evaluations of a study's network on its images, in their order; each gives one metric: `knn`, `linear`, `logistic`, `auc`. */
export const judged =
  (names: ReadonlyArray<EvaluationName>, options: EvaluationOptions) =>
  ({ device, frozen, root, progress, images }: Shown): TaskEither<Fault, Finding> =>
    pipe(
      names,
      TE.traverseSeqArray((name) =>
        pipe(
          evaluations[name]({ device, frozen, root, parts: images, progress, options }),
          TE.map((result) => {
            const [number, as] = known[name]
            return { text: textOf(name, result), metric: [as, result.metrics[number]] as const }
          }),
        ),
      ),
      TE.map((all) => ({ text: all.map((x) => x.text).join('\n'), metrics: Object.fromEntries(all.map((x) => x.metric)) })),
    )
