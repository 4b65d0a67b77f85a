/**
 * Weighted k-nearest-neighbour classification on frozen features (Wu et al. 2018, "Unsupervised Feature Learning via
 * Non-Parametric Instance Discrimination"), as dino `eval_knn.py` and dinov2 `eval/knn.py` evaluate. Cosine similarities
 * are accumulated in float64 in a fixed order (neighbours.ts).
 */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../../compiler/target.ts'
import { fault, faultsOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Neighbours, NeighbourOptions } from './neighbours.ts'
import { nearestOf, nearestOn } from './neighbours.ts'

/** Features of n images: `data` is [n, dim], row-major; one label in [0, classes) each. */
export interface LabelledFeatures {
  readonly data: Float32Array
  readonly dim: number
  readonly labels: Int32Array
}

/** How neighbours vote. */
export interface KnnOptions {
  /** Numbers of neighbours; each is cut to the number of neighbours that there are. */
  readonly k: ReadonlyArray<number>
  readonly classes: number
  /** The official default is 0.07. */
  readonly temperature: number
  /**
   * `v1`: a neighbour votes exp(similarity / T). `v2`: it votes its share of a softmax over the largest k's neighbours,
   * of which the first k count. Both rank classes alike.
   */
  readonly votes: 'v1' | 'v2'
  /** Divide features by max(norm, 1e-12) first; default true. */
  readonly normalise?: boolean
  /** Test item i is train item i and may not vote for itself: evaluates one set on its own. Default false. */
  readonly leaveOneOut?: boolean
}

/** The result for one k. */
export interface KnnResult {
  /** As asked for, and as used after the cut. */
  readonly k: number
  readonly used: number
  /** [tests, classes], row-major. */
  readonly votes: Float64Array
  /** The class with most votes; of equals the smallest. */
  readonly predictions: Int32Array
  /** Shares in 0..1. A class without a vote is never among the first five. */
  readonly top1: number
  readonly top5: number
}

const wrong = faultsOf('data')

const checkSet = (place: string, f: LabelledFeatures, classes: number): Either<Fault, void> => {
  const n = f.labels.length
  if (!Number.isSafeInteger(f.dim) || f.dim < 1 || f.data.length !== n * f.dim) {
    const found = `${f.data.length} values and ${n} labels of dimension ${f.dim}`
    return E.left(wrong(place, found, 'data [n, dim] with n labels', 'compute features and labels from the same items'))
  }
  const label = f.labels.findIndex((l) => l < 0 || l >= classes)
  if (label >= 0) {
    const found = `label ${f.labels[label]} of item ${label}`
    return E.left(wrong(place, found, `labels in [0, ${classes})`, 'correct the labels or the number of classes'))
  }
  const bad = f.data.findIndex((v) => !Number.isFinite(v))
  return bad < 0
    ? E.right(undefined)
    : E.left(
        fault('numeric', {
          place,
          found: `${f.data[bad]} in the features of item ${Math.floor(bad / f.dim)}`,
          allowed: 'finite features',
          remedy: 'the model has diverged: evaluate an earlier checkpoint',
        }),
      )
}

const option = (name: string, found: string, allowed: string): Either<Fault, never> =>
  E.left(fault('config', { place: `knn.${name}`, found, allowed, remedy: 'correct the options of the evaluation' }))

const check = (o: KnnOptions, train: LabelledFeatures, test: LabelledFeatures): Either<Fault, void> => {
  const bad = o.k.find((k) => !Number.isSafeInteger(k) || k < 1)
  if (bad !== undefined || o.k.length === 0) return option('k', bad === undefined ? 'no k' : String(bad), 'whole numbers >= 1')
  if (!(o.temperature > 0 && Number.isFinite(o.temperature))) return option('temperature', String(o.temperature), 'a number > 0')
  if (!Number.isSafeInteger(o.classes) || o.classes < 1) return option('classes', String(o.classes), 'a whole number >= 1')
  for (const [place, set] of [
    ['knn: train', train],
    ['knn: test', test],
  ] as const) {
    const e = checkSet(place, set, o.classes)
    if (E.isLeft(e)) return e
  }
  if (train.dim !== test.dim) {
    return E.left(wrong('knn', `dimensions ${train.dim} and ${test.dim}`, 'features of one dimension', 'compute both with the same model'))
  }
  const least = o.leaveOneOut === true ? 2 : 1
  const trains = train.labels.length
  const tests = test.labels.length
  if (trains < least) return E.left(wrong('knn: train', `${trains} items`, `at least ${least}`, 'give more labelled images'))
  if (tests === 0) return E.left(wrong('knn: test', 'no items', 'at least 1', 'give labelled images to test'))
  return o.leaveOneOut === true && trains !== tests
    ? E.left(wrong('knn', `${trains} and ${tests} items`, 'the same set twice for leave-one-out', 'pass one set as both'))
    : E.right(undefined)
}

