/** What other readers see in the fixtures (fixtures/make.py), and how a dataset is compared with it. */

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as t from 'io-ts'
import { expect } from 'vitest'
import type { Dataset, Image, Item } from '../../data/readers/dataset.ts'
import { decodeAs } from '../../data/formats/codec.ts'
import { right } from './either.ts'

/** The folder of the fixtures. */
export const fixtures = join(dirname(fileURLToPath(import.meta.url)), 'fixtures')

/** The folder of an installed package. */
export const packageFolder = (name: string): string => join(fixtures, '..', '..', '..', 'node_modules', name)

const Entry = t.intersection([
  t.type({ shape: t.array(t.number) }),
  t.partial({
    sha256: t.string,
    at: t.array(t.number),
    values: t.array(t.number),
    within: t.number,
    mean: t.number,
    labels: t.array(t.array(t.number)),
  }),
])

const json: unknown = JSON.parse(readFileSync(join(fixtures, 'reference.json'), 'utf8'))

/** For every fixture: the shape [n, C, H, W] of its images, and their hash or some of their values. */
export const reference = right(decodeAs(t.record(t.string, Entry), 'data', 'reference.json', '')(json))

export const itemsOf = async (d: Dataset): Promise<ReadonlyArray<Item>> => {
  const out: Item[] = []
  for (let i = 0; i < d.length; i++) out.push(right(await d.item(i)()))
  return out
}

const bytesOf = ({ data }: Image): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

/** Expects images to be the same, bit for bit (much faster than a comparison of arrays element by element). */
export const expectSameImages = (got: ReadonlyArray<Image>, wanted: ReadonlyArray<Image>, what: string): void => {
  const shape = (i: Image): ReadonlyArray<number> => [i.channels, i.height, i.width]
  expect(got.map(shape), what).toEqual(wanted.map(shape))
  expect(
    got.every((g, k) => Buffer.compare(bytesOf(g), bytesOf(wanted[k])) === 0),
    what,
  ).toBe(true)
}

/** Whether a dataset's images are those of the reference: bit for bit, or within what it allows for lossy codes. */
export const expectReference = async (name: string, d: Dataset): Promise<ReadonlyArray<Item>> => {
  const wanted = reference[name]
  expect(wanted, name).toBeDefined()
  const items = await itemsOf(d)
  expect([items.length, items[0].image.channels, items[0].image.height, items[0].image.width], name).toEqual(wanted.shape)
  const hash = createHash('sha256')
  for (const { image } of items) hash.update(bytesOf(image))
  if (wanted.sha256 !== undefined) expect(hash.digest('hex'), name).toBe(wanted.sha256)
  const size = items[0].image.data.length
  wanted.at?.forEach((at, k) => {
    const got = items[Math.floor(at / size)].image.data[at % size]
    expect(Math.abs(got - (wanted.values?.[k] ?? NaN)), `${name} at ${at}`).toBeLessThanOrEqual(wanted.within ?? 0)
  })
  return items
}
