/** Whatever a folder holds, every file is read or named: counted = read + noted, for `inspect` and for a run alike. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { arrayDataset } from '../../data/readers/array.ts'
import { recounted, summarize } from '../../data/loading/summary.ts'
import { openData } from '../../data/readers/index.ts'
import type { OpenedData } from '../../data/readers/opener.ts'
import { dicomBytes, slice } from './dicom-files.ts'
import { right } from './either.ts'
import { archive, counting } from './npy-files.ts'
import { fixtures } from './readers-reference.ts'
import { tarMember } from './tar-files.ts'

const picture = await sharp({ create: { width: 6, height: 5, channels: 3, background: { r: 200, g: 30, b: 90 } } })
  .png()
  .toBuffer()
const gray = await sharp(picture).toColourspace('b-w').png().toBuffer()
const jpeg = await sharp(picture).jpeg().toBuffer()
const gif = await sharp(picture).gif().toBuffer()
const volume = readFileSync(join(fixtures, 'nifti/n1_u1.nii'))

/** What people have in folders, by what it is called; `k` makes names and contents differ. */
const things: Readonly<Record<string, (k: number) => readonly [name: string, content: Uint8Array | string | undefined]>> = {
  picture: (k) => [`p${k}.png`, picture],
  'gray picture': (k) => [`g${k}.png`, gray],
  photo: (k) => [`f${k}.JPG`, jpeg],
  gif: (k) => [`a${k}.gif`, gif],
  'picture cut off': (k) => [`cut${k}.png`, picture.subarray(0, 60)],
  'empty picture': (k) => [`none${k}.jpg`, ''],
  'picture that is text': (k) => [`text${k}.png`, 'no picture'],
  'mask of a picture': (k) => [`p${k}_mask.png`, gray],
  'slice of CT': (k) => [`IM${k}.dcm`, dicomBytes(slice(k))],
  'slice without an ending': (k) => [`IM${k}`, dicomBytes(slice(k + 100))],
  'copy of a slice': (k) => [`copy${k}.dcm`, dicomBytes(slice(0))],
  'report page': (k) => [`report${k}.dcm`, dicomBytes(slice(k + 200, { '00080016 UI': '1.2.840.10008.5.1.4.1.1.7', '00080060 CS': 'OT' }))],
  plan: (k) => [`plan${k}.dcm`, dicomBytes({ '00080016 UI': '1.2.840.10008.5.1.4.1.1.481.5', '00080060 CS': 'RTPLAN' })],
  'slice cut off': (k) => [`short${k}.dcm`, dicomBytes(slice(k + 300)).subarray(0, 700)],
  volume: (k) => [`v${k}.nii`, volume],
  'volume cut off': (k) => [`w${k}.nii`, volume.subarray(0, 400)],
  array: (k) => [`x${k}.npy`, counting('|u1', [8, 8])],
  'archive of arrays': (k) => [`x${k}.npz`, archive({ images: counting('|u1', [3, 8, 8]) })],
  'array of text': (k) => [`broken${k}.npy`, 'no array'],
  table: (k) => [`t${k}.csv`, 'path,label\np0.png,1\n'],
  list: (k) => [`list${k}.json`, '[{"path": "p0.png"}]'],
  shard: (k) => [`s${k}.tar`, Buffer.concat([tarMember('a.png', picture), Buffer.alloc(1024)])],
  words: (k) => [`readme${k}.md`, 'words'],
  'unknown kind': (k) => [`u${k}.mha`, 'ObjectType = Image'],
  nothing: (k) => [`file${k}`, 'words'],
  hidden: (k) => [`.h${k}.png`, picture],
  'link to nothing': (k) => [`link${k}.png`, undefined],
}

const place = fc.constantFrom('', 'cats/', 'dogs/', 'train/', 'test/', 'train/cats/', 'test/cats/', 'patient01/', 'masks/', 'a/b/c/')
const entry = fc.record({ thing: fc.constantFrom(...Object.keys(things)), place, k: fc.nat(3) })

/** A folder of these, and how many files it has. */
const made = (entries: ReadonlyArray<{ readonly thing: string; readonly place: string; readonly k: number }>) => {
  const root = mkdtempSync(join(tmpdir(), 'dinograph-counted-'))
  const files = new Map(
    entries.map(({ thing, place: p, k }) => {
      const [name, content] = things[thing](k)
      return [`${p}${name}`, content] as const
    }),
  )
  for (const [path, content] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    if (content === undefined) symlinkSync('/nowhere/at/all', join(root, path))
    else writeFileSync(join(root, path), content)
  }
  return { root, count: files.size }
}

const sum = (xs: ReadonlyArray<number>): number => xs.reduce((a, b) => a + b, 0)

/** What is said, and how many images each part has. */
const said = (o: OpenedData) => ({
  kind: o.kind,
  notes: o.notes,
  files: o.files,
  skipped: o.skipped.map((f) => f.place),
  counts: [...o.splits].map(([name, d]) => [name, d.length]),
})

describe('every file is read or named', () => {
  test('for any folder, opened as `inspect` opens it and as a run does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 14 }), async (entries) => {
        const { root, count } = made(entries)
        try {
          const inspected = await openData(root, { channels: 'stored', values: 'stored', onError: 'skip' })()
          const run = await openData(root, { onError: 'skip' })()
          expect(E.isLeft(run)).toBe(E.isLeft(inspected))
          if (E.isLeft(inspected) || E.isLeft(run)) return
          expect(said(run.right)).toEqual(said(inspected.right))
          const o = inspected.right
          // a table says of its own rows what became of them
          if (o.files === undefined) {
            expect(o.kind).toBe('manifest')
            return
          }
          const unread = sum(
            await Promise.all([...o.splits.values()].map(async (d) => (await summarize(d, Infinity, () => undefined)).unreadFiles)),
          )
          for (const { files } of [o, recounted(o, unread)]) {
            expect(files?.found).toBe(count)
            expect(files === undefined ? 0 : files.read + files.faults + sum(files.left.map((l) => l.paths.length))).toBe(count)
            expect(files?.read).toBeGreaterThanOrEqual(0)
          }
          const named = o.files.left.flatMap((l) => l.paths)
          expect(new Set(named).size).toBe(named.length)
        } finally {
          rmSync(root, { recursive: true })
        }
      }),
      { numRuns: 60 },
    )
  }, 300_000)

  test('a pipe is named, and not waited for', async () => {
    const { root } = made([{ thing: 'picture', place: '', k: 0 }])
    execFileSync('mkfifo', [join(root, 'pipe.png')])
    const o = right(await openData(root)())
    expect([o.files?.found, o.files?.read, o.files?.left]).toEqual([2, 1, [{ what: 'named pipe', paths: ['pipe.png'] }]])
    rmSync(root, { recursive: true })
  })
})

test('labels that are listed are counted of all images, also where some are looked at', async () => {
  const [labels, classes] = [Int32Array.of(0, 1, 1, -1, 0, 1), ['a', 'b']]
  const d = right(
    arrayDataset({ name: 'six', channels: 1, height: 1, width: 1, range: [0, 1], images: new Float32Array(6), labels, classes }),
  )
  const of = async (limit: number, sample: 'first' | 'spread') => {
    const s = await summarize(d, limit, () => undefined, sample)
    return [s.count, s.read, s.labels]
  }
  expect(await of(3, 'spread')).toEqual([6, 3, { a: 2, b: 3 }])
  expect(await of(3, 'first')).toEqual([6, 3, { a: 1, b: 2 }])
  expect(await of(6, 'spread')).toEqual([6, 6, { a: 2, b: 3 }])
})
