/** Ranks that share the images of a step, side by side in one process: each reads its own, and together they have what one has. */
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import { expect, test } from 'vitest'
import type { Share } from '../../compiler/target.ts'
import { fault, showFault } from '../../core/fault.ts'
import { multiCrop } from '../../data/augment/multicrop.ts'
import { augmentations } from '../../data/augment/presets.ts'
import type { Loader } from '../../data/loading/loader.ts'
import { ahead, openLoader } from '../../data/loading/loader.ts'
import { arrayDataset } from '../../data/readers/array.ts'
import type { Dataset } from '../../data/readers/dataset.ts'
import { agreed, amongOthers, gathered, partOf } from '../../train/run/share.ts'
import { right } from '../data/either.ts'
import { wave } from '../support/tensor.ts'

/** Ranks of one process: what is said is handed on when all have said it. */
const together = (ranks: number): ReadonlyArray<Share> => {
  const rounds = new Map<number, { readonly said: Array<string>; readonly done: Promise<void>; readonly end: () => void; left: number }>()
  const counts = new Array<number>(ranks).fill(0)
  const roundOf = (n: number) => {
    const known = rounds.get(n)
    if (known !== undefined) return known
    let end = (): void => undefined
    const done = new Promise<void>((resolve) => {
      end = resolve
    })
    const made = { said: new Array<string>(ranks).fill(''), done, end, left: ranks }
    rounds.set(n, made)
    return made
  }
  return Array.from({ length: ranks }, (_, rank) => ({
    rank,
    ranks,
    exchange: (said) => async () => {
      const round = roundOf(counts[rank]++)
      round.said[rank] = said
      if (--round.left === 0) round.end()
      await round.done
      return E.right(round.said)
    },
  }))
}

const [n, side, batch, ranks] = [23, 12, 6, 3]

const images = right(
  arrayDataset({
    name: 'waves',
    channels: 3,
    height: side,
    width: side,
    range: [-1, 1],
    labels: new Int32Array(n),
    classes: ['waves'],
    images: Float32Array.from(wave(n * 3 * side * side)),
  }),
)

/** The same, of which some cannot be read; what is read is noted. */
const watched = (read: Array<number>, broken: ReadonlyArray<number> = []): Dataset => ({
  ...images,
  item: (i) => {
    read.push(i)
    return broken.includes(i)
      ? TE.left(fault('data', { place: `image ${i}`, found: 'noise', allowed: 'an image', remedy: 'replace it' }))
      : images.item(i)
  },
})

const augmentation = augmentations.v2({ globalSize: 8, localSize: 6, locals: 3 })
const whole = right(multiCrop(augmentation, { batch, channels: 3, side }))
const options = { seed: 9, batch, side, workers: 0, cacheBytes: 0 }

const opened = async (d: Dataset, share: Share | undefined, onError: 'stop' | 'skip' = 'stop'): Promise<Loader> => {
  const part = right(partOf(share, whole))
  return amongOthers(share)(ahead(2)(right(await openLoader(d, { ...options, ...part.rows, onError })())))
}

