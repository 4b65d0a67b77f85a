/**
 * The most similar items of one set of features for each of another, by cosine: on the host in float64, or on a device in float32. Sums
 * run over the dimensions in order, so that results do not depend on the block sizes.
 */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../../compiler/target.ts'
import type { Fault } from '../../../core/fault.ts'
import { value } from '../../../core/graph.ts'
import { input } from '../../../core/leaves.ts'
import { trace } from '../../../core/trace.ts'
import { dot } from '../../../ops/contract.ts'

/** Rows `[n, dim]`, one for every item. */
export interface Rows {
  readonly data: Float32Array
  readonly dim: number
}

export interface NeighbourOptions {
  readonly k: number
  /** Divide features by max(norm, 1e-12) first. */
  readonly normalise: boolean
  /** Item i of the one set is item i of the other, and no neighbour of itself. */
  readonly leaveOneOut: boolean
}

/** The k most similar train items of every test item, most similar first; of equals the first item. Both `[tests, k]`. */
export interface Neighbours {
  readonly k: number
  readonly index: Int32Array
  readonly similarity: Float64Array
}

/** The features as doubles, rows divided by their norms if asked for. */
const prepare = (f: Rows, normalise: boolean): Float64Array => {
  const out = Float64Array.from(f.data)
  if (!normalise) return out
  for (let at = 0; at < out.length; at += f.dim) {
    let sum = 0
    for (let d = at; d < at + f.dim; d++) sum += out[d] * out[d]
    const norm = Math.max(Math.sqrt(sum), 1e-12)
    for (let d = at; d < at + f.dim; d++) out[d] /= norm
  }
  return out
}

/** Keeps a test row's best: the similarity of train item j joins them where it is among the k largest so far. */
const offer = (n: Neighbours, row: number, j: number, s: number): void => {
  const base = row * n.k
  let at = base + n.k - 1
  if (s <= n.similarity[at]) return
  for (; at > base && n.similarity[at - 1] < s; at--) {
    n.similarity[at] = n.similarity[at - 1]
    n.index[at] = n.index[at - 1]
  }
  n.similarity[at] = s
  n.index[at] = j
}

const none = (tests: number, k: number): Neighbours => ({
  k,
  index: new Int32Array(tests * k).fill(-1),
  similarity: new Float64Array(tests * k).fill(-Infinity),
})

/** Test rows whose similarities are computed together, and train rows per pass: both fit the first caches. */
const rowsTogether = 4
const blockRows = 128

/**
 * Similarities of the test rows [first, first + count) with the train rows [from, to), `count` <= 4, into
 * `out[r * blockRows + j - from]`. Four rows by two at a time keep eight independent sums going; each sum runs over the
 * dimensions in order. Past the ends rows are computed twice and not used.
 */
const similarities = (
  test: Float64Array,
  first: number,
  count: number,
  train: Float64Array,
  from: number,
  to: number,
  dim: number,
  out: Float64Array,
): void => {
  const [a, b, c, d] = [0, 1, 2, 3].map((r) => (first + Math.min(r, count - 1)) * dim)
  for (let j = from; j < to; j += 2) {
    const left = j * dim
    const right = Math.min(j + 1, to - 1) * dim
    let a0 = 0
    let b0 = 0
    let c0 = 0
    let d0 = 0
    let a1 = 0
    let b1 = 0
    let c1 = 0
    let d1 = 0
    for (let i = 0; i < dim; i++) {
      const v = train[left + i]
      const w = train[right + i]
      const p = test[a + i]
      const q = test[b + i]
      const r = test[c + i]
      const s = test[d + i]
      a0 += p * v
      b0 += q * v
      c0 += r * v
      d0 += s * v
      a1 += p * w
      b1 += q * w
      c1 += r * w
      d1 += s * w
    }
    const at = j - from
    out[at] = a0
    out[blockRows + at] = b0
    out[2 * blockRows + at] = c0
    out[3 * blockRows + at] = d0
    out[at + 1] = a1
    out[blockRows + at + 1] = b1
    out[2 * blockRows + at + 1] = c1
    out[3 * blockRows + at + 1] = d1
  }
}

/** On the host. The sets have one dimension. */
export const nearestOf = (train: Rows, test: Rows, o: NeighbourOptions): Neighbours => {
  const { dim } = train
  const [known, asked] = [prepare(train, o.normalise), prepare(test, o.normalise)]
  const [trains, tests] = [known.length / dim, asked.length / dim]
  const found = none(tests, o.k)
  const block = new Float64Array(rowsTogether * blockRows)
  for (let from = 0; from < trains; from += blockRows) {
    const to = Math.min(trains, from + blockRows)
    for (let first = 0; first < tests; first += rowsTogether) {
      const count = Math.min(rowsTogether, tests - first)
      similarities(asked, first, count, known, from, to, dim, block)
      for (let r = 0; r < count; r++)
        for (let j = from; j < to; j++) if (!o.leaveOneOut || j !== first + r) offer(found, first + r, j, block[r * blockRows + j - from])
    }
  }
  return found
}

/** Rows of a block on the device: of the train and of the test set. */
const onDevice = { trains: 2048, tests: 256 }

/** Rows [from, from + count) as floats, zeros beyond the end. */
const rowsOf = (x: Float64Array, dim: number, from: number, count: number): Float32Array => {
  const out = new Float32Array(count * dim)
  out.set(x.subarray(from * dim, (from + count) * dim))
  return out
}

/** On a device, one product for each pair of blocks; `progress` counts the blocks. */
export const nearestOn = (
  device: Device,
  train: Rows,
  test: Rows,
  o: NeighbourOptions,
  progress?: (done: number, total: number) => void,
): TaskEither<Fault, Neighbours> => {
  const { dim } = train
  const [known, asked] = [prepare(train, o.normalise), prepare(test, o.normalise)]
  const [trains, tests] = [known.length / dim, asked.length / dim]
  const [right, left] = [Math.min(trains, onDevice.trains), Math.min(tests, onDevice.tests)]
  const [across, down] = [Math.ceil(trains / right), Math.ceil(tests / left)]
  const product = dot({ leftBatch: [], rightBatch: [], left: [1], right: [1] })(input('test', [left, dim]), input('train', [right, dim]))
  return pipe(
    TE.fromEither(trace('similarities', [value('similarity', product)])),
    TE.chain((g) => device.compile(g)),
    TE.chain((run) => async () => {
      const found = none(tests, o.k)
      for (let b = 0; b < across * down; b++) {
        const [from, first] = [Math.floor(b / down) * right, (b % down) * left]
        const out = await run.run({
          values: new Map([
            ['train', rowsOf(known, dim, from, right)],
            ['test', rowsOf(asked, dim, first, left)],
          ]),
        })()
        if (E.isLeft(out)) return out
        const block = out.right.get('similarity') ?? new Float32Array()
        const [rows, columns] = [Math.min(left, tests - first), Math.min(right, trains - from)]
        for (let r = 0; r < rows; r++)
          for (let j = 0; j < columns; j++)
            if (!o.leaveOneOut || from + j !== first + r) offer(found, first + r, from + j, block[r * right + j])
        progress?.(b + 1, across * down)
      }
      return E.right(found)
    }),
  )
}
