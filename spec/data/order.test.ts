/** Orders of epochs: computed where they are asked for, in as little memory for a hundred million images as for a few. */
import fc from 'fast-check'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { expect, test } from 'vitest'
import { permutation, stream, streamKey } from '../../core/random.ts'
import { loader } from '../../data/loading/loader.ts'
import { buffered, epochOrder, scattered } from '../../data/loading/order.ts'
import type { Dataset } from '../../data/readers/dataset.ts'
import { runs } from '../support/arbitrary.ts'
import { right } from './either.ts'

const listed = (n: number, at: (i: number) => number): ReadonlyArray<number> => Array.from({ length: n }, (_, i) => at(i))

test('what is computed for each position is a permutation, another for each key', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 700 }), fc.nat(), (n, seed) => {
      const order = listed(n, scattered(streamKey(seed, 'order', 0), n))
      expect([...order].sort((a, b) => a - b)).toEqual(listed(n, (i) => i))
      if (n > 20) expect(listed(n, scattered(streamKey(seed, 'order', 1), n))).not.toEqual(order)
    }),
    runs(60),
  )
})

test('places are spread evenly: neighbours do not stay together', () => {
  const n = 3000
  const order = listed(n, scattered(streamKey(3, 'order', 0), n))
  // means of tenths of the positions are near that of all, within four deviations of a drawn mean
  for (let k = 0; k < 10; k++) {
    const mean = order.slice(k * 300, (k + 1) * 300).reduce((s, x) => s + x, 0) / 300
    expect(Math.abs(mean / n - 0.5)).toBeLessThan(4 / Math.sqrt(12 * 300))
  }
  expect(order.filter((x, i) => i > 0 && Math.abs(x - order[i - 1]) === 1).length).toBeLessThan(12)
})

test('items of shards come as from a list of all, whatever stands between them', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 * buffered }),
      fc.integer({ min: 1, max: 900 }),
      fc.integer({ min: 1, max: 9 }),
      (n, size, k) => {
        const shard = (i: number): number => Math.floor(i / size) % k
        // the list: shards in order of their first items, put in a drawn order, then shuffled buffer by buffer
        const numbers = [...new Set(listed(n, shard))]
        const sorted = Array.from(permutation(stream(5, 'loader.order', 2), numbers.length), (s) => numbers[s]).flatMap((s) =>
          listed(n, (i) => i).filter((i) => shard(i) === s),
        )
        const expected = listed(Math.ceil(n / buffered), (b) => b).flatMap((b) => {
          const part = sorted.slice(b * buffered, (b + 1) * buffered)
          return Array.from(permutation(stream(5, 'loader.buffer.2', b), part.length), (p) => part[p])
        })
        expect(listed(n, epochOrder({ length: n, shard }, 5, 2))).toEqual(expected)
      },
    ),
    runs(12),
  )
})

test('1,024 ranks share a hundred million images, each with a loader that knows seed and step', async () => {
  const read: Array<number> = []
  const d: Dataset = {
    name: 'many',
    length: 1e8,
    channels: 1,
    range: [0, 1],
    classes: [],
    label: () => O.none,
    item: (i) => {
      read.push(i)
      return TE.right({ source: String(i), image: { channels: 1, height: 2, width: 2, data: new Float32Array(4) } })
    },
  }
  const before = process.memoryUsage().arrayBuffers
  const [ranks, batch, step] = [1024, 4096, 3 * Math.floor(1e8 / 4096) + 17]
  for (let r = 0; r < ranks; r += 93) {
    const rows = { from: (r * batch) / ranks, to: ((r + 1) * batch) / ranks }
    const l = right(loader(d, { seed: 4, batch, side: 2, rows, cacheBytes: 0 }))
    const [once, again] = [right(await l.batch(step)()), right(await l.batch(step)())]
    expect(again).toEqual(once)
    expect(once.first).toBe(step * batch + rows.from)
    expect(once.epoch).toBe(3)
  }
  // 12 ranks, asked twice: four images each time, none of them another rank's, from anywhere
  expect(read.length).toBe(2 * 12 * 4)
  expect(new Set(read).size).toBe(12 * 4)
  expect(Math.max(...read) - Math.min(...read)).toBeGreaterThan(5e7)
  // an order as a list would be 400 MB
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20)
})
