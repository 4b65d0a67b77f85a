/** Folders as competitions and programs lay them out: what is an image, a mask, a class, and what must not be parted. */
import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import { describe, expect, test } from 'vitest'
import { oddValues } from '../../data/loading/odd-values.ts'
import { showOpened, summarize } from '../../data/loading/summary.ts'
import { withIntensity } from '../../data/loading/intensity.ts'
import { openData } from '../../data/readers/index.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { datasetOf, trainAndTest } from '../../data/readers/split.ts'
import { dicomBytes, folderOf, seriesFiles, slice, storage } from './dicom-files.ts'
import { left, right } from './either.ts'
import { folders, names } from './folder-files.ts'
import { archive, counting, npy } from './npy-files.ts'

const folder = folders()

const opened = async (root: string, o: OpenOptions = {}) => {
  const data = right(await openData(root, o)())
  const [d] = data.splits.values()
  return {
    data,
    d,
    counts: Object.fromEntries([...data.splits].map(([s, own]) => [s, own.length])),
    classes: d.classes,
    labels: Array.from({ length: d.length }, (_, i) =>
      O.match(
        () => '-',
        (k: number) => d.classes[k],
      )(d.label(i)),
    ),
    said: showOpened(data).join('\n'),
  }
}

const both = (of: (part: string) => ReadonlyArray<string>): ReadonlyArray<string> => ['train', 'val'].flatMap(of)

describe('masks of', () => {
  test.each<readonly [string, ReadonlyArray<string>, ReadonlyArray<string>]>([
    [
      'Cityscapes',
      both((p) => [`leftImg8bit/${p}/a/a_000001_000019_leftImg8bit.png`]),
      both((p) => [`gtFine/${p}/a/a_000001_000019_gtFine_labelIds.png`, `gtFine/${p}/a/a_000001_000019_gtFine_color.png`]),
    ],
    ['CamVid', both((p) => names(`${p}/`, 2, '.png')), both((p) => names(`${p}annot/`, 2, '.png'))],
    [
      'DRIVE',
      both((p) => [`${p}/images/21_${p}.png`, `${p}/images/22_${p}.png`]),
      both((p) => [
        `${p}/1st_manual/21_manual1.png`,
        `${p}/1st_manual/22_manual1.png`,
        `${p}/mask/21_${p}_mask.png`,
        `${p}/mask/22_${p}_mask.png`,
      ]),
    ],
    ['CHASE', ['Image_01L.png', 'Image_01R.png'], ['Image_01L_1stHO.png', 'Image_01R_1stHO.png', 'Image_01R_2ndHO.png']],
    [
      'FreeSurfer',
      names('sub-', 2, '/mri/T1.nii'),
      ['aseg', 'aparc+aseg', 'brainmask', 'lesion'].flatMap((m) => names('sub-', 2, `/mri/${m}.nii`)),
    ],
    ['KiTS', names('case_0', 2, '/imaging.nii'), names('case_0', 2, '/instances/tumor_instance-1_annotation-1.nii')],
    ['BraTS, one of which has another name', names('W', 2, '/W_flair.nii'), ['W0/W_1998.09.19_Segm.nii', 'W1/W_seg.nii']],
    ['an older and a newer version', names('Case0', 2, '.nii'), [...names('Case0', 2, '_segmentation.nii'), 'Case01_segmentation_old.nii']],
  ])('%s are no images', async (_, images, masks) => {
    const { counts, said, data } = await opened(await folder(...images, ...masks))
    const perFile = images[0].endsWith('.nii') ? 6 : 1
    expect(Object.values(counts).reduce((a, b) => a + b, 0)).toBe(images.length * perFile)
    expect(data.files?.read).toBe(images.length)
    expect(said).toContain(`${masks.length} masks of images`)
    expect(data.splits.size).toBe(images.some((p) => p.includes('val/')) ? 2 : 1)
  })
})

