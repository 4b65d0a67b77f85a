/** Hugging Face's names for the backbones of the family. */

/** `model_type` of `config.json`. */
export const huggingFaceTypes = { vit: null, dinov2: null, dinov2_with_registers: null, dinov3_vit: null } as const

export type HuggingFaceType = keyof typeof huggingFaceTypes

/** The same of backbones with stages. */
export const pyramidTypes = { swin: null, dinov3_convnext: null } as const

export type PyramidType = keyof typeof pyramidTypes

/** Whatever is a folder of Hugging Face. */
export type FolderType = HuggingFaceType | PyramidType

export const isPyramidType = (type: string): type is PyramidType => Object.hasOwn(pyramidTypes, type)

export const isFolderType = (type: string): type is FolderType => Object.hasOwn(huggingFaceTypes, type) || isPyramidType(type)

/** The class of transformers that a folder of the type is loaded with. */
export const architectures: Readonly<Record<HuggingFaceType, string>> = {
  vit: 'ViTModel',
  dinov2: 'Dinov2Model',
  dinov2_with_registers: 'Dinov2WithRegistersModel',
  dinov3_vit: 'DINOv3ViTModel',
}
