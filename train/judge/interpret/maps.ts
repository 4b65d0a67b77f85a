/** Where the class token of the last block looks, as maps over patches (dino `visualize_attention.py`). */
import type { Size } from '../../../data/augment/geometry.ts'

/**
 * Patches along height and width of an image of which there are `n`: whole ones alone, or one more where a network fills up what is left at
 * the edges; undefined where neither gives as many.
 */
export const gridOf = ({ height, width }: Size, patch: number, n: number): readonly [number, number] | undefined =>
  [Math.floor, Math.ceil].map((f) => [f(height / patch), f(width / patch)] as const).find(([rows, columns]) => rows * columns === n)

/** Attention of one image, `[heads, T, T]` row-major, T = prefix + N. */
export interface Attention {
  readonly data: Float32Array
  readonly heads: number
  /** Tokens before the patches: the class token and registers. */
  readonly prefix: number
  /** Patches along height and width. */
  readonly grid: readonly [number, number]
}

/**
 * What the class token gives to each patch, `[N]` for every head: row 0 without the columns of the class token and of registers. What
 * these get is left out and the rest is not divided by its sum, so that heads which look at registers alone stay dark.
 */
export const clsMaps = ({ data, heads, prefix, grid }: Attention): ReadonlyArray<Float32Array> => {
  const n = grid[0] * grid[1]
  const tokens = prefix + n
  return Array.from({ length: heads }, (_, h) => data.slice(h * tokens * tokens + prefix, h * tokens * tokens + tokens))
}

/** The mean of maps of one size. */
export const meanMap = (maps: ReadonlyArray<Float32Array>): Float32Array =>
  Float32Array.from({ length: maps[0]?.length ?? 0 }, (_, i) => maps.reduce((s, m) => s + m[i], 0) / maps.length)

/**
 * The patches that hold the share `mass` of a map, the largest first: sorted, summed up, and kept from where the rest falls short of 1 -
 * mass, as officially. 1 where a patch is kept. Law: the kept patches hold at least `mass` of the map; without the least of them they do
 * not.
 */
export const massMask =
  (mass: number) =>
  (map: Float32Array): Uint8Array => {
    const order = Array.from(map.keys()).sort((a, b) => map[a] - map[b] || b - a)
    const total = map.reduce((s, v) => s + v, 0)
    const mask = new Uint8Array(map.length)
    let below = 0
    for (const i of order) {
      below += map[i] / total
      if (below > 1 - mass) mask[i] = 1
    }
    return mask
  }
