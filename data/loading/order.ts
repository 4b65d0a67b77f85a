/**
 * The order in which an epoch visits a data set, as a function of (seed, epoch) alone: a resumed run, and N ranks that take their rows of
 * each batch, see the order of one that ran through.
 */
import { permutation, stream } from '../../core/random.ts'
import type { Dataset } from '../readers/dataset.ts'

/** Items that are shuffled among each other where a data set lies in shards: what a buffer of this size would hold. */
export const buffered = 2048

/** Items by their shards, in the order of shards that is given; within a shard in their own order. */
const byShards = (n: number, shard: (i: number) => number, order: (shards: number) => Int32Array): Int32Array => {
  const number = new Map<number, number>()
  const counts: number[] = []
  const of = new Int32Array(n)
  for (let i = 0; i < n; i++) {
    const s = shard(i)
    const known = number.get(s) ?? counts.length
    if (known === counts.length) {
      number.set(s, known)
      counts.push(0)
    }
    counts[known]++
    of[i] = known
  }
  const places = new Int32Array(counts.length)
  let at = 0
  for (const s of order(counts.length)) {
    places[s] = at
    at += counts[s]
  }
  const out = new Int32Array(n)
  for (let i = 0; i < n; i++) out[places[of[i]]++] = i
  return out
}

/**
 * An epoch's order: any permutation; of shards, these in a drawn order and their items shuffled through a buffer, so that files are read
 * nearly one after the other. The buffer's content is known from the position alone: it is filled and emptied whole.
 */
export const epochOrder = (d: Pick<Dataset, 'length' | 'shard'>, seed: number, epoch: number): Int32Array => {
  const { length: n, shard } = d
  const own = stream(seed, 'loader.order', epoch)
  if (shard === undefined) return permutation(own, n)
  const out = byShards(n, shard, (shards) => permutation(own, shards))
  for (let from = 0; from < n; from += buffered) {
    const part = out.slice(from, from + buffered)
    const places = permutation(stream(seed, `loader.buffer.${epoch}`, from / buffered), part.length)
    for (let k = 0; k < part.length; k++) out[from + k] = part[places[k]]
  }
  return out
}
