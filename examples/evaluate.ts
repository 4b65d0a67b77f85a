/**
 * How good the features of a trained network are, without training it further: votes of nearest neighbours, the grid of linear
 * classifiers of DINOv2's evaluation, logistic regression, and ACC and AUC as MedMNIST reports them, each on the compiled target.
 *
 *     npx tsx examples/evaluate.ts                                        trains DINOv2 on digits first
 *     npx tsx examples/evaluate.ts --model runs/dinov2                    a run, a Hugging Face folder, or an official file
 *     npx tsx examples/evaluate.ts --model runs/mine --data pathmnist.npz on labelled images of your own
 *
 * The same by commands: npm run evaluate -- knn|linear|logistic|medmnist --model DIR --data DIR|FILE.
 */
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { EvaluationOptions } from 'dinograph'
import { evaluations, logisticDefaults, officialRates, study, tableText } from 'dinograph'
import digits from './dinov2.ts'

const options: EvaluationOptions = {
  knn: { k: [10, 20, 100, 200], temperature: 0.07, votes: 'v1', leaveOneOut: false },
  // officially 12,500 steps of 128, for a million images
  probe: { rates: officialRates, batch: 128, steps: 1000, seed: 0 },
  // officially 45 values of C; those at the ends are never the best
  logistic: { ...logisticDefaults, cs: [0.01, 0.1, 1, 10, 100, 1000], iterations: 300 },
}

/** The number that an evaluation is known by, and its name among the metrics. */
const known = { knn: ['top1', 'knn'], linear: ['top1', 'linear'], logistic: ['top1', 'logistic'], medmnist: ['auc', 'auc'] } as const

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`

export default study(import.meta.url, {
  name: 'evaluate',
  about: 'Evaluates a trained network: k-NN, linear classifiers, logistic regression, MedMNIST metrics.',
  trains: digits,
  settings: { steps: 300, data: { train: 2000, test: 1000 }, evaluation: { during: 0 } },
  show: ({ device, frozen, root, progress, images }) =>
    pipe(
      ['knn', 'linear', 'logistic', 'medmnist'] as const,
      TE.traverseSeqArray((name) =>
        pipe(
          evaluations[name]({ device, frozen, root, parts: images, progress, options }),
          TE.map((result) => {
            const [number, as] = known[name]
            const said = Object.entries(result.metrics)
              .filter(([n]) => !n.startsWith('knn_'))
              .map(([n, v]) => `${n} ${percent(v)}`)
              .join(', ')
            return { text: `${name}: ${said}\n${tableText(result.table)}\n`, metric: [as, result.metrics[number]] as const }
          }),
        ),
      ),
      TE.map((all) => ({ text: all.map((x) => x.text).join('\n'), metrics: Object.fromEntries(all.map((x) => x.metric)) })),
    ),
})
