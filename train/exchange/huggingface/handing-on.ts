/** How pictures become pixels, handed on with a backbone that was read: as its source says it, in words of transformers. */
import type { Preprocessor } from './preprocessor.ts'
import type { WriteOptions } from './writer.ts'

/** A backbone of any kind, with how its source sees pictures. */
interface Seeing {
  readonly model: { readonly options: { readonly channels: number } }
  readonly preprocessor: Preprocessor | undefined
}

/** Statistics for a number of channels: theirs, or their mean for each. */
const forChannels = (x: number | ReadonlyArray<number>, channels: number): number | ReadonlyArray<number> =>
  typeof x !== 'object' || x.length === channels || x.length === 1
    ? x
    : Array.from({ length: channels }, () => x.reduce((a, b) => a + b, 0) / x.length)

/** Pillow's numbers of filters, which are all that transformers reads. */
const numbers: Readonly<Record<string, number>> = { nearest: 0, bilinear: 2, bicubic: 3 }

/** What to write of how a source sees pictures; nothing where it does not say it, or where another size of images was asked for. */
export const handedOn = (b: Seeing, resized = false): Pick<WriteOptions, 'preprocessor'> => {
  const p = b.preprocessor
  if (p === undefined || resized) return {}
  const { channels } = b.model.options
  const { image_mean, image_std, resample } = p
  return {
    preprocessor: {
      ...p,
      ...(p.image_processor_type === 'timm' ? { image_processor_type: 'BitImageProcessor' } : {}),
      ...(typeof resample === 'string' ? { resample: numbers[resample] ?? 3 } : {}),
      ...(image_mean === undefined ? {} : { image_mean: forChannels(image_mean, channels) }),
      ...(image_std === undefined ? {} : { image_std: forChannels(image_std, channels) }),
      do_convert_rgb: channels === 3,
    },
  }
}
