/** Official state dicts name the same tensors in several ways; here they are brought to the one that models flatten to. */

/** What training checkpoints put before names: which network, how it was wrapped, and that it is the backbone. */
const prefixes: ReadonlyArray<string> = ['teacher.', 'student.', 'model.', 'model_ema.', 'module.', '_orig_mod.', 'backbone.']

const stripped = (name: string): string => {
  const prefix = prefixes.find((p) => name.startsWith(p))
  return prefix === undefined ? name : stripped(name.slice(prefix.length))
}

/** Blocks of chunked models, `blocks.<chunk>.<block>.` with blocks counted over all chunks, as `blocks.<block>.` (dinov2 `block_chunks`). */
export const unchunked = (name: string): string => name.replace(/(^|\.)blocks\.\d+\.(\d+)\./, '$1blocks.$2.')

/** `module.backbone.blocks.0.3.norm1.weight` -> `blocks.3.norm1.weight`. */
export const officialName = (name: string): string => unchunked(stripped(name))

/** Buffers that follow from the options, and heads: tensors of official files that a backbone does not have. */
export const isBesideBackbone = (name: string): boolean =>
  name === 'rope_embed.periods' || name.endsWith('.attn.qkv.bias_mask') || /^(dino_head|ibot_head|head|heads|dino_loss|ibot_patch_loss)\./.test(name)
