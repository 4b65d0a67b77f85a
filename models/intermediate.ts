/** Features of inner layers, as evaluations of dense tasks read them (`get_intermediate_layers` of the official backbones). */
import { showAsked } from '../core/asked.ts'
import type { Expr } from '../core/expr.ts'
import { misuse } from '../core/primitive.ts'
import { reshape, transpose } from '../ops/reshape.ts'
import { pick, slice } from '../ops/window.ts'
import type { VitFeatures } from './vit.ts'

/** One block's output after the final norm. */
export interface LayerFeatures {
  /** `[B, D]` */
  readonly cls: Expr
  /** `[B, N, D]` */
  readonly patches: Expr
  /** The patches as a picture, `[B, D, h, w]`. */
  readonly map: Expr
}

/** `[B, N, D]` with N = h w -> `[B, D, h, w]`. */
export const asMap =
  (grid: readonly [number, number]) =>
  (patches: Expr): Expr => {
    const [batch, , width] = patches.type.shape
    return transpose([0, 3, 1, 2])(reshape([batch, ...grid, width])(patches))
  }

/** The last `which` blocks, or those whose places are listed, counted from 0; first block first. Fault: a block that is not there. */
export const intermediate =
  (which: number | ReadonlyArray<number>) =>
  (f: VitFeatures): ReadonlyArray<LayerFeatures> => {
    const n = f.layers.length
    const places = typeof which === 'number' ? Array.from({ length: which }, (_, i) => n - which + i) : which
    return places.map((i) => {
      const layer =
        f.layers[i] ??
        misuse('intermediate', [f.tokens], {
          allowed: `blocks 0 to ${n - 1} (asked: ${showAsked(i)})`,
          remedy: 'name blocks that the backbone has',
        })
      const patches = layer._tag === 'Invalid' ? layer : slice(1, f.prefix)(layer)
      return layer._tag === 'Invalid'
        ? { cls: layer, patches, map: layer }
        : { cls: pick(1, 0)(layer), patches, map: asMap(f.grid)(patches) }
    })
  }
