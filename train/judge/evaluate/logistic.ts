/**
 * Logistic regression with an L2 penalty on frozen features (dinov2 `eval/log_regression.py`): for each C the minimum of
 *
 *     mean over items of the cross entropy  +  |W|² / (2 C n),
 *
 * the objective of scikit-learn's `LogisticRegression(penalty='l2')` over n C: biases are not penalised, two classes have one row of
 * weights, and several labels are as many regressions. The gradients of all C come from one compiled graph; L-BFGS runs on the host.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { grad } from '../../../compiler/grad.ts'
import type { Device, Executable } from '../../../compiler/target.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { value } from '../../../core/graph.ts'
import { input, resident } from '../../../core/leaves.ts'
import { param, zeros } from '../../../core/model.ts'
import { trace } from '../../../core/trace.ts'
import { tensorType } from '../../../core/type.ts'
import { dot } from '../../../ops/contract.ts'
import { add } from '../../../ops/elementwise.ts'
import { sum } from '../../../ops/reduce.ts'
import type { Targets } from './classes.ts'
import { lossOf, probabilities } from './classes.ts'
import type { Minimum } from './lbfgs.ts'
import { lbfgs } from './lbfgs.ts'
import type { Rows } from './neighbours.ts'

/** The official grid: 45 values from 1e-6 to 1e5, evenly in their logarithms. */
export const officialCs: ReadonlyArray<number> = Array.from({ length: 45 }, (_, i) => 10 ** (-6 + (11 * i) / 44))

export interface LogisticOptions {
  readonly cs: ReadonlyArray<number>
  /** The largest component of the gradient of the mean objective at the end. */
  readonly tolerance: number
  /** At most, as officially: 1000. */
  readonly iterations: number
}

/** The official ones, but for a smaller tolerance. */
export const logisticDefaults: LogisticOptions = { cs: officialCs, tolerance: 1e-5, iterations: 1000 }

/** The regression for one C. */
export interface Regression {
  readonly c: number
  /** `[rows, dim]` and `[rows]`: a row for each class or label, or a single one for two classes. */
  readonly weight: Float64Array
  readonly bias: Float64Array
  readonly iterations: number
  readonly converged: boolean
  /** The largest component of the gradient that is left. */
  readonly slope: number
}

/** Logits that one run may hold. */
const logitsAtOnce = 1 << 25

/** Regressions that are solved side by side. Neighbouring C need about as many iterations, so that few wait for the last of their group. */
const together = 9

/** What is fitted: rows of weights and whether each row is a yes or no of its own. */
interface Problem {
  readonly rows: number
  readonly binary: boolean
  readonly target: Float32Array
}

const problemOf = (t: Targets): Problem =>
  t.multiLabel
    ? { rows: t.classes, binary: true, target: t.values }
    : t.classes === 2
      ? { rows: 1, binary: true, target: Float32Array.from({ length: t.length }, (_, i) => t.values[2 * i + 1]) }
      : { rows: t.classes, binary: false, target: t.values }

/** Resident tensors are named by their length: those of other sets may lie beside them. */
const leavesFor = (n: number): readonly [features: string, target: string] => [`logistic.${n}.features`, `logistic.${n}.target`]

/** Gradients of the mean losses of `group` regressions at weights that every run is given. */
const gradients = (device: Device, n: number, dim: number, p: Problem, group: number): TaskEither<Fault, Executable> => {
  const [featuresAt, targetAt] = leavesFor(n)
  const features = resident(featuresAt, param([n, dim], zeros))
  const target = resident(targetAt, param([n, p.rows], zeros))
  const w = input('weight', [group, p.rows, dim])
  const b = input('bias', [group, p.rows])
  const logits = add(dot({ leftBatch: [], rightBatch: [], left: [1], right: [2] })(features, w), b)
  const [dw, db] = grad(sum()(lossOf(p.binary)(logits, target)), [w, b])
  return pipe(
    TE.fromEither(trace('logistic', [value('weight', dw), value('bias', db)])),
    TE.chain((g) => device.compile(g)),
  )
}

/** A regression that is being solved, its last point not yet answered. */
interface Running {
  readonly at: number
  readonly solver: Generator<Float64Array, Minimum, Float64Array>
  point: Float64Array
}

