/** Convolutions of maps `[B, h, w, C]`, with weights as PyTorch stores them. */
import type { Expr } from '../core/expr.ts'
import type { Model } from '../core/model.ts'
import { param, truncNormal, zeros } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { add, mul } from '../ops/elementwise.ts'
import { linear } from '../ops/nn.ts'
import { sum } from '../ops/reduce.ts'
import { reshape, transpose } from '../ops/reshape.ts'
import { pad, runs, slice } from '../ops/window.ts'
import type { LinearParams } from './linear.ts'
import { patchesAlong } from './patch.ts'

/**
 * A convolution whose kernel is its stride: `[B, h, w, C] -> [B, floor(h/k), floor(w/k), D]`, `weight [D, C, k, k]`. Fault: a map that is
 * smaller than one kernel.
 */
export const patchConvolution = (o: {
  readonly kernel: number
  readonly in: number
  readonly out: number
}): Model<LinearParams, Expr, Expr> => ({
  params: { weight: param([o.out, o.in, o.kernel, o.kernel], truncNormal(0.02)), bias: param([o.out], zeros) },
  apply: (_c, p) => (x) => {
    const [batch, height, width] = x.type.shape
    const [h, w] = [patchesAlong(height, o.kernel), patchesAlong(width, o.kernel)]
    if (h === 0 || w === 0)
      return misuse('patchConvolution', [x], {
        allowed: `a map [B, h, w, ${o.in}] with h and w of at least ${o.kernel}`,
        remedy: 'give larger images, or make the model with fewer stages',
      })
    const whole = slice(2, 0, w * o.kernel)(slice(1, 0, h * o.kernel)(x))
    const cells = transpose([0, 1, 3, 5, 2, 4])(reshape([batch, h, o.kernel, w, o.kernel, o.in])(whole))
    const size = o.in * o.kernel * o.kernel
    return linear(reshape([batch, h, w, size])(cells), reshape([o.out, size])(p.weight), p.bias)
  },
})

/** A convolution of each channel by itself, padded with zeros: `[B, h, w, C] -> [B, h, w, C]`, `weight [C, 1, k, k]`, k odd. */
export const depthwise = (o: { readonly kernel: number; readonly width: number }): Model<LinearParams, Expr, Expr> => ({
  params: { weight: param([o.width, 1, o.kernel, o.kernel], truncNormal(0.02)), bias: param([o.width], zeros) },
  apply: (_c, p) => (x) => {
    const reach = (o.kernel - 1) / 2
    const around = pad(2, reach, reach)(pad(1, reach, reach)(x))
    // [B, k, h, k, w, C]
    const neighbours = runs(1, o.kernel)(runs(2, o.kernel)(around))
    const weight = reshape([o.kernel, 1, o.kernel, 1, o.width])(transpose([1, 2, 0])(reshape([o.width, o.kernel, o.kernel])(p.weight)))
    const convolved = sum({ axes: [1, 3] })(mul(neighbours, weight))
    return p.bias === undefined ? convolved : add(convolved, p.bias)
  },
})
