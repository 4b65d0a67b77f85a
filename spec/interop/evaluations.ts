/**
 * `npx tsx spec/interop/evaluations.ts FEATURES.safetensors OUT.safetensors TARGET`: evaluations of the features that `npm run features`
 * wrote (train/cls, train/label, test/cls, test/label), for evaluations.py, which does the same with scikit-learn and umap-learn.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { openTarget } from '../../compiler/targets/open.ts'
import type { Fault } from '../../core/fault.ts'
import { fault, showFault } from '../../core/fault.ts'
import { readSafetensors, writeSafetensors } from '../../data/formats/safetensors.ts'
import type { HostTensor, HostTensors } from '../../data/formats/tensor.ts'
import { floatTensor, floatsOf } from '../../data/formats/tensor.ts'
import { oneOf } from '../../train/judge/evaluate/classes.ts'
import { knnOn } from '../../train/judge/evaluate/knn.ts'
import { fitLogistic, logisticProbabilities } from '../../train/judge/evaluate/logistic.ts'
import { accuracy, auc } from '../../train/judge/evaluate/metrics.ts'
import type { Rows } from '../../train/judge/evaluate/neighbours.ts'
import { principal, whitened } from '../../train/judge/interpret/pca.ts'
import { trustworthiness } from '../../train/judge/interpret/trust.ts'
import { umap } from '../../train/judge/interpret/umap.ts'

const [features, out, target = 'auto'] = process.argv.slice(2)

/** Rows that are mapped, neighbours that a map is judged by; values of C and of k. */
const mapped = 500
const near = 15
const cs = [0.1, 1, 10, 100]
const ks = [10, 20, 100, 200]

const missing = (name: string): Fault =>
  fault('data', {
    place: features,
    found: `no ${name}`,
    allowed: 'features of train and test with labels',
    remedy: 'npm run features -- --data mnist',
  })

const tensorOf = (tensors: HostTensors, name: string): Either<Fault, HostTensor> => E.fromNullable(missing(name))(tensors.get(name))

const floats = (tensors: HostTensors, name: string): Either<Fault, Rows> =>
  pipe(
    tensorOf(tensors, name),
    E.chain((x) =>
      pipe(
        floatsOf(name)(x),
        E.map((data) => ({ data, dim: x.shape[1] ?? 1 })),
      ),
    ),
  )

const labels = (tensors: HostTensors, name: string): Either<Fault, Int32Array> =>
  pipe(
    tensorOf(tensors, name),
    E.map((x) => Int32Array.from(x.data, Number)),
  )

const all = pipe(
  TE.Do,
  TE.bind('device', () => openTarget(target)),
  TE.bind('file', () => readSafetensors(features)),
  TE.bind('sets', ({ file: { tensors } }) =>
    TE.fromEither(
      pipe(
        E.Do,
        E.bind('train', () => floats(tensors, 'train/cls')),
        E.bind('test', () => floats(tensors, 'test/cls')),
        E.bind('known', () => labels(tensors, 'train/label')),
        E.bind('asked', () => labels(tensors, 'test/label')),
      ),
    ),
  ),
  TE.let('classes', ({ sets }) => sets.known.reduce((m, v) => Math.max(m, v), 0) + 1),
  TE.bind('neighbours', ({ device, sets, classes }) =>
    pipe(
      (['v1', 'v2'] as const).map((votes) =>
        knnOn(
          device,
          { k: ks, temperature: 0.07, classes, votes, leaveOneOut: false },
          { ...sets.train, labels: sets.known },
          () => undefined,
        )({ ...sets.test, labels: sets.asked }),
      ),
      TE.sequenceSeqArray,
    ),
  ),
  TE.bind('regressions', ({ device, sets, classes }) =>
    fitLogistic(device, { cs, tolerance: 1e-6, iterations: 3000 }, sets.train, oneOf(sets.known, classes)),
  ),
  TE.bind('scores', ({ regressions, sets, classes }) =>
    TE.fromEither(
      pipe(
        regressions,
        E.traverseArray((r) => {
          const p = logisticProbabilities(r, sets.test, false)
          const t = oneOf(sets.asked, classes)
          return pipe(
            E.Do,
            E.bind('acc', () => accuracy('multi-class')(t, p)),
            E.bind('auc', () => auc('multi-class')(t, p)),
            E.map((m) => [m.acc, m.auc, ...p]),
          )
        }),
      ),
    ),
  ),
  TE.let('some', ({ sets }) => ({ dim: sets.test.dim, data: sets.test.data.subarray(0, mapped * sets.test.dim) })),
  TE.bind('places', ({ some }) => TE.fromEither(umap({ seed: 0, neighbours: near })(some))),
  TE.chain(({ device, neighbours, scores, some, places, sets }) => {
    device.close()
    const c = principal(sets.test.data, sets.test.dim, 3)
    const z = whitened(c, sets.test.data, sets.test.dim)
    const rows = (items: ReadonlyArray<ReadonlyArray<number>>): readonly [number, number] => [items.length, items[0]?.length ?? 0]
    const knn = neighbours.map((n) => n.map((r) => r.top1))
    const f32 = (shape: ReadonlyArray<number>, values: Iterable<number>) => floatTensor(shape, Float32Array.from(values))
    return writeSafetensors(out)({
      metadata: {},
      tensors: new Map([
        ['knn', f32(rows(knn), knn.flat())],
        [
          'logistic',
          f32(
            [scores.length, 2],
            scores.flatMap((s) => s.slice(0, 2)),
          ),
        ],
        [
          'probabilities',
          f32(
            [scores.length, (scores[0]?.length ?? 2) - 2],
            scores.flatMap((s) => s.slice(2)),
          ),
        ],
        ['variance', f32([c.variance.length], c.variance)],
        [
          'axes',
          f32(
            [c.axes.length, sets.test.dim],
            c.axes.flatMap((a) => [...a]),
          ),
        ],
        ['whitened', f32([z.length / c.axes.length, c.axes.length], z)],
        ['umap', f32([places.length / 2, 2], places)],
        ['trust', f32([1], [trustworthiness(some.data, some.dim, places, near)])],
      ]),
    })
  }),
)

const done = await all()
if (E.isLeft(done)) {
  process.stderr.write(`${showFault(done.left)}\n`)
  process.exitCode = 1
}
