import { execFile } from 'node:child_process'
import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { openTraining } from '../../data/loading/training.ts'
import { showOpened } from '../../data/loading/summary.ts'
import { openData } from '../../data/readers/index.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { left, right } from './either.ts'
import { folders, names } from './folder-files.ts'
import { itemsOf } from './readers-reference.ts'

const folder = folders()

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
    const traffic = await folder('bus/0.png', 'train/0.png', 'car/0.png', 'loose.png')
    const cars = await opened(traffic)
    expect([cars.counts, cars.classes]).toEqual([{ all: 4 }, ['bus', 'car', 'train']])
    expect(cars.said).toMatch(/the folder train is taken as a class[^]*data\.select=train\/\*/)
    expect(cars.said).toContain('1 file beside the folders of classes has no label: loose.png')
    expect((await opened(traffic, { select: ['train/*'] })).counts).toEqual({ train: 1 })
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
    expect(said).toContain(
      'read 2 of 9 files; not read: 2 .tga, 1 file without an ending, 1 hidden, 1 link to nothing, 1 named pipe, 1 link to a folder that is read already',
    )
    expect(files).toMatchObject({ found: 9, read: 2, faults: 0 })
    expect(left(await openData(join(root, 'pipe.png'))()).remedy).toBe('write what comes from it into a file first')
  })

  test('a name that is not UTF-8 stops, or is left out', async () => {
    const root = await folder('0.png')
    await writeFile(Buffer.concat([Buffer.from(`${root}/caf`), Buffer.from([0xe9]), Buffer.from('.png')]), 'x')
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