describe('folders', () => {
  test('that an archive was parted into for download are no classes', async () => {
    const { classes, said } = await opened(await folder('images_001/images/a.png', 'images_002/images/b.png', 'images_003/images/c.png'))
    expect(classes).toEqual([])
    expect(said).toContain('images_001, images_002, images_003 are parts of the data, and no classes')
  })

  test('of numbers with the same folders in each are patients; of words they are classes, and it is said', async () => {
    const patients = await folder(...['8863', '10253'].flatMap((p) => [`${p}/0/x.png`, `${p}/1/y.png`]))
    const { classes, said } = await opened(patients)
    expect(classes).toEqual([])
    expect(said).toContain('2 folders of numbers that all have the same folders (0, 1) are patients, and no classes: 10253, 8863')
    expect((await opened(patients, { folders: 'classes' })).classes).toEqual(['10253', '8863'])
    const styles = await opened(await folder(...['art', 'photo'].flatMap((p) => [`${p}/cat/x.png`, `${p}/dog/y.png`])))
    expect(styles.classes).toEqual(['art', 'photo'])
    expect(styles.said).toContain('folders are taken for classes, though all of them have the same folders (cat, dog): art, photo')
    expect((await opened(await folder('a/x/0.png', 'a/y/0.png', 'b/x/0.png'))).said).not.toContain('the same folders')
  })

  test('that are read already by another name are counted and named', async () => {
    const root = await folder('a/0.png', 'b/0.png')
    await symlink('a', join(root, 'c'))
    await symlink('..', join(root, 'b/up'))
    const { counts, said } = await opened(root)
    expect(counts).toEqual({ all: 2 })
    expect(said).toContain('read 2 of 4 files; not read: 2 link to a folder that is read already')
    expect(said).toContain('b/up, c')
  })
})

describe('what is not parted', () => {
  test.each([
    ['slices of a volume', [0, 1, 2, 3, 4].flatMap((v) => names(`volume_${v}_slice_`, 4, '.png')), (s: string) => s.slice(0, 8)],
    ['frames of a film', [0, 1, 2, 3, 4].flatMap((v) => names(`walk${v}-frame`, 4, '.jpg')), (s: string) => s.slice(0, 5)],
    ['pictures of a person', [0, 1, 2, 3, 4].flatMap((v) => names(`person${v}_bacteria_`, 4, '.jpg')), (s: string) => s.slice(0, 7)],
    ['volumes of a patient', [0, 1, 2, 3, 4].flatMap((v) => names(`patient00${v}_frame0`, 2, '.nii')), (s: string) => s.slice(0, 10)],
  ])('%s', async (_, files, of) => {
    const { data } = await opened(await folder(...files))
    const { train, test: held, said } = right(trainAndTest(data, 0.2))
    const seen = (d: typeof train): ReadonlySet<string> => new Set(Array.from({ length: d.length }, (__, i) => of(d.sourceOf?.(i) ?? '')))
    expect([train.length * 0.25, seen(held).size]).toEqual([held.length, 1])
    expect([...seen(held)].filter((g) => seen(train).has(g))).toEqual([])
    expect(said?.join('\n')).toMatch(/^1 of 5 patients, series or volumes/)
  })
})

