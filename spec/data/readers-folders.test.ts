import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTraining } from '../../data/loading/training.ts'
import { showOpened } from '../../data/loading/summary.ts'
import { openData } from '../../data/readers/index.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { left, right } from './either.ts'
import { fixtures, itemsOf } from './readers-reference.ts'

let dir = ''
let number = 0

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dinograph-folders-'))
})
afterAll(async () => {
  await rm(dir, { recursive: true })
})

const picture = await sharp({ create: { width: 6, height: 5, channels: 3, background: { r: 200, g: 30, b: 90 } } })
  .png()
  .toBuffer()

/** Numbers as a .npy file of bytes. */
const npy = (shape: ReadonlyArray<number>): Uint8Array => {
  const head = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`
  const padded = `${head.padEnd(117)}\n`
  return Buffer.concat([
    Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, padded.length, 0]),
    Buffer.from(padded, 'latin1'),
    Buffer.alloc(
      shape.reduce((a, b) => a * b, 1),
      7,
    ),
  ])
}

/** A new folder with these files: pictures, copies of fixtures where they end as those do, else any text. */
const folder = async (...paths: ReadonlyArray<string>): Promise<string> => {
  const root = join(dir, String(number++))
  await mkdir(root)
  for (const p of paths) {
    const path = join(root, p)
    await mkdir(dirname(path), { recursive: true })
    if (/\.(png|jpg)$/i.test(p)) await writeFile(path, picture)
    else if (p.endsWith('.dcm')) await copyFile(join(fixtures, 'pydicom/MR_small.dcm'), path)
    else if (p.endsWith('.nii')) await copyFile(join(fixtures, 'nifti/n1_u1.nii'), path)
    else if (p.endsWith('.npy')) await writeFile(path, npy([2, 5, 6]))
    else await writeFile(path, 'x')
  }
  return root
}

const names = (prefix: string, n: number, ending: string): ReadonlyArray<string> =>
  Array.from({ length: n }, (_, i) => `${prefix}${i}${ending}`)

const opened = async (root: string, o: OpenOptions = {}) => {
  const data = right(await openData(root, o)())
  return {
    kind: data.kind,
    counts: Object.fromEntries([...data.splits].map(([s, d]) => [s, d.length])),
    classes: [...data.splits.values()][0].classes,
    files: data.files,
    data,
    said: showOpened(data).join('\n'),
  }
}

const xray = [
  ...names('train/NORMAL/', 3, '.png'),
  ...names('train/PNEUMONIA/', 3, '.png'),
  ...names('val/NORMAL/', 1, '.png'),
  ...names('test/PNEUMONIA/', 2, '.png'),
]

describe('parts and classes', () => {
  test.each([
    ['a file', ['sample.png'], 'sample.png'],
    ['a folder without labels', names('unlabeled/', 4, '.png'), 'unlabeled/0.png'],
    ['the archive unpacked once more', ['chest_xray/train/NORMAL/0.png'], 'chest_xray/train/NORMAL/0.png'],
  ])('%s beside train, val and test is no class, and is named', async (_, more, first) => {
    const root = await folder(...xray, ...more)
    const { counts, classes, said } = await opened(root)
    expect([counts, classes]).toEqual([{ train: 6, val: 1, test: 2 }, ['NORMAL', 'PNEUMONIA']])
    expect(said).toContain(`read 9 of ${9 + more.length} files; not read: ${more.length} beside train, val, test`)
    expect(said).toContain(first)
    // the setting that the note names
    expect(said).toContain('(--set data.folders=classes')
    expect((await opened(root, { folders: 'classes' })).counts).toEqual({ all: 9 + more.length })
  })

  test('what an archive leaves around all, around each part, and above parts', async () => {
    expect(await opened(await folder(...xray.map((p) => `outer/${p}`)))).toMatchObject({
      counts: { train: 6, val: 1, test: 2 },
      classes: ['NORMAL', 'PNEUMONIA'],
    })
    const intel = await folder(
      ...names('seg_train/seg_train/sea/', 2, '.jpg'),
      ...names('seg_train/seg_train/street/', 2, '.jpg'),
      ...names('seg_test/seg_test/sea/', 1, '.jpg'),
      'seg_pred/seg_pred/0.jpg',
    )
    expect(await opened(intel)).toMatchObject({ counts: { train: 4, test: 1 }, classes: ['sea', 'street'] })
    const mvtec = await folder(
      ...names('bottle/train/good/', 2, '.png'),
      'bottle/test/broken/0.png',
      'cable/train/good/0.png',
      'cable/test/good/0.png',
    )
    expect(await opened(mvtec)).toMatchObject({ counts: { train: 3, test: 2 }, classes: ['bottle', 'cable'] })
  })

  test('a class may be called train or mask; what has no class is said', async () => {
    const cars = await opened(await folder('bus/0.png', 'train/0.png', 'car/0.png', 'loose.png'))
    expect([cars.counts, cars.classes]).toEqual([{ all: 4 }, ['bus', 'car', 'train']])
    expect(cars.said).toMatch(/the folder train is taken as a class[^]*data\.select=train\/\*/)
    expect(cars.said).toContain('1 file beside the folders of classes has no label: loose.png')
    expect((await opened(join(dir, String(number - 1)), { select: ['train/*'] })).counts).toEqual({ train: 1 })
    expect((await opened(await folder('mask/0.png', 'no_mask/0.png'))).classes).toEqual(['mask', 'no_mask'])
    const some = await opened(await folder('a/0.png', 'b/0.png', 'unlabeled/0.png'))
    expect([some.classes, (await itemsOf([...some.data.splits.values()][0])).map((i) => i.label)]).toEqual([
      ['a', 'b'],
      [0, 1, undefined],
    ])
    expect(some.said).toContain('images in unlabeled have no label')
  })
})

describe('kinds', () => {
  test('the kind of most files is read, whatever its rank, and the others by their setting', async () => {
    const root = await folder(...names('', 5, '.png'), 'notes.dcm', 'mask.nii', 'volume.npy')
    const { kind, counts, said } = await opened(root)
    expect([kind, counts]).toEqual(['pictures', { all: 5 }])
    for (const other of ['dicom', 'nifti', 'npz']) {
      expect(said).toMatch(new RegExp(`not read: 1 ${other}: .*data\\.select=${other} reads them`))
      expect((await opened(root, { select: [other] })).kind).toBe(other)
    }
    expect((await opened(await folder(...names('', 4, '.dcm'), 'a.png', 'b.png'))).kind).toBe('dicom')
    expect(left(await openData(root, { select: ['dicom', 'x/*'] })()).found).toContain('8 files that data.select does not name')
  })

  test('arrays of a folder are joined, with the folders as classes or parts', async () => {
    expect(await opened(await folder(...names('', 3, '.npy')))).toMatchObject({ kind: 'npz', counts: { all: 6 } })
    const classes = await opened(await folder('b/0.npy', 'a/0.npy', 'a/1.npy'))
    expect(classes.classes).toEqual(['a', 'b'])
    expect((await itemsOf([...classes.data.splits.values()][0])).map((i) => i.label)).toEqual([0, 0, 0, 0, 1, 1])
    expect((await opened(await folder('train.npy', 'test.npy'))).counts).toEqual({ train: 2, test: 2 })
  })

  test('a table is said, or read where there is nothing else', async () => {
    const root = await folder('a.png', 'b.png', 'sub/x.txt')
    await writeFile(join(root, 'metadata.csv'), 'path,label\na.png,1\nb.png,0\n')
    const { said, counts } = await opened(root)
    expect(counts).toEqual({ all: 2 })
    expect(said).toContain(`--data ${join(root, 'metadata.csv')}`)
    await writeFile(join(root, 'sub', 'list.csv'), 'path,label\n../a.png,1\n')
    expect(await opened(join(root, 'sub'))).toMatchObject({ kind: 'manifest', counts: { all: 1 } })
  })
})

describe('masks are no images', () => {
  test.each([
    [
      'Decathlon',
      ['imagesTr/la_003.nii', 'imagesTr/la_004.nii', 'labelsTr/la_003.nii', 'labelsTr/la_004.nii', 'imagesTs/la_010.nii', 'dataset.json'],
      'labelsTr/la_003.nii',
      18,
    ],
    ['nnU-Net', ['imagesTr/la_003_0000.nii', 'imagesTr/la_003_0001.nii', 'labelsTr/la_003.nii'], 'labelsTr/la_003.nii', 12],
    ['BraTS', ['p1/B_001_flair.nii', 'p1/B_001_t1.nii', 'p1/B_001_seg.nii'], 'p1/B_001_seg.nii', 12],
    ['BIDS', ['sub-01/anat/sub-01_T1w.nii', 'derivatives/sub-01/sub-01_space-x_T1w.nii'], 'derivatives/sub-01/sub-01_space-x_T1w.nii', 6],
    ['BUSI', ['benign/benign (1).png', 'benign/benign (1)_mask.png', 'benign/benign (1)_mask_1.png'], 'benign/benign (1)_mask.png', 1],
    ['Pascal VOC', ['JPEGImages/0.jpg', 'SegmentationClass/0.png'], 'SegmentationClass/0.png', 1],
  ])('%s', async (_, paths, mask, images) => {
    const root = await folder(...paths)
    const { counts, said } = await opened(root)
    expect(Object.values(counts).reduce((a, b) => a + b, 0)).toBe(images)
    expect(said).toMatch(/not read: \d masks? of/)
    expect(said).toContain(mask)
    // the setting that the note names
    const [, words] = /\(--set data\.select=(\S+) reads them/.exec(said) ?? []
    const masks = right(await openData(root, { select: [words] })())
    expect(
      [...masks.splits.values()].some(
        (d) =>
          d.sourceOf !== undefined &&
          Array.from({ length: d.length }, (_, i) => d.sourceOf?.(i)).some((s) => s !== undefined && mask.endsWith(s)),
      ),
    ).toBe(true)
  })

  test("Decathlon's training and test images are these", async () => {
    expect((await opened(await folder('imagesTr/a.nii', 'labelsTr/a.nii', 'imagesTs/b.nii'))).counts).toEqual({ train: 6, test: 6 })
  })
})

describe('what is no file', () => {
  test('pipes are not waited for; hidden files, links to nothing and other endings are counted', async () => {
    const root = await folder('0.png', '1.PNG', '.hidden.png', 'a.tga', 'b.tga', 'README')
    await promisify(execFile)('mkfifo', [join(root, 'pipe.png')])
    await symlink('/nonexistent', join(root, 'gone.png'))
    await symlink('.', join(root, 'loop'))
    const { files, said } = await opened(root)
    expect(said).toContain('read 2 of 8 files; not read: 2 .tga, 1 file without an ending, 1 hidden, 1 link to nothing, 1 named pipe')
    expect(files).toMatchObject({ found: 8, read: 2, faults: 0 })
    expect(left(await openData(join(root, 'pipe.png'))()).remedy).toBe('write what comes from it into a file first')
  })

  test('a name that is not UTF-8 stops, or is left out', async () => {
    const root = await folder('0.png')
    await writeFile(Buffer.concat([Buffer.from(`${root}/caf`), Buffer.from([0xe9]), Buffer.from('.png')]), picture)
    const stop = left(await openData(root)())
    expect([stop.found, stop.remedy.includes('data.onError=skip')]).toEqual(['a name that is not UTF-8', true])
    const { files, data } = await opened(root, { onError: 'skip' })
    expect([files?.found, files?.read, files?.faults, data.skipped.length]).toEqual([2, 1, 1, 1])
  })

  test('of files that nothing reads, all kinds and the remedy are named', async () => {
    const f = left(await openData(await folder('a.mha', 'b.mha', 'c.txt'))())
    expect([f.found, f.remedy]).toEqual([
      'no file of a kind that is read among 3 files: 2 .mha, 1 .txt',
      'convert the files to one of these kinds, or name another file or folder',
    ])
    expect(left(await openData(await folder('d.zip'))()).remedy).toMatch(/^unpack the archive/)
    expect(left(await openData(await folder())()).found).toBe('no file')
  })
})

test('a run says the same as inspect', async () => {
  const root = await folder(...xray, 'sample.png', 'a.tga')
  const said: string[] = []
  right(
    await openTraining(root, {
      share: 0.2,
      loading: {},
      say: (t) => {
        said.push(t)
      },
    })(),
  )
  expect(said.slice(0, 3)).toEqual((await opened(root)).said.split('\n').slice(0, 3))
})

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