/** Solves the regressions of some C side by side. Point and gradient: weights, then biases. */
const solve = async (
  run: Executable,
  n: number,
  dim: number,
  p: Problem,
  cs: ReadonlyArray<number>,
  o: LogisticOptions,
  solved: (count: number) => void,
): Promise<Either<Fault, ReadonlyArray<Minimum>>> => {
  const [weights, each] = [p.rows * dim, p.rows * dim + p.rows]
  const [w, b] = [new Float32Array(cs.length * weights), new Float32Array(cs.length * p.rows)]
  // the mean over labels is a mean of as many regressions' losses
  const parts = p.binary ? p.rows : 1
  const done = new Map<number, Minimum>()
  let running: ReadonlyArray<Running> = cs.flatMap((_, at): ReadonlyArray<Running> => {
    const solver = lbfgs(new Float64Array(each), { tolerance: o.tolerance, iterations: o.iterations })
    const first = solver.next()
    return first.done === true ? [] : [{ at, solver, point: first.value }]
  })
  while (running.length > 0) {
    for (const { at, point } of running) {
      w.set(point.subarray(0, weights), at * weights)
      b.set(point.subarray(weights), at * p.rows)
    }
    const out = await run.run({
      values: new Map([
        ['weight', w],
        ['bias', b],
      ]),
    })()
    if (E.isLeft(out)) return out
    const [dw, db] = ['weight', 'bias'].map((name) => out.right.get(name) ?? new Float32Array())
    const still: Array<Running> = []
    for (const r of running) {
      const gradient = Float64Array.from({ length: each }, (_, i) =>
        i < weights ? parts * dw[r.at * weights + i] + r.point[i] / (cs[r.at] * n) : parts * db[r.at * p.rows + i - weights],
      )
      if (!gradient.every(Number.isFinite))
        return E.left(
          fault('numeric', {
            place: `logistic regression, C ${cs[r.at]}`,
            found: 'a gradient that is not finite',
            allowed: 'finite numbers',
            remedy: 'check the features, or normalise them',
          }),
        )
      const next = r.solver.next(gradient)
      if (next.done === true) done.set(r.at, next.value)
      else still.push({ ...r, point: next.value })
    }
    running = still
    solved(done.size)
  }
  return E.right(cs.flatMap((_, i) => done.get(i) ?? []))
}

const groupsOf = (cs: ReadonlyArray<number>, size: number): ReadonlyArray<ReadonlyArray<number>> =>
  Array.from({ length: Math.ceil(cs.length / size) }, (_, k) => cs.slice(k * size, (k + 1) * size))

const wrong = (found: string, allowed: string): Fault =>
  fault('config', { place: 'logistic.cs', found, allowed, remedy: 'correct the options of the evaluation' })

const checked = (o: LogisticOptions, rows: Rows, t: Targets): Either<Fault, void> => {
  const bad = o.cs.find((c) => !(c > 0 && Number.isFinite(c)))
  if (bad !== undefined || o.cs.length === 0) return E.left(wrong(bad === undefined ? 'no C' : String(bad), 'numbers above 0'))
  return t.length > 0 && rows.data.length === t.length * rows.dim
    ? E.right(undefined)
    : E.left(
        fault('data', {
          place: 'logistic regression',
          found: `${rows.data.length} values and ${t.length} targets`,
          allowed: `a row of ${rows.dim} for every target`,
          remedy: 'compute features and labels from the same items',
        }),
      )
}

/**
 * Fits one regression for each C. Faults: options, rows and targets that do not fit each other; numbers that are not finite. `progress`
 * counts solved regressions.
 */
export const fitLogistic = (
  device: Device,
  o: LogisticOptions,
  rows: Rows,
  t: Targets,
  progress: (done: number, total: number) => void = () => undefined,
): TaskEither<Fault, ReadonlyArray<Regression>> => {
  const p = problemOf(t)
  const { dim } = rows
  const size = Math.max(1, Math.min(together, o.cs.length, Math.floor(logitsAtOnce / (t.length * p.rows))))
  return pipe(
    TE.fromEither(checked(o, rows, t)),
    TE.chain(() => device.write(leavesFor(t.length)[0], tensorType('f32', [t.length, dim]), rows.data)),
    TE.chain(() => device.write(leavesFor(t.length)[1], tensorType('f32', [t.length, p.rows]), p.target)),
    TE.chain(() =>
      pipe(
        [...new Set(groupsOf(o.cs, size).map((g) => g.length))],
        TE.traverseSeqArray((group) =>
          pipe(
            gradients(device, t.length, dim, p, group),
            TE.map((run) => [group, run] as const),
          ),
        ),
      ),
    ),
    TE.chain((programs) =>
      pipe(
        groupsOf(o.cs, size),
        TE.traverseSeqArray((cs) => async () => {
          const run = new Map(programs).get(cs.length)
          return run === undefined
            ? E.right([])
            : solve(run, t.length, dim, p, cs, o, (n) => {
                progress(o.cs.indexOf(cs[0]) + n, o.cs.length)
              })
        }),
      ),
    ),
    TE.map((groups) =>
      groups
        .flat()
        .map(({ x, ...m }, i): Regression => ({ ...m, c: o.cs[i], weight: x.slice(0, p.rows * dim), bias: x.slice(p.rows * dim) })),
    ),
  )
}

/** Probabilities `[n, classes]`. */
export const logisticProbabilities = (r: Regression, rows: Rows, multiLabel: boolean): Float64Array => {
  const { dim } = rows
  const [n, k] = [rows.data.length / dim, r.bias.length]
  const scores = new Float64Array(n * k)
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < k; c++) {
      let s = r.bias[c]
      for (let d = 0; d < dim; d++) s += r.weight[c * dim + d] * rows.data[i * dim + d]
      scores[i * k + c] = s
    }
  }
  if (k !== 1) return probabilities(scores, k, multiLabel)
  return Float64Array.from({ length: 2 * n }, (_, i) => 1 / (1 + Math.exp(i % 2 === 1 ? -scores[i >> 1] : scores[i >> 1])))
}
