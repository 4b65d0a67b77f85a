/** `preprocessor_config.json`: how pictures become pixels for a backbone (transformers `image_processing_*.py`). */
import * as t from 'io-ts'
import type { HuggingFaceType } from '../../../models/huggingface/types.ts'

const size = t.union([t.number, t.partial({ height: t.number, width: t.number, shortest_edge: t.number })])

/** What is read; unknown keys are ignored. */
export const preprocessorCodec = t.partial({
  image_processor_type: t.string, feature_extractor_type: t.string, size, crop_size: size, resample: t.number, do_center_crop: t.boolean,
  image_mean: t.readonlyArray(t.number), image_std: t.readonlyArray(t.number), rescale_factor: t.number, do_rescale: t.boolean, do_normalize: t.boolean, do_resize: t.boolean,
})

export type Preprocessor = t.TypeOf<typeof preprocessorCodec>

/** Means and standard deviations of ImageNet, with which the whole family is trained. */
const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }

/** Evaluations crop the middle 224 of a picture whose shorter side is 256; smaller images keep that ratio. */
const cropped = 224
const margin = 256 / 224

/** A processor that transformers knows for the type, for images of a side in pixels; ImageNet's statistics for three channels, else 0.5. */
export const preprocessorOf = (type: HuggingFaceType, image: number, channels: number): Readonly<Record<string, unknown>> => {
  const half = Array.from({ length: channels }, () => 0.5)
  const { mean, std } = channels === 3 ? imageNet : { mean: half, std: half }
  const common = { image_mean: mean, image_std: std, do_normalize: true, do_rescale: true, rescale_factor: 1 / 255, do_resize: true }
  const side = Math.min(image, cropped)
  switch (type) {
    case 'vit': return { ...common, image_processor_type: 'ViTImageProcessor', size: { height: image, width: image }, resample: 3 }
    case 'dinov3_vit': return { ...common, image_processor_type: 'DINOv3ViTImageProcessorFast', size: { height: image, width: image }, resample: 2 }
    case 'dinov2':
    case 'dinov2_with_registers': return {
      ...common, image_processor_type: 'BitImageProcessor', size: { shortest_edge: Math.round(side * margin) }, resample: 3,
      do_center_crop: true, crop_size: { height: side, width: side }, do_convert_rgb: channels === 3,
    }
  }
}
