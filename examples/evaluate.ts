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
import { judged, logisticDefaults, officialRates, study } from 'dinograph'
import digits from './dinov2.ts'

export default study(import.meta.url, {
  name: 'evaluate',
  about: 'Evaluates a trained network: k-NN, linear classifiers, logistic regression, MedMNIST metrics.',
  trains: digits,
  settings: { steps: 300, schedule: { warmup: 0.333 }, data: { train: 2000, test: 1000 }, evaluation: { during: 0 } },
  show: judged(['knn', 'linear', 'logistic', 'medmnist'], {
    knn: { k: [10, 20, 100, 200], temperature: 0.07, votes: 'v1', leaveOneOut: false },
    // officially 12,500 steps of 128, for a million images
    probe: { rates: officialRates, batch: 128, steps: 1000, seed: 0 },
    // officially 45 values of C; those at the ends are never the best
    logistic: { ...logisticDefaults, cs: [0.01, 0.1, 1, 10, 100, 1000], iterations: 300 },
  }),
})
