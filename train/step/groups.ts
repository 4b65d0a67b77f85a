/** Parameter groups: how much of the learning rate and of the weight decay each parameter gets, by its official name. */
import type { Parameter } from './transform.ts'

export interface Multipliers {
  readonly rate: number
  readonly decay: number
}

export type GroupRule = (p: Parameter) => Multipliers

/** One rule for all. */
export const uniformGroups: GroupRule = () => ({ rate: 1, decay: 1 })

/** DINO: no decay for names that end in `.bias` and for vectors (dino `utils.py` get_params_groups). */
export const v1Groups: GroupRule = ({ path, declaration }) => ({
  rate: 1,
  decay: path.endsWith('.bias') || declaration.shape.length === 1 ? 0 : 1,
})

export interface LayerDecayOptions {
  /** The learning rate of a layer over that of the layer above it. */
  readonly decay: number
  /** Blocks of the backbone; 0 for a head or a backbone with stages, whose layers all have the factor 1. */
  readonly blocks: number
  /** An additional factor for the patch embedding. */
  readonly patchEmbed: number
}

const tokens = ['pos_embed', 'patch_embed', 'mask_token', 'cls_token', 'register_tokens', 'storage_tokens']

/** Tokens and embeddings are layer 0, block i is layer i + 1, all that stands above the blocks is the last layer. */
const layerOf = (path: string, blocks: number): number => {
  if (tokens.some((t) => path.includes(t))) return 0
  // chunked models write blocks.<chunk>.<block>
  const found = /(?:^|\.)blocks\.(?:\d+\.)*?(\d+)\.(?!\d)/.exec(path)
  return found === null ? blocks + 1 : Number(found[1]) + 1
}

/** decay^(L + 1 - layer), L blocks (dinov2 `utils/param_groups.py` get_vit_lr_decay_rate; dinov3 `train/param_groups.py`). */
export const layerRate =
  (o: LayerDecayOptions) =>
  (path: string): number =>
    (o.blocks === 0 ? 1 : o.decay ** (o.blocks + 1 - layerOf(path, o.blocks))) * (path.includes('patch_embed') ? o.patchEmbed : 1)

/** DINOv2: no decay for biases, norms and layer scales. */
export const v2Groups =
  (o: LayerDecayOptions): GroupRule =>
  ({ path }) => ({ rate: layerRate(o)(path), decay: path.endsWith('.bias') || path.includes('norm') || path.includes('gamma') ? 0 : 1 })

/** DINOv3: as DINOv2, and none for Fourier weights. */
export const v3Groups =
  (o: LayerDecayOptions): GroupRule =>
  ({ path }) => ({
    rate: layerRate(o)(path),
    decay: path.endsWith('bias') || ['norm', 'gamma', 'fourier_w'].some((s) => path.includes(s)) ? 0 : 1,
  })
