/** Multi-crop augmentation as settings. */
import { misuse } from '../../../core/primitive.ts'
import type { Augmentation, Retouch } from '../../../data/augment/augmentation.ts'
import type { AugmentationName } from '../../../data/augment/presets.ts'
import { augmentations } from '../../../data/augment/presets.ts'
import type { ValueOf } from '../../config/field.ts'
import { oneOf, pair, real, share, whole } from '../../config/field.ts'
import { section } from '../../config/section.ts'
import type { Own, Part } from '../part.ts'
import { ownMade, ownSections, part, partOf } from '../part.ts'

const names = ['digits', 'v1', 'v2', 'v3', 'v3-large', 'unresized'] as const satisfies ReadonlyArray<AugmentationName>

const area = { above: 0, max: 1 } as const

const settings = section('crops of each image', {
  recipe: oneOf(names, 'colours, mirrors and blur of a paper, or those of digits'),
  globals: whole(2, 'global crops', { min: 1, max: 64 }),
  globalSize: whole(28, 'pixels along their side', { min: 5 }),
  globalScale: pair([0.4, 1], 'share of the area that they show', area),
  locals: whole(4, 'local crops', { min: 0, max: 64 }),
  localSize: whole(14, 'pixels along their side', { min: 5 }),
  localScale: pair([0.15, 0.5], 'share of the area that they show', area),
  flip: share(0, 'how often a crop is mirrored'),
  warp: section('turns and slants of crops about their middle, and elastic bends', {
    probability: share(0, 'how often a crop has one'),
    rotation: real(10, 'by up to so many degrees to either side', { min: 0, max: 180 }),
    shear: real(0.2, 'by up to so many columns a row', { min: 0, max: 1 }),
    elastic: real(0, 'by up to this share of its side, each of a grid of points moves on its own', { min: 0, max: 0.45 }),
    points: whole(5, 'points of that grid along a side; the outermost lie beyond the crop', { min: 4, max: 64 }),
  }),
  blur: section('of the recipe digits', {
    probability: share(0, 'how often a crop is blurred'),
    sigma: pair([0.1, 1.5], 'by how much', { above: 0 }),
  }),
  jitter: section('of the recipe digits', {
    probability: share(0, 'how often brightness and contrast of a crop change'),
    brightness: real(0.6, 'factors within 1 plus or minus this', { min: 0 }),
    contrast: real(0.6, 'the same', { min: 0 }),
  }),
  solarised: share(0, 'of the recipe digits: how often a crop is solarised'),
  guided: section('local crops on boxes and masks that the images come with', {
    probability: share(0, 'how often a local crop shows one'),
    fraction: share(0.5, 'the part of its area that it shows at least'),
  }),
  blurOrder: oneOf(['intended', 'as-released'], 'of v2 and v3, whose code inverts what the papers say'),
})

export type Crops = ValueOf<typeof settings>

/** Global and local crops of each image, changed as a paper does. */
export const crops = part(settings, ({ recipe, blur, jitter, blurOrder, ...o }): Augmentation =>
  augmentations[recipe]({ ...o, blurred: blur, jitter: { ...jitter, saturation: 0, hue: 0 }, blur: blurOrder }),
)

/** Crops that plugins change where `augmentation.NAME` is a section and not null: one after the other, after the part's own change. */
export const retouchedBy =
  (own: Own<Retouch>) =>
  (plain: Part<Crops, Augmentation>): Part<Crops, Augmentation> => {
    if (own.size === 0) return plain
    return partOf(plain.settings.beside(ownSections(own)), (s) => {
      const added = ownMade(
        own,
        s,
        (name): Retouch =>
          (x) =>
            misuse(`augmentation.${name}`, [x], { allowed: 'its settings', remedy: 'decode them first' }),
      )
      const made = plain.make(s)
      const changes = [...(made.retouch === undefined ? [] : [made.retouch]), ...added]
      const retouch: Retouch = (x, group) => changes.reduce((y, change) => change(y, group), x)
      return { ...made, ...(changes.length === 0 ? {} : { retouch }) }
    })
  }

/** The usual crops with what plugins do to them. */
export const cropsWith = (own: Own<Retouch>): Part<Crops, Augmentation> => retouchedBy(own)(crops())
