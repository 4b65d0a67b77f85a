import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { convolve, resample } from '../../ops/image.ts'
import type { HostArray } from '../../compiler/target.ts'
import { expectClose, input, wave } from '../support/tensor.ts'

describe('resample', () => {
  test('is the weighted sum of neighbours, with tables of its own per image', () => {
    const [B, C, H, W, O, T] = [2, 3, 5, 4, 6, 3]
    const x = Float32Array.from(wave(B * C * H * W))
    fc.assert(
      fc.property(fc.array(fc.nat(H - T), { minLength: B * O, maxLength: B * O }), (first) => {
        const weights = Float32Array.from(wave(B * O * T, 3))
        const y = resample(-2)(input('x', [B, C, H, W]), { first: input('first', [B, O], 'i32'), weights: input('weights', [B, O, T]) })
        expect(y.type.shape).toEqual([B, C, O, W])
        const expected: Array<number> = []
        for (let b = 0; b < B; b++)
          for (let c = 0; c < C; c++)
            for (let o = 0; o < O; o++)
              for (let w = 0; w < W; w++) {
                let sum = 0
                for (let t = 0; t < T; t++) sum += weights[(b * O + o) * T + t] * x[((b * C + c) * H + first[b * O + o] + t) * W + w]
                expected.push(sum)
              }
        expectClose(
          evaluate(
            [y],
            new Map<string, HostArray>([
              ['x', x],
              ['first', Int32Array.from(first)],
              ['weights', weights],
            ]),
          )[0],
          expected,
          1e-12,
        )
      }),
      { numRuns: 20 },
    )
  })

  test('tables that do not fit are explained', () => {
    const y = resample(-1)(input('x', [2, 3, 5, 4]), { first: input('first', [2, 6], 'i32'), weights: input('weights', [2, 5, 3]) })
    expect(y._tag === 'Invalid' && y.fault.place).toMatch(/^resample/)
    const z = resample(-1)(input('x', [2, 3, 5, 4]), { first: input('first3', [3, 6], 'i32'), weights: input('weights3', [3, 6, 3]) })
    expect(z._tag).toBe('Invalid')
  })
})

describe('convolve', () => {
  test('reflects without repeating the edge', () => {
    const x = Float32Array.of(1, 2, 3, 4)
    const shift = (kernel: ReadonlyArray<number>): ReadonlyArray<number> => [
      ...evaluate(
        [convolve(-1, 'reflect')(input('row', [1, 1, 1, 4]), input('k', [1, kernel.length]))],
        new Map([
          ['row', x],
          ['k', Float32Array.from(kernel)],
        ]),
      )[0],
    ]
    expect(shift([0, 0, 0, 1, 0, 0, 0])).toEqual([1, 2, 3, 4])
    expect(shift([1, 0, 0])).toEqual([2, 1, 2, 3])
    expect(shift([0, 0, 0, 0, 0, 0, 1])).toEqual([4, 3, 2, 1])
    expect(shift([1, 0, 0, 0, 0, 0, 0])).toEqual([4, 3, 2, 1])
  })

  test('repeats the edge, also where the kernel is longer than the axis', () => {
    const x = Float32Array.of(1, 2, 3, 4)
    const shift = (kernel: ReadonlyArray<number>): ReadonlyArray<number> => [
      ...evaluate(
        [convolve(-1, 'repeat')(input('row', [1, 1, 1, 4]), input('k', [1, kernel.length]))],
        new Map([
          ['row', x],
          ['k', Float32Array.from(kernel)],
        ]),
      )[0],
    ]
    expect(shift([1, 0, 0])).toEqual([1, 1, 2, 3])
    expect(shift([0, 0, 1])).toEqual([2, 3, 4, 4])
    expect(shift([1, ...Array.from({ length: 10 }, () => 0)])).toEqual([1, 1, 1, 1])
  })

  test('an axis shorter than the reach is explained', () => {
    const y = convolve(-1, 'reflect')(input('x', [1, 1, 4, 4]), input('k', [1, 9]))
    expect(y._tag === 'Invalid' && y.fault.remedy).toMatch(/larger images/)
  })
})
