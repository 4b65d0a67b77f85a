/** `preprocessor_config.json`: how pictures become pixels for a backbone (transformers `image_processing_*.py`). */
import * as t from 'io-ts'
import { above, knowing, nullIsAbsent, wholeIn } from '../../../models/huggingface/codec.ts'
import type { FolderType, HuggingFaceType } from '../../../models/huggingface/types.ts'
import { isFolderType } from '../../../models/huggingface/types.ts'

const edge = wholeIn(1, 65536)

const sides = { height: edge, width: edge, shortest_edge: edge }

/** Whatever else is said of a size changes it: a longest edge, a greatest height. */
const anything = /./

const size = t.union(
  [edge, t.readonlyArray(edge), knowing(t.partial(sides), sides, anything)],
  'whole pixels, [height, width], {height, width} or {shortest_edge}',
)

const perChannel = t.union([t.number, t.readonlyArray(t.number)], 'a number, or one for each channel')

/** The class of a processor without its ending: `Bit` of `BitImageProcessorFast`. */
const bare = (name: string): string => name.replace(/(?:ImageProcessor|FeatureExtractor)(?:Fast|Pil)?$/, '')

/** Others resize and crop by rules of their own, whatever their keys say. */
const named = new t.Type<string>(
  'ViTImageProcessor, BitImageProcessor, CLIPImageProcessor, DeiTImageProcessor or DINOv3ViTImageProcessor, whose steps are known here',
  (u): u is string => typeof u === 'string' && isKnown(u),
  (u, c) => (typeof u === 'string' && isKnown(u) ? t.success(u) : t.failure(u, c)),
  t.identity,
)

const keys = {
  image_processor_type: named,
  feature_extractor_type: named,
  size,
  crop_size: size,
  resample: t.union([t.number, t.string], 'the number or the name of a filter'),
  do_center_crop: t.boolean,
  image_mean: perChannel,
  image_std: perChannel,
  rescale_factor: above(0),
  do_rescale: t.boolean,
  do_normalize: t.boolean,
  do_resize: t.boolean,
  do_convert_rgb: t.boolean,
}

const plain = t.partial(keys)

export type Preprocessor = t.TypeOf<typeof plain>

/** Keys that change pixels, where they are set. */
const changing = /^do_(?!reduce_labels$)|crop|pad|size|scale|offset|ratio|multiple|resample|interpolation/

/** What is read; null means absent. Keys that change pixels are known or refused, others are passed over. */
export const preprocessorCodec = nullIsAbsent(knowing(plain, keys, changing))

const clip = { image_mean: [0.48145466, 0.4578275, 0.40821073], image_std: [0.26862954, 0.26130258, 0.27577711] }
const half = { image_mean: 0.5, image_std: 0.5 }
const square = (side: number): { readonly height: number; readonly width: number } => ({ height: side, width: side })

/** What the classes of transformers take where a folder says nothing (`image_processing_*.py`). */
const classDefaults: Readonly<Record<string, Preprocessor>> = {
  ViT: { size: square(224), resample: 2, ...half },
  Bit: { size: { shortest_edge: 224 }, resample: 3, do_center_crop: true, crop_size: square(224), ...clip },
  CLIP: { size: { shortest_edge: 224 }, resample: 3, do_center_crop: true, crop_size: square(224), ...clip },
  DeiT: { size: square(256), resample: 3, do_center_crop: true, crop_size: square(224), ...half },
  DINOv3ViT: { size: square(224), resample: 2, image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] },
}

const isKnown = (name: string): boolean => bare(name) === 'timm' || Object.hasOwn(classDefaults, bare(name))

/** The class of a processor without its ending; empty where it says none. */
export const classOf = (p: Preprocessor): string => bare(p.image_processor_type ?? p.feature_extractor_type ?? '')

/** A processor with what its class takes for granted. */
export const completed = (p: Preprocessor): Preprocessor => ({
  ...(Object.hasOwn(classDefaults, classOf(p)) ? classDefaults[classOf(p)] : {}),
  ...p,
})

/** The class of the processor of a type of model, which transformers takes where a folder names none. */
const processors: Readonly<Record<FolderType, string>> = {
  vit: 'ViTImageProcessor',
  dinov2: 'BitImageProcessor',
  dinov2_with_registers: 'BitImageProcessor',
  dinov3_vit: 'DINOv3ViTImageProcessorFast',
  swin: 'ViTImageProcessor',
  dinov3_convnext: 'DINOv3ViTImageProcessorFast',
}

export const processorClass = (type: string): string | undefined => (isFolderType(type) ? processors[type] : undefined)

/** Means and standard deviations of ImageNet, with which the whole family is trained. */
const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }

/** Evaluations crop the middle 224 of a picture whose shorter side is 256; smaller images keep that ratio. */
const cropped = 224
const margin = 256 / 224

/** A processor that transformers knows for the type, for images of a side in pixels; ImageNet's statistics for three channels, else 0.5. */
export const preprocessorOf = (type: HuggingFaceType, image: number, channels: number): Readonly<Record<string, unknown>> => {
  const halves = Array.from({ length: channels }, () => 0.5)
  const { mean, std } = channels === 3 ? imageNet : { mean: halves, std: halves }
  const common = {
    image_mean: mean,
    image_std: std,
    do_convert_rgb: channels === 3,
    do_normalize: true,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_resize: true,
  }
  const side = Math.min(image, cropped)
  switch (type) {
    case 'vit':
      return { ...common, image_processor_type: processors[type], size: { height: image, width: image }, resample: 3 }
    case 'dinov3_vit':
      return { ...common, image_processor_type: processors[type], size: { height: image, width: image }, resample: 2 }
    case 'dinov2':
    case 'dinov2_with_registers':
      return {
        ...common,
        image_processor_type: processors[type],
        size: { shortest_edge: Math.round(side * margin) },
        resample: 3,
        do_center_crop: true,
        crop_size: { height: side, width: side },
      }
  }
}
