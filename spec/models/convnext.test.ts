/** ConvNeXt: sizes, names, convolutions against sums written out, and masks. */
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { gradOptions } from '../../compiler/grad.ts'
import type { Expr } from '../../core/expr.ts'
import { leavesOfGraph, value } from '../../core/graph.ts'
import { input, parameter } from '../../core/leaves.ts'
import { call, context, declarations, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { sizeOf } from '../../core/type.ts'
import type { ConvnextOptions } from '../../models/convnext.ts'
import { convnext } from '../../models/convnext.ts'
import { depthwise } from '../../models/convolution.ts'
import { parameterCount } from '../../models/count.ts'
import type { PyramidFeatures } from '../../models/pyramid.ts'
import type { VitInput } from '../../models/vit.ts'
import { mul } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { runs } from '../../ops/window.ts'
import { left, right } from '../data/either.ts'
import { expectClose, wave } from '../support/tensor.ts'

const small: ConvnextOptions = { widths: [4, 6], depths: [1, 1], layerScale: 0.5, maskToken: true }

const features = (o: ConvnextOptions, given: Expr | VitInput): PyramidFeatures => {
  const m = convnext(o)
  return call(m, context('eval'), 'convnext', leavesOf('convnext', m.params), given)
}

const run = (e: Expr, fixed: Readonly<Record<string, ReadonlyArray<number>>> = {}): ReadonlyArray<number> => {
  const leaves = leavesOfGraph(right(trace('convnext', [value('y', e)])))
  return [
    ...evaluate(
      [e],
      new Map(leaves.map((l) => [l.path, Float64Array.from(fixed[l.path] ?? wave(sizeOf(l.type.shape), l.path.length))])),
    )[0],
  ]
}

describe('the four of DINOv3', () => {
  it('have the parameters of the released networks, under the official names', () => {
    expect([convnext.tiny(), convnext.small(), convnext.base(), convnext.large()].map((m) => parameterCount(m.params))).toEqual([
      27_820_128, 49_454_688, 87_566_464, 196_230_336,
    ])
    expect(
      declarations(convnext({ widths: [4, 6], depths: [1, 1] }).params).map(([path, { shape }]) => `${path} ${shape.join(' ')}`),
    ).toEqual([
      'downsample_layers.0.0.weight 4 3 4 4',
      'downsample_layers.0.0.bias 4',
      'downsample_layers.0.1.weight 4',
      'downsample_layers.0.1.bias 4',
      'downsample_layers.1.0.weight 4',
      'downsample_layers.1.0.bias 4',
      'downsample_layers.1.1.weight 6 4 2 2',
      'downsample_layers.1.1.bias 6',
      ...[4, 6].flatMap((d, i) => [
        `stages.${i}.0.dwconv.weight ${d} 1 7 7`,
        `stages.${i}.0.dwconv.bias ${d}`,
        `stages.${i}.0.norm.weight ${d}`,
        `stages.${i}.0.norm.bias ${d}`,
        `stages.${i}.0.pwconv1.weight ${4 * d} ${d}`,
        `stages.${i}.0.pwconv1.bias ${4 * d}`,
        `stages.${i}.0.pwconv2.weight ${d} ${4 * d}`,
        `stages.${i}.0.pwconv2.bias ${d}`,
        `stages.${i}.0.gamma ${d}`,
      ]),
      'norm.weight 6',
      'norm.bias 6',
    ])
  })
})

describe('runs of neighbours', () => {
  it('are those of each place, along any axis', () => {
    expect(run(runs(0, 2)(input('x', [4])), { x: [1, 2, 3, 4] })).toEqual([1, 2, 3, 2, 3, 4])
    expect(run(runs(1, 3)(input('x', [2, 3])), { x: [1, 2, 3, 4, 5, 6] })).toEqual([1, 2, 3, 4, 5, 6])
    expect(left(trace('x', [value('y', runs(0, 5)(input('x', [4])))])).allowed).toContain('runs of 5')
  })
})

describe('a depthwise convolution', () => {
  const [h, w, channels] = [4, 5, 2]
  const layer = depthwise({ kernel: 3, width: channels })
  const [x, weight, bias] = [wave(h * w * channels, 1), wave(9 * channels, 2), wave(channels, 3)]
  const at = (values: ReadonlyArray<number>, i: number, j: number, c: number): number =>
    i < 0 || j < 0 || i >= h || j >= w ? 0 : values[(i * w + j) * channels + c]
  const steps = [-1, 0, 1]
  const y = call(layer, context('eval'), 'dw', leavesOf('dw', layer.params), input('x', [1, h, w, channels]))
  const fixed = { x, 'dw.weight': weight, 'dw.bias': bias }

  it('is the sum over neighbours, zeros beyond the edge', () => {
    const want = Array.from({ length: h * w * channels }, (_, n) => {
      const [c, j, i] = [n % channels, Math.floor(n / channels) % w, Math.floor(n / channels / w)]
      return steps.reduce(
        (s, a) => s + steps.reduce((t, b) => t + at(x, i + a, j + b, c) * weight[(c * 3 + a + 1) * 3 + b + 1], 0),
        bias[c],
      )
    })
    expectClose(run(y, fixed), want, 1e-12)
  })
  it('has its own adjoint by its input and by its weight', () => {
    const ct = wave(h * w * channels, 4)
    const loss = sum()(mul(y, input('ct', [1, h, w, channels])))
    const asked = [input('x', [1, h, w, channels]), parameter('dw.weight', layer.params.weight)]
    const [byInput, byWeight] = gradOptions(loss, asked).map((g) => (g._tag === 'Some' ? run(g.value, { ...fixed, ct }) : []))
    const places = Array.from({ length: h * w }, (_, n) => [Math.floor(n / w), n % w] as const)
    expectClose(
      byInput,
      places.flatMap(([i, j]) =>
        [0, 1].map((c) =>
          steps.reduce((s, a) => s + steps.reduce((t, b) => t + at(ct, i - a, j - b, c) * weight[(c * 3 + a + 1) * 3 + b + 1], 0), 0),
        ),
      ),
      1e-12,
    )
    expectClose(
      byWeight,
      [0, 1].flatMap((c) =>
        steps.flatMap((a) => steps.map((b) => places.reduce((s, [i, j]) => s + at(ct, i, j, c) * at(x, i + a, j + b, c), 0))),
      ),
      1e-12,
    )
  })
})

describe('features', () => {
  it('have the shapes that they say, at sizes that nothing divides', () => {
    const f = features(small, input('x', [2, 3, 19, 26]))
    expect([f.cls, f.patches, f.attention].map((e) => e.type.shape)).toEqual([
      [2, 6],
      [2, 6, 6],
      [2, 1, 7, 7],
    ])
    expect([f.grid, convnext(small).patch, convnext(small).width]).toEqual([[2, 3], 8, 6])
  })
  it('of masks hide what the patches show', () => {
    const f = features(small, { images: input('x', [1, 3, 16, 16]), mask: input('mask', [1, 4]) }).patches
    const hidden = { mask: Array<number>(4).fill(1) }
    expectClose(run(f, { ...hidden, x: Array<number>(768).fill(0) }), run(f, { ...hidden, x: Array<number>(768).fill(3) }), 1e-12)
    const { cls } = features(small, { images: input('x', [1, 3, 16, 16]), mask: input('mask', [1, 3]) })
    expect(left(trace('x', [value('y', cls)])).allowed).toContain('a mask [B, 4]')
  })
  it('of wrong options and images are named', () => {
    const fault = (o: Partial<ConvnextOptions>, shape = [1, 3, 16, 16]): string =>
      left(trace('x', [value('y', features({ ...small, ...o }, input('x', shape)).cls)])).allowed
    expect(fault({ depths: [1] })).toContain('a depth for every width')
    expect(fault({}, [1, 1, 16, 16])).toContain('[B, 3, H, W]')
    expect(fault({}, [1, 3, 16, 7])).toContain('at least 8')
  })
})
