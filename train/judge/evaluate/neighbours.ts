/**
 * The most similar items of one set of features for each of another, by cosine, in float64. Sums run over the dimensions in order, so that
 * results depend neither on the block sizes nor on whether a device has helped.
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

/** Rows, how long each is, and what it is divided by. */
interface Measured extends Rows {
  readonly length: number
  readonly norms: Float64Array
  readonly by: (row: number) => number
}

const measured = ({ data, dim }: Rows, normalise: boolean): Measured => {
  const length = data.length / dim
  const norms = new Float64Array(length)
  for (let row = 0; row < length; row++) {
    let sum = 0
    for (let d = row * dim; d < (row + 1) * dim; d++) sum += data[d] * data[d]
    norms[row] = Math.sqrt(sum)
  }
  return { data, dim, length, norms, by: (row) => (normalise ? Math.max(norms[row], 1e-12) : 1) }
}

/** Some rows, each divided by its norm if asked for, one after the other in `out`. */
const divided = <A extends Float32Array | Float64Array>(f: Measured, rows: ReadonlyArray<number>, out: A): A => {
  rows.forEach((row, r) => {
    const by = f.by(row)
    for (let d = 0; d < f.dim; d++) out[r * f.dim + d] = f.data[row * f.dim + d] / by
  })
  return out
}

const upTo = (from: number, to: number): ReadonlyArray<number> => Array.from({ length: to - from }, (_, i) => from + i)

