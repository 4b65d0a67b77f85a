/** Weights of one imagery for another: patch embeddings of other channels, positions of another grid. */
import { range } from '../../../core/type.ts'
import { antialiasedTaps } from '../../../models/interpolation.ts'

/**
 * How a patch embedding of C channels is made for C'. `sum`: every new channel has the sum over the old ones, divided by C': for one
 * channel exactly the response to a grey picture in all old channels. `mean`: every new channel has their mean. `repeat`: new channel c
 * is old channel c mod C, times C / C'. `zero`: channels that both have stay, new ones are 0.
 */
export const channelRules = ['sum', 'mean', 'repeat', 'zero'] as const

export type ChannelRule = (typeof channelRules)[number]

/** `weight [D, from, p, p]` -> `[D, to, p, p]`; `area` is p². */
export const adaptChannels =
  (rule: ChannelRule, o: { readonly from: number; readonly to: number; readonly area: number }) =>
  (weight: Float32Array): Float32Array => {
    const { from, to, area } = o
    const rows = weight.length / (from * area)
    const out = new Float32Array(rows * to * area)
    const spread = rule === 'sum' ? 1 / to : 1 / from
    for (let row = 0; row < rows; row++) {
      for (let channel = 0; channel < to; channel++) {
        for (let i = 0; i < area; i++) {
          const at = (c: number): number => weight[(row * from + c) * area + i]
          out[(row * to + channel) * area + i] =
            rule === 'repeat'
              ? (at(channel % from) * from) / to
              : rule === 'zero'
                ? channel < from
                  ? at(channel)
                  : 0
                : range(from).reduce((sum, c) => sum + at(c), 0) * spread
        }
      }
    }
    return out
  }

/**
 * `pos_embed [1, 1 + from², D]` -> `[1, 1 + to², D]`: the class token's row stays, the others are resized by the bicubic kernel with
 * antialias, whole grid to whole grid.
 */
export const resizeGrid =
  (o: { readonly from: number; readonly to: number; readonly width: number }) =>
  (stored: Float32Array): Float32Array => {
    const { from, to, width } = o
    const taps = antialiasedTaps({ from, to, scale: to / from })
    const out = new Float32Array((1 + to * to) * width)
    out.set(stored.subarray(0, width))
    const rows = new Float64Array(to * from * width)
    for (let y = 0; y < to; y++)
      for (let i = 0; i < from; i++) {
        const weight = taps[y * from + i]
        if (weight !== 0) for (let k = 0; k < from * width; k++) rows[y * from * width + k] += weight * stored[width + i * from * width + k]
      }
    for (let y = 0; y < to; y++)
      for (let x = 0; x < to; x++)
        for (let d = 0; d < width; d++) {
          let sum = 0
          for (let j = 0; j < from; j++) sum += taps[x * from + j] * rows[(y * from + j) * width + d]
          out[width + (y * to + x) * width + d] = sum
        }
    return out
  }
