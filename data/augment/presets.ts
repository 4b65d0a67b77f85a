/** The official augmentations by name, as the repositories of DINO, DINOv2 and DINOv3 configure them, and one for digits. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import type { Augmentation, CropGroup, Jitter, Normalisation } from './augmentation.ts'
import { checkAugmentation } from './augmentation.ts'
import { bicubic } from './taps.ts'

export const imagenet: Normalisation = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }

const ratio = [3 / 4, 4 / 3] as const
const colourJitter: Jitter = { probability: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.1 }
const noJitter: Jitter = { probability: 0, brightness: 0, contrast: 0, saturation: 0, hue: 0 }

const each = (n: number, value: number): ReadonlyArray<number> => Array.from({ length: n }, () => value)

/** One entry per global crop: the first has its own number, all others the second's. */
const firstAndOthers = (n: number, first: number, others: number): ReadonlyArray<number> =>
  Array.from({ length: n }, (_, i) => (i === 0 ? first : others))

export interface AugmentationOptions {
  readonly globals?: number
  readonly globalSize?: number
  readonly globalScale?: readonly [number, number]
  readonly locals?: number
  readonly localSize?: number
  readonly localScale?: readonly [number, number]
  readonly flip?: number
  /** Side of the crops for a Gram teacher. Default: none. */
  readonly gramSize?: number
  /** Of digits: how often a crop is blurred, and how much; stroke width is then no sign of an image. Default never. */
  readonly blurred?: { readonly probability: number; readonly sigma: readonly [number, number] }
  /** Of digits: how the brightness and the contrast of a crop change; its mean is then no sign of an image. Default not at all. */
  readonly jitter?: Jitter
  /** Of digits: how often a crop is solarised, which leaves the outlines of bright strokes. Default never. */
  readonly solarised?: number
  /**
   * v2 and v3 blur with the inverse of the probability that the papers state: crop 1 never, crop 2 in 9 of 10.
   * `intended` is what the papers say (and the default), `as-released` what the code does.
   */
  readonly blur?: 'intended' | 'as-released'
  readonly sharedJitter?: boolean
  /** Turns, slants and bends. Default none. */
  readonly warp?: Augmentation['warp']
  readonly normalisation?: Normalisation
  /** Local crops on known regions of interest. */
  readonly guided?: CropGroup['guided']
}

/** What distinguishes the official augmentations. */
interface Release {
  readonly globalSize: number
  readonly globalScale: readonly [number, number]
  readonly localSize: number
  readonly localScale: readonly [number, number]
  readonly flip: number
  readonly blurKind: Augmentation['blurKind']
  readonly invertsBlur: boolean
}

const v1: Release = {
  globalSize: 224,
  globalScale: [0.4, 1],
  localSize: 96,
  localScale: [0.05, 0.4],
  flip: 0.5,
  blurKind: 'pillow',
  invertsBlur: false,
}
const v2: Release = {
  globalSize: 224,
  globalScale: [0.32, 1],
  localSize: 96,
  localScale: [0.05, 0.32],
  flip: 0.5,
  blurKind: 'gaussian',
  invertsBlur: true,
}
/** The 7B and distillation configurations. */
const v3large: Release = { ...v2, globalSize: 256, localSize: 112, flip: 0 }

