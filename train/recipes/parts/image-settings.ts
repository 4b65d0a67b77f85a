/** The settings of images: what of them is read, and how their values become intensities. */
import { windowPresets } from '../../../data/loading/intensity.ts'
import { layouts } from '../../../data/readers/npz/layout.ts'
import type { ValueOf } from '../../config/field.ts'
import { list, oneOf, optional, pair, real, text, whole } from '../../config/field.ts'
import { section } from '../../config/section.ts'

/** Sizes that files state are not believed beyond these. */
const limits = section('what one file may take', {
  item: whole(4096, 'MiB of one image, volume or array once it is unpacked; a file that states more is refused', { min: 1, max: 2 ** 22 }),
})

/** The columns of a table that has other names than those that are known. */
const columns = section('columns of a table; empty: by their names, and by what they hold', {
  path: text('', 'paths of images'),
  label: text('', 'labels; none: without'),
  split: text('', 'train, val or test; none: without'),
  group: text('', 'patients, or what else is not to be parted; none: without'),
})

export const imageSettings = section(
  'what is trained on',
  {
    path: text(
      '',
      'a file or folder of images, or a table of them (boxes: x,y,width,height in pixels, one after the other, or COCO; mask: a path); empty: the digits that are shipped',
    ),
    train: whole(8000, 'digits to train on', { min: 1, max: 10000 }),
    test: whole(2000, 'digits to evaluate with', { min: 0, max: 10000 }),
    share: real(0.2, 'of images at a path without a split: share of each class that is kept for evaluation', { above: 0, below: 1 }),
    channels: oneOf(['usual', '1', '2', '3', '4'], 'channels that images are turned into; usual: what all of them can share'),
    axis: oneOf(['usual', '0', '1', '2'], 'the axis along which volumes are sliced'),
    select: list(
      text('', 'a word'),
      [],
      'what of the data is read, where it is not all of one kind: readers (dicom, nifti, pictures), patterns of paths with * or /, words of a reader (MR, SEG, a series), or all',
    ),
    folders: oneOf(
      ['usual', 'classes', 'none'],
      'what folders are; usual: parts where they are called train, val, test, else classes, those of patients aside; none: nothing',
    ),
    volume: oneOf(
      ['all', '0', '1', '2', '3', '4', '5', '6', '7'],
      'which of the volumes of a file (contrasts, times): all, or one, from 0',
    ),
    layout: oneOf(
      ['usual', ...layouts],
      'how the axes of arrays lie: n images, c channels, d slices, h rows, w columns; usual: as their lengths say',
    ),
    pages: oneOf(
      ['images', 'channels'],
      'what the pages of a TIFF are: images by themselves, or channels of one, as OME and ImageJ describe them, else all of them',
    ),
    columns,
    unlabelled: list(text('', 'a text'), [], 'texts that stand for no label; none: blank, NaN, NA, null, -1, and 255 beyond all others'),
    annotations: oneOf(
      ['stored', 'upright'],
      'what boxes and masks of a table count: pixels as stored, or of pictures turned upright by their EXIF',
    ),
    boxes: oneOf(['sides', 'corners'], 'what four numbers of a box are that have no names: x, y, width, height, or x and y of two corners'),
    sign: oneOf(
      ['said', 'signed', 'unsigned'],
      'whether whole numbers of DICOM, NIfTI and gray pictures of 16 bits have a sign, so that the top of their range is below 0; said: as files say',
    ),
    nan: oneOf(['air', 'stop', 'zero'], 'what values that are NaN or infinite are: air, as padding; a fault; or the value 0'),
    onError: oneOf(['stop', 'skip'], 'what an image that cannot be read does'),
    intensity: oneOf(
      ['usual', 'windows', 'percentiles', 'percentiles of all', 'range', 'full'],
      'how values become intensities; usual: what suits what they measure',
    ),
    windows: list(
      text('', 'a window'),
      [],
      `display windows, a channel for each: ${Object.keys(windowPresets).join(', ')} (in Hounsfield units), file, or CENTRE/WIDTH`,
    ),
    ends: pair([0.5, 99.5], "low and high end: of percentiles, or of the range in the values' units"),
    normalisation: oneOf(
      ['recipe', 'imagenet', 'computed', 'model', 'given'],
      'mean and deviation of channels: of the recipe, of ImageNet, of these images, of the network that is gone on from, or mean and std',
    ),
    mean: list(real(0, 'a mean'), [], 'given: of intensities in 0..1, one number for each channel'),
    std: list(real(1, 'a deviation', { above: 0 }), [], 'given: the same'),
    workers: optional(whole(1, 'threads that load images; null: as many as suit the data and the machine', { min: 0, max: 64 })),
    canvas: optional(
      whole(
        512,
        'side of the squares that images are laid on before crops are taken, larger ones shrunk; null: what suits the images, at most 512, and crops of larger ones are cut from all of their pixels',
        { min: 16, max: 8192 },
      ),
    ),
    prefetch: whole(2, 'batches that are begun before they are needed', { min: 0, max: 64 }),
    cache: whole(512, 'MiB for decoded images that are kept'),
    limits,
  },
  [
    {
      at: 'windows',
      of: ['intensity', 'windows'],
      holds: (d) => (d.intensity === 'windows') === d.windows.length > 0,
      allowed: () => 'windows where intensity is windows, and only there',
      remedy: 'set both or neither',
    },
    {
      at: 'mean',
      of: ['normalisation', 'mean', 'std'],
      holds: (d) => d.mean.length === d.std.length && (d.normalisation === 'given') === d.mean.length > 0,
      allowed: () => 'as many means as deviations where normalisation is given, and only there',
      remedy: 'set all three or none',
    },
    {
      at: 'test',
      of: ['path', 'train', 'test'],
      holds: (d) => d.path !== '' || d.train + d.test <= 10000,
      allowed: (d) => `at most ${10000 - d.train} beside ${d.train} to train on: there are 10000 digits`,
      remedy: 'take fewer',
    },
  ],
)

export type Images = ValueOf<typeof imageSettings>