test('each reads its own images of the same order, and is fed its part of what one is fed', async () => {
  const one = await opened(watched([]), undefined)
  const shares = together(ranks)
  const read = shares.map(() => new Array<number>())
  const loaders = await Promise.all(shares.map((s, r) => opened(watched(read[r]), s)))
  expect(loaders.map((l) => l.size)).toEqual([batch, batch, batch])
  const parts = shares.map((s) => right(partOf(s, whole)))
  for (const step of [0, 1, 2, 5]) {
    const all = right(await one.batch(step)())
    const fed = right(whole.feed(options.seed, all))
    const own = await Promise.all(loaders.map(async (l) => right(await l.batch(step)())))
    expect(own.flatMap((b) => [...b.indices])).toEqual([...all.indices])
    for (const [path, type] of whole.inputs) {
      const axis = parts[0].compile.own?.get(path) ?? -1
      // batches of crops are crop-major: the axis of images is the one of as many as there are images
      expect(type.shape[axis]).toBe(batch)
      const outer = type.shape.slice(0, axis).reduce((a, b) => a * b, 1)
      const values = own.map((b, r) => right(parts[r].crops.feed(options.seed, b)).get(path) ?? new Float32Array())
      const size = values[0].length / outer
      const joined = Array.from({ length: outer }, (_, o) => values.flatMap((v) => [...v.subarray(o * size, (o + 1) * size)])).flat()
      expect(joined, path).toEqual([...(fed.get(path) ?? [])])
    }
    // a rank's share of the pixels
    expect(own.map((b) => b.canvases.length * ranks)).toEqual(own.map(() => all.canvases.length))
  }
  const seen = read.map((r) => new Set(r))
  // steps 0 to 7 were begun, of which 3 make an epoch: a rank has read two images of each
  for (const s of read) expect(s.length).toBeLessThanOrEqual(8 * (batch / ranks))
  // no image of an epoch was read by two ranks
  const order = await opened(watched([]), undefined)
  const first = (await Promise.all([0, 1, 2].map(async (s) => [...right(await order.batch(s)()).indices]))).flat()
  expect(new Set(first).size).toBe(18)
  expect(seen.every((s) => s.size > 0)).toBe(true)
})

test('what cannot be read by one rank is the fault of all, at the same step; what is left out is told once', async () => {
  const one = await opened(watched([], [4]), undefined)
  const steps = [0, 1, 2, 3, 4, 5]
  const alone: Array<string> = []
  for (const step of steps) {
    const b = await one.batch(step)()
    alone.push(E.isLeft(b) ? showFault(b.left) : 'read')
  }
  const loaders = await Promise.all(together(ranks).map((s) => opened(watched([], [4]), s)))
  for (const step of steps) {
    const all = await Promise.all(loaders.map((l) => l.batch(step)()))
    expect(all.map((b) => (E.isLeft(b) ? showFault(b.left) : 'read'))).toEqual(all.map(() => alone[step]))
  }
  expect(alone.filter((x) => x !== 'read').length).toBeGreaterThan(0)

  const skipping = await opened(watched([], [4, 11]), undefined, 'skip')
  const others = await Promise.all(together(ranks).map((s) => opened(watched([], [4, 11]), s, 'skip')))
  for (const step of steps) {
    const notes = right(await skipping.batch(step)()).notes
    const all = await Promise.all(others.map(async (l) => right(await l.batch(step)()).notes))
    expect(all).toEqual(all.map(() => notes))
  }
  for (const l of others)
    expect(
      l
        .skipped()
        .map((f) => f.place)
        .sort(),
    ).toEqual(
      skipping
        .skipped()
        .map((f) => f.place)
        .sort(),
    )
})

test('a result holds where all ranks have one', async () => {
  const bad = fault('data', { place: 'here', found: 'nothing', allowed: 'something', remedy: 'give it' })
  const [a, b] = together(2)
  const both = await Promise.all([agreed(a, 0)(E.right(1))(), agreed(b, 0)(E.right(2))()])
  expect(both).toEqual([E.right(1), E.right(2)])
  expect(await Promise.all([agreed(a, 1)(E.right(1))(), agreed(b, 1)<number>(E.left(bad))()])).toEqual([E.left(bad), E.left(bad)])
  expect(await agreed(undefined, 0)(E.right(3))()).toEqual(E.right(3))
})

test('what each has made is known to all, and what one of them cannot make is the fault of all', async () => {
  const all = await Promise.all(together(ranks).map((s) => gathered(s, 4)(t.number)(E.right(10 * s.rank))()))
  expect(all.map(right)).toEqual(all.map(() => [0, 10, 20]))
  const full = fault('checkpoint', { place: 'a shard', found: 'ENOSPC', allowed: 'a disk with room', remedy: 'free space' })
  const bad = await Promise.all(together(ranks).map((s) => gathered(s, 4)(t.number)(s.rank === 1 ? E.left(full) : E.right(1))()))
  expect(bad).toEqual(bad.map(() => E.left(full)))
})