describe('kinds', () => {
  test('mammograms for processing beside those for presentation, and labels of slides, are kinds of their own', async () => {
    const mammogram = (sop: string) => (): Parameters<typeof slice>[1] => ({
      '00080060 CS': 'MG',
      '00080016 UI': `${storage}${sop}`,
      '0020000E UI': sop,
    })
    const shown = seriesFiles(3, (k) => ({ ...mammogram('1.2')(), '00080018 UI': `1.2.7.${k}` }))
    const raw = Object.fromEntries(
      Object.entries(seriesFiles(3, (k) => ({ ...mammogram('1.2.1')(), '00080018 UI': `1.2.8.${k}` }))).map(([n, b]) => [`raw${n}`, b]),
    )
    const both = await opened(await folderOf({ ...shown, ...raw }))
    expect(both.counts).toEqual({ all: 3 })
    expect(both.d.sourceOf?.(0)).toBe('IM000.dcm')
    expect(both.said).toContain('Left out: 3 images MG for-processing')
    const label = dicomBytes(slice(9, { '00080060 CS': 'SM', '00080008 CS': 'ORIGINAL\\PRIMARY\\LABEL\\NONE', '0020000E UI': '5' }))
    const slide = dicomBytes(slice(8, { '00080060 CS': 'SM', '00080008 CS': 'ORIGINAL\\PRIMARY\\VOLUME\\NONE', '0020000E UI': '5' }))
    const slides = await opened(await folderOf({ 'a.dcm': label, 'slide.dcm': slide }))
    expect([slides.counts, slides.d.sourceOf?.(0)]).toEqual([{ all: 1 }, 'slide.dcm'])
    expect(slides.said).toContain('SM overview')
  })

  test('one array of other channels does not change what all are', async () => {
    const root = await folder('a/0.npy', 'b/0.npy')
    await writeFile(
      join(root, 'b/1.npy'),
      counting('|u1', [16, 16, 3], () => 9),
    )
    const { counts, classes, said } = await opened(root)
    expect([counts, classes]).toEqual([{ all: 4 }, ['a', 'b']])
    expect(said).toContain(
      '1 image of 3 channels beside 4 of 1 is left out: b/1.npy (--set data.channels=3 reads all, and repeats what is gray)',
    )
    expect(said).toContain('read 2 of 3 files')
    const all = await opened(root, { channels: 3 })
    expect([all.counts, all.d.channels]).toEqual([{ all: 5 }, 3])
  })

  test('arrays called after their part alone, and images that lie flat', async () => {
    const root = await folder('x')
    const parts = { train: counting('|u1', [4, 16, 16], () => 1), test: counting('|u1', [2, 16, 16], () => 1) }
    await writeFile(join(root, 'a.npz'), archive({ ...parts, train_labels: counting('|u1', [4], (i) => i % 2) }))
    const { counts, labels } = await opened(join(root, 'a.npz'))
    expect([counts, labels]).toEqual([{ train: 4, test: 2 }, ['0', '1', '0', '1']])
    await writeFile(join(root, 'flat.npy'), npy('<f4', [5, 784], new Uint8Array(5 * 784 * 4)))
    const flat = left(await openData(join(root, 'flat.npy'))())
    expect(flat.remedy).toContain('images=x.reshape(-1, 28, 28)')
  })

  test.each([
    ['ENVI\nsamples = 4\n', 'a header of ENVI', 'TIFF of as many bands'],
    ['#?RADIANCE\n', 'a picture of Radiance', 'TIFF of floats'],
  ])('a .hdr that begins with %j is of another format, and not damaged', async (text, what, instead) => {
    const root = await folderOf({ 'scene.hdr': text })
    const f = left(await openData(join(root, 'scene.hdr'))())
    expect([f.found, f.remedy]).toEqual([`${what}, which is not read`, expect.stringContaining(`convert it, to ${instead}`)])
  })
})

test('values that fill what was not measured are no data', async () => {
  const fill = Float32Array.from({ length: 64 }, (_, i) => (i < 16 ? -3.4028234663852886e38 : i))
  const root = await folderOf({ 'a.npy': npy('<f4', [8, 8], new Uint8Array(fill.buffer)) })
  const { data } = await opened(join(root, 'a.npy'))
  const d = right(datasetOf(data))
  const s = await summarize(d, 9, () => undefined)
  expect([s.missing, s.values]).toEqual([16, [16, 63]])
  expect(oddValues(s).join('\n')).toContain('16 of 64 values are NaN or infinite, or beyond 1e30 as fill values are')
  const seen = right(await withIntensity({ kind: 'percentile', low: 0, high: 100, of: 'image' })(d)())
  const { data: shown } = right(await seen.item(0)()).image
  expect([shown[0], shown[15], shown[16], shown[63]]).toEqual([0, 0, 0, 1])
  expect(shown[40]).toBeCloseTo(24 / 47)
})
