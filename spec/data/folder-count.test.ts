/** Of any folder, every file is read, left with its reason, or a fault: by names alone, with every choice of what is read. */
import fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { expect, test } from 'vitest'
import { openData } from '../../data/readers/index.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { folders } from './folder-files.ts'

const folder = folders()

/** Parts of paths that people have, and endings of all kinds, read or not. */
const word = fc.constantFrom(
  'train',
  'val',
  'test',
  'imagesTr',
  'labelsTr',
  'a',
  'b',
  'masks',
  'images',
  'unlabeled',
  'wrap',
  '.git',
  'sub-01',
  'derivatives',
)
const name = fc
  .tuple(
    fc.constantFrom('0', '1', 'x_mask', 'x', 'x_seg', 'train', '.hidden', 'y_0000'),
    fc.constantFrom('.png', '.PNG', '.jpg', '.dcm', '.nii', '.npy', '.tga', '.txt', '.zip', ''),
  )
  .map(([stem, ending]) => stem + ending)
const oddFile = fc.tuple(fc.array(word, { maxLength: 3 }), name).map(([folders, n]) => [...folders, n].join('/'))

test('of any folder, every file is read, left with its reason, or a fault', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(oddFile, { minLength: 1, maxLength: 14 }),
      fc.constantFrom<OpenOptions>({}, { folders: 'classes' }, { select: ['all'] }, { select: ['train/*'] }, { select: ['pictures'] }),
      async (paths, o) => {
        // a file cannot be a folder too
        const files = paths.filter((p) => !paths.some((q) => q.startsWith(`${p}/`)))
        const root = await folder(...files)
        const data = await openData(root, { ...o, onError: 'skip' })()
        if (E.isLeft(data)) {
          expect(data.left.found).toMatch(/^no file|tables and no images/)
          return
        }
        const count = data.right.files
        if (count === undefined) return
        const left = count.left.reduce((n, l) => n + l.paths.length, 0)
        expect([count.read + left + count.faults, count.faults], files.join(' ')).toEqual([count.found, data.right.skipped.length])
        // hidden folders are one each, and what is in them is not looked at
        const hidden = (p: string): string => {
          const parts = p.split('/')
          const at = parts.findIndex((x) => x.startsWith('.'))
          return at < 0 ? p : parts.slice(0, at + 1).join('/')
        }
        expect(count.found, files.join(' ')).toBe(new Set(files.map(hidden)).size)
        // inspect and a run say it
        for (const l of count.left) expect(data.right.notes.join('\n')).toContain(`not read: ${l.paths.length} ${l.what}`)
      },
    ),
    { numRuns: 60 },
  )
}, 60_000)