/** Rows of length 1, as the official regression takes them. */
export const unitRows = (rows: Rows): Rows => {
  const all = measured(rows, true)
  return { data: divided(all, upTo(0, all.length), new Float32Array(rows.data.length)), dim: rows.dim }
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
 * Similarities of the test rows [first, first + count), `count` <= 4, with `trains` rows, into `out[r * blockRows + j]`. Four rows by two
 * at a time keep eight independent sums going; each sum runs over the dimensions in order. Past the ends rows are computed twice and not
 * used.
 */
const similarities = (
  test: Float64Array,
  first: number,
  count: number,
  train: Float64Array,
  trains: number,
  dim: number,
  out: Float64Array,
): void => {
  const [a, b, c, d] = [0, 1, 2, 3].map((r) => (first + Math.min(r, count - 1)) * dim)
  for (let j = 0; j < trains; j += 2) {
    const left = j * dim
    const right = Math.min(j + 1, trains - 1) * dim
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
    out[j] = a0
    out[blockRows + j] = b0
    out[2 * blockRows + j] = c0
    out[3 * blockRows + j] = d0
    out[j + 1] = a1
    out[blockRows + j + 1] = b1
    out[2 * blockRows + j + 1] = c1
    out[3 * blockRows + j + 1] = d1
  }
}

/** The neighbours of some test rows, a row of the result for each. */
const search = (train: Measured, test: Measured, rows: ReadonlyArray<number>, o: NeighbourOptions): Neighbours => {
  const { dim } = train
  const asked = divided(test, rows, new Float64Array(rows.length * dim))
  const known = new Float64Array(blockRows * dim)
  const found = none(rows.length, o.k)
  const block = new Float64Array(rowsTogether * blockRows)
  for (let from = 0; from < train.length; from += blockRows) {
    const to = Math.min(train.length, from + blockRows)
    divided(train, upTo(from, to), known)
    for (let first = 0; first < rows.length; first += rowsTogether) {
      const count = Math.min(rowsTogether, rows.length - first)
      similarities(asked, first, count, known, to - from, dim, block)
      for (let r = 0; r < count; r++)
        for (let j = from; j < to; j++)
          if (!o.leaveOneOut || j !== rows[first + r]) offer(found, first + r, j, block[r * blockRows + j - from])
    }
  }
  return found
}

/** On the host. The sets have one dimension. */
export const nearestOf = (train: Rows, test: Rows, o: NeighbourOptions): Neighbours => {
  const [known, asked] = [measured(train, o.normalise), measured(test, o.normalise)]
  return search(known, asked, upTo(0, asked.length), o)
}

/** Rows of a block on the device: of the train and of the test set. */
const onDevice = { trains: 2048, tests: 256 }

/** Neighbours beyond those asked for that a device finds: as many as its rounding may put in a wrong order, mostly. */
const spare = (k: number): number => 32 + Math.ceil(k / 4)

/** The similarity of two items, as `similarities` has it. */
const similarity = (train: Measured, j: number, test: Measured, row: number): number => {
  const { dim } = train
  const [known, asked] = [train.by(j), test.by(row)]
  let sum = 0
  for (let d = 0; d < dim; d++) sum += (test.data[row * dim + d] / asked) * (train.data[j * dim + d] / known)
  return sum
}

/**
 * The neighbours among those that a device found: their similarities once more in float64. What the device left out is less similar than
 * the last that it kept, but for its rounding (Higham 2002, "Accuracy and Stability of Numerical Algorithms", section 3.1: n u |x| |y|
 * for a sum of n products; four times what is seen, where a device rounds products more): rows of which that leaves a doubt are searched
 * on the host.
 */
const confirmed = (rough: Neighbours, train: Measured, test: Measured, o: NeighbourOptions): Neighbours => {
  const found = none(test.length, o.k)
  const longest = train.norms.reduce((m, n, j) => Math.max(m, n / train.by(j)), 0)
  const doubtful: Array<number> = []
  for (let row = 0; row < test.length; row++) {
    const own = upTo(row * rough.k, (row + 1) * rough.k).filter((at) => rough.index[at] >= 0)
    let error = (train.dim + 2) * 2 ** -24 * longest * (test.norms[row] / test.by(row))
    // of equals the first item
    for (const at of own.sort((a, b) => rough.index[a] - rough.index[b])) {
      const exact = similarity(train, rough.index[at], test, row)
      error = Math.max(error, 4 * Math.abs(exact - rough.similarity[at]))
      offer(found, row, rough.index[at], exact)
    }
    const last = rough.similarity[(row + 1) * rough.k - 1]
    if (!(found.similarity[(row + 1) * o.k - 1] > last + error)) doubtful.push(row)
  }
  if (doubtful.length === 0) return found
  const again = search(train, test, doubtful, o)
  doubtful.forEach((row, r) => {
    found.index.set(again.index.subarray(r * o.k, (r + 1) * o.k), row * o.k)
    found.similarity.set(again.similarity.subarray(r * o.k, (r + 1) * o.k), row * o.k)
  })
  return found
}

/** Multiplications that the host does as fast as a device is made ready. */
const few = 3e8

/**
 * The same as `nearestOf`, to the bit: where there is much to multiply, a device finds out which items come into question, one product for
 * each pair of blocks; `progress` counts the blocks.
 */
export const nearestOn = (
  device: Device,
  train: Rows,
  test: Rows,
  o: NeighbourOptions,
  progress?: (done: number, total: number) => void,
  least = few,
): TaskEither<Fault, Neighbours> => {
  const { dim } = train
  const [known, asked] = [measured(train, o.normalise), measured(test, o.normalise)]
  const [trains, tests] = [known.length, asked.length]
  const kept = o.k + spare(o.k)
  // a device that is several processes runs what all of them run, and this may be asked of one
  if (trains * tests * dim < least || kept >= trains || device.share !== undefined)
    return TE.fromIO(() => search(known, asked, upTo(0, tests), o))
  const [right, left] = [Math.min(trains, onDevice.trains), Math.min(tests, onDevice.tests)]
  const [across, down] = [Math.ceil(trains / right), Math.ceil(tests / left)]
  const product = dot({ leftBatch: [], rightBatch: [], left: [1], right: [1] })(input('test', [left, dim]), input('train', [right, dim]))
  return pipe(
    TE.fromEither(trace('similarities', [value('similarity', product)])),
    TE.chain((g) => device.compile(g)),
    TE.chain((run) => async () => {
      const rough = none(tests, kept)
      for (let a = 0; a < across; a++) {
        const from = a * right
        const columns = Math.min(right, trains - from)
        // zeros beyond the end
        const train = divided(known, upTo(from, from + columns), new Float32Array(right * dim))
        for (let b = 0; b < down; b++) {
          const first = b * left
          const rows = Math.min(left, tests - first)
          const test = divided(asked, upTo(first, first + rows), new Float32Array(left * dim))
          const out = await run.run({ values: new Map(Object.entries({ train, test })) })()
          if (E.isLeft(out)) return out
          const block = out.right.get('similarity') ?? new Float32Array()
          for (let r = 0; r < rows; r++)
            for (let j = 0; j < columns; j++)
              if (!o.leaveOneOut || from + j !== first + r) offer(rough, first + r, from + j, block[r * right + j])
          progress?.(a * down + b + 1, across * down)
        }
      }
      return E.right(confirmed(rough, known, asked, o))
    }),
  )
}