/** How many classes rank before class c: those with more votes, and those with as many and a smaller number. */
const rankOf = (shares: Float64Array, c: number): number => {
  let rank = 0
  for (let other = 0; other < shares.length; other++) if (shares[other] > shares[c] || (shares[other] === shares[c] && other < c)) rank++
  return rank
}

const vote = (o: KnnOptions, n: Neighbours, asked: number, trainLabels: Int32Array, testLabels: Int32Array): KnnResult => {
  const used = Math.min(asked, n.k)
  const votes = new Float64Array(testLabels.length * o.classes)
  const predictions = new Int32Array(testLabels.length)
  const weights = new Float64Array(n.k)
  let hits = 0
  let near = 0
  for (let t = 0; t < testLabels.length; t++) {
    // Relative to the best neighbour's, so that no temperature overflows while classes are ranked.
    const best = n.similarity[t * n.k]
    let total = 0
    for (let i = 0; i < n.k; i++) total += weights[i] = Math.exp((n.similarity[t * n.k + i] - best) / o.temperature)
    const shares = new Float64Array(o.classes)
    for (let i = 0; i < used; i++) shares[trainLabels[n.index[t * n.k + i]]] += weights[i]
    const factor = o.votes === 'v1' ? Math.exp(best / o.temperature) : 1 / total
    let prediction = 0
    for (let c = 0; c < o.classes; c++) {
      votes[t * o.classes + c] = shares[c] === 0 ? 0 : shares[c] * factor
      if (shares[c] > shares[prediction]) prediction = c
    }
    predictions[t] = prediction
    const label = testLabels[t]
    if (prediction === label) hits++
    if (shares[label] > 0 && rankOf(shares, label) < 5) near++
  }
  return { k: asked, used, votes, predictions, top1: hits / testLabels.length, top5: near / testLabels.length }
}

/** What is asked of the neighbours, once per k. */
const asked = (o: KnnOptions, trains: number): NeighbourOptions => {
  const leaveOneOut = o.leaveOneOut ?? false
  return {
    k: Math.min(
      trains - (leaveOneOut ? 1 : 0),
      o.k.reduce((a, b) => Math.max(a, b)),
    ),
    leaveOneOut,
    normalise: o.normalise ?? true,
  }
}

const votes =
  (o: KnnOptions, train: LabelledFeatures, test: LabelledFeatures) =>
  (n: Neighbours): ReadonlyArray<KnnResult> =>
    o.k.map((k) => vote(o, n, k, train.labels, test.labels))

/**
 * Classifies the test set by its neighbours in the train set, once per k: `knn(options, train)(test)`.
 * Faults: sets that do not fit each other or the options, labels outside the classes, features that are not finite.
 * Laws: with `normalise`, positive factors on feature vectors change nothing but rounding; v1 and v2 predict the same.
 */
export const knn =
  (o: KnnOptions, train: LabelledFeatures) =>
  (test: LabelledFeatures): Either<Fault, ReadonlyArray<KnnResult>> =>
    pipe(
      check(o, train, test),
      E.map(() => votes(o, train, test)(nearestOf(train, test, asked(o, train.labels.length)))),
    )

/** The same, to the bit, where a device says which neighbours come into question: for sets whose products are many. */
export const knnOn =
  (device: Device, o: KnnOptions, train: LabelledFeatures, progress?: (done: number, total: number) => void) =>
  (test: LabelledFeatures): TaskEither<Fault, ReadonlyArray<KnnResult>> =>
    pipe(
      TE.fromEither(check(o, train, test)),
      TE.chain(() => nearestOn(device, train, test, asked(o, train.labels.length), progress)),
      TE.map(votes(o, train, test)),
    )