const fromRelease =
  (name: string, release: Release) =>
  (o: AugmentationOptions = {}): Augmentation => {
    const globals = o.globals ?? 2
    const locals = o.locals ?? 8
    const released = release.invertsBlur && o.blur === 'as-released'
    return {
      name,
      global: {
        count: globals,
        size: o.globalSize ?? release.globalSize,
        scale: o.globalScale ?? release.globalScale,
        ratio,
        blur: released ? firstAndOthers(globals, 0, 0.9) : firstAndOthers(globals, 1, 0.1),
        solarise: firstAndOthers(globals, 0, 0.2),
      },
      local: {
        count: locals,
        size: o.localSize ?? release.localSize,
        scale: o.localScale ?? release.localScale,
        ratio,
        blur: each(locals, 0.5),
        solarise: each(locals, 0),
        ...(o.guided === undefined ? {} : { guided: o.guided }),
      },
      ...(o.gramSize === undefined ? {} : { gram: { size: o.gramSize } }),
      resampling: bicubic,
      flip: o.flip ?? release.flip,
      warp: o.warp,
      jitter: colourJitter,
      sharedJitter: o.sharedJitter ?? false,
      grayscale: 0.2,
      blurKind: release.blurKind,
      sigma: [0.1, 2],
      normalisation: o.normalisation ?? imagenet,
      notes: release.invertsBlur
        ? [
            `blur ${released ? 'as released: global crop 1 never, global crop 2 in 9 of 10' : 'as intended: global crop 1 always, global crop 2 in 1 of 10 (the released code inverts these)'}`,
          ]
        : [],
    }
  }

/**
 * The colours of v2 on squares that are cut from the image and never resized, so that a structure keeps its size in pixels (and, where
 * images share a spacing, in millimetres): for medical images, after DINO-MX (arXiv 2511.01610), crops without resizing.
 */
const unresized = (o: AugmentationOptions = {}): Augmentation => {
  const r = fromRelease('unresized', v2)(o)
  return {
    ...r,
    global: { ...r.global, resized: false },
    local: { ...r.local, resized: false },
    notes: [...r.notes, 'crops are cut as they are; only images smaller than a crop are enlarged to it'],
  }
}

/** Digits of 28 x 28 gray pixels: crops that keep a digit readable, no mirror images, no colour, no blur unless asked for. */
const digits = (o: AugmentationOptions = {}): Augmentation => {
  const globals = o.globals ?? 2
  const locals = o.locals ?? 4
  return {
    name: 'digits',
    global: {
      count: globals,
      size: o.globalSize ?? 28,
      scale: o.globalScale ?? [0.5, 1],
      ratio,
      blur: each(globals, o.blurred?.probability ?? 0),
      solarise: each(globals, o.solarised ?? 0),
    },
    local: {
      count: locals,
      size: o.localSize ?? 16,
      scale: o.localScale ?? [0.15, 0.5],
      ratio,
      blur: each(locals, o.blurred?.probability ?? 0),
      solarise: each(locals, o.solarised ?? 0),
      ...(o.guided === undefined ? {} : { guided: o.guided }),
    },
    ...(o.gramSize === undefined ? {} : { gram: { size: o.gramSize } }),
    resampling: bicubic,
    flip: o.flip ?? 0,
    warp: o.warp,
    jitter: o.jitter ?? noJitter,
    sharedJitter: false,
    grayscale: 0,
    blurKind: 'gaussian',
    sigma: o.blurred?.sigma ?? [0.1, 2],
    // mean and deviation of MNIST's training pixels
    normalisation: o.normalisation ?? { mean: [0.1307], std: [0.3081] },
    notes: [],
  }
}

export const augmentations = {
  v1: fromRelease('v1', v1),
  v2: fromRelease('v2', v2),
  v3: fromRelease('v3', v2),
  'v3-large': fromRelease('v3-large', v3large),
  unresized,
  digits,
}

export type AugmentationName = keyof typeof augmentations

export const augmentationNames: ReadonlyArray<string> = Object.keys(augmentations)

export const isAugmentationName = (name: string): name is AugmentationName => Object.hasOwn(augmentations, name)

/** An augmentation by name, checked. */
export const augmentationOf = (name: string, options: AugmentationOptions = {}): Either<Fault, Augmentation> =>
  isAugmentationName(name)
    ? checkAugmentation(augmentations[name](options))
    : E.left(
        fault('config', {
          place: 'augmentation',
          found: `the augmentation "${name}"`,
          allowed: augmentationNames.join(', '),
          remedy: 'name one of these augmentations',
        }),
      )
