/** The released backbones of DINOv2 (dinov2 `hub/backbones.py`) and DINOv3 (dinov3 `hub/backbones.py`), by size. */
import { learned, learnedAntialiased } from './options.ts'
import type { VitOptions } from './options.ts'
import type { PresetOptions, Vit } from './vit.ts'
import { vit } from './vit.ts'

type Sizes = Pick<VitOptions, 'width' | 'depth' | 'heads'> & PresetOptions

/**
 * DINOv2: patches of 14, positions for 518 pixels, LayerScale from 1e-5 and stochastic depth by subsets of the batch as in its training
 * recipes. With registers, positions are read with antialias, as the released models with registers do.
 */
const v2 =
  (sizes: Sizes) =>
  (o: PresetOptions = {}): Vit =>
    vit({
      generation: 2,
      patch: 14,
      image: 518,
      layerScale: 1e-5,
      maskToken: true,
      wholePatches: true,
      dropPathRule: 'uniform',
      dropPathForm: 'subset',
      position: (o.registers ?? 0) > 0 ? learnedAntialiased : learned,
      ...sizes,
      ...o,
    })

/** `vitV2.small()`, `vitV2.base({ registers: 4 })`, … */
export const vitV2 = {
  small: v2({ width: 384, depth: 12, heads: 6 }),
  base: v2({ width: 768, depth: 12, heads: 12 }),
  large: v2({ width: 1024, depth: 24, heads: 16 }),
  giant: v2({ width: 1536, depth: 40, heads: 24, ffn: 'swiglu-fused' }),
}

/** DINOv3: patches of 16, four storage tokens, rotary positions whose coordinates are rescaled in training, keys without a bias. */
const v3 =
  (sizes: Sizes) =>
  (o: PresetOptions = {}): Vit =>
    vit({
      generation: 3,
      patch: 16,
      image: 224,
      layerScale: 1e-5,
      eps: 1e-5,
      registers: 4,
      maskToken: true,
      maskKeyBias: true,
      position: { kind: 'rope', periods: { base: 100 }, rescale: 2 },
      dropPathRule: 'uniform',
      dropPathForm: 'subset',
      ...sizes,
      ...o,
    })

/** `vitV3.small()`, … `plus` sizes are gated. The satellite's `large` has `localNorm: true`, as `huge7B` has. */
export const vitV3 = {
  small: v3({ width: 384, depth: 12, heads: 6 }),
  smallPlus: v3({ width: 384, depth: 12, heads: 6, mlpRatio: 6, ffn: 'swiglu' }),
  base: v3({ width: 768, depth: 12, heads: 12 }),
  large: v3({ width: 1024, depth: 24, heads: 16 }),
  largePlus: v3({ width: 1024, depth: 24, heads: 16, mlpRatio: 6, ffn: 'swiglu' }),
  so400m: v3({ width: 1152, depth: 27, heads: 18, mlpRatio: 3.777777778 }),
  hugePlus: v3({ width: 1280, depth: 32, heads: 20, mlpRatio: 6, ffn: 'swiglu' }),
  huge7B: v3({ width: 4096, depth: 40, heads: 32, mlpRatio: 3, ffn: 'swiglu64', qkvBias: false, localNorm: true }),
}
