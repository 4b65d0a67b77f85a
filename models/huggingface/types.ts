/** Hugging Face's names for the backbones of the family. */

/** `model_type` of `config.json`. */
export const huggingFaceTypes = { vit: null, dinov2: null, dinov2_with_registers: null, dinov3_vit: null } as const

export type HuggingFaceType = keyof typeof huggingFaceTypes

/** The class of transformers that a folder of the type is loaded with. */
export const architectures: Readonly<Record<HuggingFaceType, string>> = {
  vit: 'ViTModel',
  dinov2: 'Dinov2Model',
  dinov2_with_registers: 'Dinov2WithRegistersModel',
  dinov3_vit: 'DINOv3ViTModel',
}
