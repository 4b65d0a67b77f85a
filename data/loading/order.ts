/**
 * The order in which an epoch visits a data set, as a function of (seed, epoch) alone: a resumed run, and N ranks that take their rows of
 * each batch, see the order of one that ran through. Nothing is carried from one epoch, or one batch, to the next.
 */
import { permutation, stream, streamKey, threefry } from '../../core/random.ts'
import type { Words } from '../../core/random.ts'
import type { Dataset } from '../readers/dataset.ts'
import { grouped } from '../readers/walk.ts'

/** Items that are shuffled among each other where a data set lies in shards: what a buffer of this size would hold. */
export const buffered = 2048

/** The item at a position of an epoch. */
export type Order = (position: number) => number

/** Up to here an order is a list: a draw's 24 bits choose among no more. */
const listed = 2 ** 24

/** Rounds of the network below: four of them cannot be told from a permutation that was drawn (Luby and Rackoff 1988). */
const rounds = 4

/**
 * A permutation of n numbers that is computed where it is asked for: a Feistel network over an even number of bits, repeated until the
 * result is one of the n (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002), fewer than four times in the mean.
 */
export const scattered = (key: Words, n: number): Order => {
  let half = 1
  while (4 ** half < n) half++
  const side = 2 ** half
  const once = (x: number): number => {
    let [a, b] = [Math.floor(x / side), x % side]
    for (let round = 0; round < rounds; round++) [a, b] = [b, (a + (threefry(key, [b, round])[0] >>> 0)) % side]
    return a * side + b
  }
  return (position) => {
    let x = once(position)
    while (x >= n) x = once(x)
    return x
  }
}

/** Where the items of a shard lie, one after the other. */
interface Run {
  readonly shard: number
  readonly from: number
  readonly count: number
}

const runsOf = (n: number, shard: (i: number) => number): ReadonlyArray<Run> => {
  const runs: Array<Run> = []
  for (let from = 0, i = 1; i <= n; i++)
    if (i === n || shard(i) !== shard(from)) {
      runs.push({ shard: shard(from), from, count: i - from })
      from = i
    }
  return runs
}

/** Items by their shards, in the order of shards that is given; within a shard in their own order. */
const byShards = (runs: ReadonlyArray<Run>, order: (shards: number) => Int32Array): Order => {
  const all = [...grouped(runs, (r) => String(r.shard)).values()]
  const sorted = Array.from(order(all.length), (s) => all[s]).flat()
  const starts = new Float64Array(sorted.length)
  for (let k = 1; k < sorted.length; k++) starts[k] = starts[k - 1] + sorted[k - 1].count
  return (position) => {
    let [low, high] = [0, sorted.length - 1]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (starts[middle] <= position) low = middle
      else high = middle - 1
    }
    return sorted[low].from + position - starts[low]
  }
}

/** Shuffled through a buffer, whose content is known from the position alone: it is filled and emptied whole. */
const throughBuffer = (order: Order, n: number, seed: number, epoch: number): Order => {
  let last: { readonly buffer: number; readonly places: Int32Array } | undefined
  return (position) => {
    const buffer = Math.floor(position / buffered)
    const from = buffer * buffered
    if (last?.buffer !== buffer)
      last = { buffer, places: permutation(stream(seed, `loader.buffer.${epoch}`, buffer), Math.min(buffered, n - from)) }
    return order(from + last.places[position - from])
  }
}

/**
 * An epoch's order: any permutation; of shards, these in a drawn order and their items shuffled through a buffer, so that files are read
 * nearly one after the other. What is held of it is a list of at most 2^24 numbers, or a place for each shard.
 */
export const epochOrder = ({ length: n, shard }: Pick<Dataset, 'length' | 'shard'>, seed: number, epoch: number): Order => {
  const own = stream(seed, 'loader.order', epoch)
  if (shard !== undefined)
    return throughBuffer(
      byShards(runsOf(n, shard), (shards) => permutation(own, shards)),
      n,
      seed,
      epoch,
    )
  if (n > listed) return scattered(streamKey(seed, 'loader.order', epoch), n)
  const list = permutation(own, n)
  return (position) => list[position]
}
