/** Further members of kinds that people bring, each with what it is. */
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { openData } from '../../data/readers/index.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { dicomBytes, slice } from './dicom-files.ts'
import { left, right } from './either.ts'
import { bytesOf, counting, npy } from './npy-files.ts'
import { fixtures, itemsOf } from './readers-reference.ts'

const picture = await sharp({ create: { width: 6, height: 5, channels: 3, background: { r: 200, g: 30, b: 90 } } })
  .png()
  .toBuffer()
const volume = readFileSync(join(fixtures, 'nifti/n1_u1.nii'))

/** A folder with these files: texts as they are given, pictures and volumes by their endings. */
const folder = async (...files: ReadonlyArray<string | readonly [path: string, content: string | Uint8Array]>): Promise<string> => {
  const root = await mkdtemp(join(tmpdir(), 'dinograph-members-'))
  for (const f of files) {
    const [path, content] = typeof f === 'string' ? [f, f.endsWith('.nii') ? volume : picture] : f
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
  return root
}

const numbered = (f: (k: number) => string, n = 3): ReadonlyArray<string> => Array.from({ length: n }, (_, k) => f(k))

/** What a data set is: images of each split by their classes, `-` for none, and everything that is said. */
const seen = async (path: string) => {
  const opened = right(await openData(path)())
  const splits = Object.fromEntries(
    [...opened.splits].map(([name, d]) => {
      const counts: Record<string, number> = {}
      for (let i = 0; i < d.length; i++) {
        const c = O.match(
          () => '-',
          (k: number) => d.classes[k],
        )(d.label(i))
        counts[c] = (counts[c] ?? 0) + 1
      }
      return [name, counts]
    }),
  )
  return { splits, said: opened.notes.join('\n'), files: opened.files }
}

describe('folders', () => {
  test.each<readonly [string, ReadonlyArray<string>, Readonly<Record<string, Readonly<Record<string, number>>>>, RegExp]>([
    [
      'a test folder whose images have no class, as in Tiny ImageNet',
      [
        ...numbered((k) => `train/n1/images/${k}.png`),
        ...numbered((k) => `train/n2/images/${k}.png`),
        ...numbered((k) => `val/images/${k}.png`),
      ],
      { train: { n1: 3, n2: 3 }, val: { '-': 3 } },
      /the folder images is no class of those that are trained on/,
    ],
    [
      'a test with a number',
      [...numbered((k) => `train/${k}.png`), ...numbered((k) => `test1/${k}.png`)],
      { train: { '-': 3 }, test: { '-': 3 } },
      /^$/,
    ],
    [
      'folds of a cross-validation',
      [...numbered((k) => `fold1/a/${k}.png`), ...numbered((k) => `fold2/b/${k}.png`)],
      { all: { '-': 6 } },
      /fold1, fold2 are parts of the data, and no classes \(--set data\.folders=classes/,
    ],
    [
      'thumbnails and folders that systems make',
      [...numbered((k) => `a/${k}.png`), ...numbered((k) => `b/${k}.png`), '@eaDir/0.png', 'a/Thumbs.db'],
      { all: { a: 3, b: 3 } },
      /not read: 2 hidden: @eaDir, a\/Thumbs\.db/,
    ],
    [
      'masks by their whole name, as in KiTS',
      [...numbered((k) => `case_${k}/imaging.nii`), ...numbered((k) => `case_${k}/segmentation.nii`)],
      { all: { '-': 3 * 6 } },
      /not read: 3 masks of images: case_0\/segmentation\.nii/,
    ],
    [
      'masks by their beginning, as in LiTS',
      [...numbered((k) => `volume-${k}.nii`), ...numbered((k) => `segmentation-${k}.nii`)],
      { all: { '-': 3 * 6 } },
      /not read: 3 masks of images: segmentation-0\.nii/,
    ],
    [
      'masks of each case in a folder, as in TotalSegmentator',
      [...numbered((k) => `s${k}/ct.nii`), ...numbered((k) => `s${k}/segmentations/liver.nii`)],
      { all: { '-': 3 * 6 } },
      /not read: 3 masks of images: s0\/segmentations\/liver\.nii.*data\.select=\[s0\/segmentations/,
    ],
    [
      'contrasts beside each other, as in BraTS',
      [...numbered((k) => `p${k}/p${k}_t1.nii`), ...numbered((k) => `p${k}/p${k}_flair.nii`)],
      { all: { '-': 6 * 6 } },
      /files of 2 contrasts by their names are read as one kind: 3 flair, 3 t1 \(--set data\.select=\*_flair\.nii\* reads one/,
    ],
    [
      'no class is lost that is called mask',
      [...numbered((k) => `mask/${k}.png`), ...numbered((k) => `no_mask/x${k}.png`), 'sample.png'],
      { all: { mask: 3, no_mask: 3, '-': 1 } },
      /1 file beside the folders of classes has no label/,
    ],
    ['pictures without an ending', numbered((k) => `${k}`), { all: { '-': 3 } }, /^$/],
  ])('%s', async (_, files, splits, said) => {
    const s = await seen(await folder(...files))
    expect(s.splits).toEqual(splits)
    expect(s.said).toMatch(said)
  })

  test('the setting that a note of contrasts names reads one of them', async () => {
    const root = await folder(...numbered((k) => `p${k}_t1.nii`), ...numbered((k) => `p${k}_t2.nii`))
    const d = right(datasetOf(right(await openData(root, { select: ['*_t1.nii*'] })())))
    expect([d.length, d.sourceOf?.(0)]).toEqual([3 * 6, 'p0_t1.nii'])
  })
})

const rows = (f: (k: number) => string, n = 4): string => Array.from({ length: n }, (_, k) => `${f(k)}\n`).join('')

describe('tables', () => {
  test.each<readonly [string, string, string, Readonly<Record<string, number>>, RegExp]>([
    [
      'without a header',
      't.csv',
      rows((k) => `img/${k}.png,${k % 2}`),
      { 0: 2, 1: 2 },
      /the first line names a file or folder and is read as a row/,
    ],
    [
      'with remarks before the header',
      't.csv',
      `# made by me\n# twice\nimage,label\n${rows((k) => `img/${k}.png,${k % 2}`)}`,
      { 0: 2, 1: 2 },
      /columns/,
    ],
    ['whose header begins with #', 't.csv', `#image,label\n${rows((k) => `img/${k}.png,${k % 2}`)}`, { 0: 2, 1: 2 }, /columns/],
    ['of web addresses', 't.csv', `path,label\n${rows((k) => `im%67/${k}.png,${k % 2}`)}`, { 0: 2, 1: 2 }, /4 paths found with %20/],
    [
      'whose folder was renamed',
      't.csv',
      `Path,level\n${rows((k) => `Set-v1/img/${k}.png,${k}`)}`,
      { 0: 1, 1: 1, 2: 1, 3: 1 },
      /without its first folders/,
    ],
    [
      'that contradict themselves',
      't.csv',
      `image,label\n${rows((k) => `img/${k % 2}.png,${k}`)}`,
      { 0: 1, 1: 1, 2: 1, 3: 1 },
      /2 images are in several rows with different labels/,
    ],
    [
      'that are labels by path',
      'l.json',
      JSON.stringify(Object.fromEntries([0, 1, 2, 3].map((k) => [`img/${k}.png`, k % 2]))),
      { 0: 2, 1: 2 },
      /columns/,
    ],
    [
      'None, as Python writes it',
      't.csv',
      `image,label\n${rows((k) => `img/${k}.png,${k === 0 ? 'None' : 'ab'[k % 2]}`)}`,
      { '-': 1, a: 1, b: 2 },
      /1 of 4 rows have no label \(None\)/,
    ],
    [
      '-2 among classes that count from 0',
      't.csv',
      `image,label\n${rows((k) => `img/${k}.png,${k === 0 ? -2 : k % 2}`)}`,
      { '-': 1, 0: 1, 1: 2 },
      /1 of 4 rows have no label \(-2\)/,
    ],
  ])('%s', async (_, name, text, counts, said) => {
    const s = await seen(join(await folder(...numbered((k) => `img/${k}.png`, 4), [name, text]), name))
    expect(s.splits).toEqual({ all: counts })
    expect(s.said).toMatch(said)
  })

  test('measurements are no classes, in tables and in arrays', async () => {
    const text = `image,target\n${rows((k) => `img/${k % 4}.png,${50 + k * 1.37}`, 30)}`
    const s = await seen(join(await folder(...numbered((k) => `img/${k}.png`, 4), ['t.csv', text]), 't.csv'))
    expect([s.splits, s.said.includes('30 numbers such as 51.37, which are no classes: read without labels')]).toEqual([
      { all: { '-': 30 } },
      true,
    ])
  })
})

describe('arrays', () => {
  test('labels beside their images are read with them, part by part', async () => {
    const root = await folder(
      ['x_train.npy', counting('|u1', [6, 8, 8])],
      ['y_train.npy', npy('|u1', [6], Uint8Array.of(0, 1, 2, 0, 1, 2))],
      ['x_test.npy', counting('|u1', [2, 8, 8])],
      ['y_test.npy', npy('<i4', [2], bytesOf(Int32Array.of(1, 1)))],
    )
    const s = await seen(root)
    expect(s.splits).toEqual({ train: { 0: 2, 1: 2, 2: 2 }, test: { 1: 2 } })
    expect([s.files?.found, s.files?.read, s.files?.left.map((l) => l.paths)]).toEqual([4, 2, [['y_test.npy', 'y_train.npy']]])
  })

  test('what is true of many files is said once', async () => {
    const root = await folder(...numbered((k) => `${k}.npy`, 5).map((p) => [p, counting('|u1', [9, 10, 3])] as const))
    const { notes } = right(await openData(root)())
    expect(notes).toEqual([expect.stringMatching(/^5 files, as 0\.npy: \[9, 10, 3\] is taken as hwc/)])
  })

  test('objects and complex numbers are not read, and no copy of the file would help', async () => {
    for (const [descr, bytes] of [
      ['|O', 8],
      ['<c8', 8],
    ] as const) {
      const f = left(await openData(join(await folder(['a.npy', npy(descr, [8, 8], new Uint8Array(64 * bytes))]), 'a.npy'))())
      expect([f.found, f.remedy]).toEqual([
        expect.stringContaining("NumPy's type"),
        expect.stringMatching(/^write it as an array of one type/),
      ])
    }
  })
})

describe('DICOM', () => {
  test('values that fill the lowest bits are taken from there, whatever the high bit is said to be', async () => {
    const root = await folder(
      ['a.dcm', dicomBytes(slice(0, { '00280101 US': [12], '00280102 US': [15] }))],
      ['b.dcm', dicomBytes(slice(0, { '00280101 US': [12], '00280102 US': [11], '00080018 UI': '1.2.3.99' }))],
    )
    const opened = right(await openData(root, { channels: 'stored' })())
    const [a, b] = await itemsOf(right(datasetOf(opened)))
    expect([...a.image.data]).toEqual([...b.image.data])
    expect(opened.notes.join()).toContain('12 bits are stored up to bit 15')
  })

  test('an .img that is DICOM is read as such; a spacing below 0 is said', async () => {
    const root = await folder(['a.img', dicomBytes(slice(0, { '00280030 DS': '0.8\\-0.8' }))])
    const opened = right(await openData(root, { channels: 'stored' })())
    expect([opened.kind, opened.notes.join()]).toEqual(['dicom', expect.stringContaining('the pixel spacing "0.8\\\\-0.8" is none')])
  })
})
