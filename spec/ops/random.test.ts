import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { stream, streamKey, threefry as hostThreefry } from '../../core/random.ts'
import { bernoulli, normal, threefry, uniform } from '../../ops/random.ts'
import { expectClose, input } from '../support/tensor.ts'

const word = fc.integer({ min: -2147483648, max: 2147483647 })

describe('random numbers as a tensor program', () => {
  const key = input('key', [2], 'i32')

  test("Threefry-2x32-20 is the host's, bit for bit", () => {
    const counter = [input('c0', [16], 'i32'), input('c1', [16], 'i32')] as const
    const program = threefry(key, counter)
    fc.assert(
      fc.property(fc.tuple(word, word), fc.array(fc.tuple(word, word), { minLength: 16, maxLength: 16 }), (k, counters) => {
        const got = evaluate(
          program,
          new Map([
            ['key', Int32Array.from(k)],
            ['c0', Int32Array.from(counters, (c) => c[0])],
            ['c1', Int32Array.from(counters, (c) => c[1])],
          ]),
        )
        counters.forEach((c, i) => {
          expect([got[0][i], got[1][i]]).toEqual([...hostThreefry(k, c)])
        })
      }),
      { numRuns: 20 },
    )
  })

  test('the published known answers', () => {
    const known: ReadonlyArray<readonly [ReadonlyArray<number>, ReadonlyArray<number>, ReadonlyArray<number>]> = [
      [
        [0, 0],
        [0, 0],
        [0x6b200159, 0x99ba4efe],
      ],
      [
        [-1, -1],
        [-1, -1],
        [0x1cb996fc, 0xbb002be7],
      ],
      [
        [0x13198a2e, 0x03707344],
        [0x243f6a88, 0x85a308d3],
        [0xc4923a9c, 0x483df7a0],
      ],
    ]
    const program = threefry(key, [input('c0', [1], 'i32'), input('c1', [1], 'i32')])
    for (const [k, c, answer] of known) {
      const got = evaluate(
        program,
        new Map([
          ['key', Int32Array.from(k)],
          ['c0', Int32Array.of(c[0])],
          ['c1', Int32Array.of(c[1])],
        ]),
      )
      expect(got.map((w) => w[0] >>> 0)).toEqual([...answer])
    }
  })

  test("uniform, bernoulli and normal are the host's streams at every position", () => {
    const exprs = [uniform(key, [4, 3, 5]), bernoulli(key, [60], 0.3), normal(key, [60])]
    for (const [seed, path, step] of [
      [0, 'a', 0],
      [7, 'blocks.3.drop', 12],
      [2 ** 40 + 5, 'x', 2 ** 33],
    ] as const) {
      const s = stream(seed, path, step)
      const [u, b, n] = evaluate(exprs, new Map([['key', Int32Array.from(streamKey(seed, path, step))]]))
      expect([...u]).toEqual(Array.from({ length: 60 }, (_, i) => s.unit(i)))
      expect([...b]).toEqual(Array.from({ length: 60 }, (_, i) => Number(s.unit(i) < 0.3)))
      expectClose(
        n,
        Array.from({ length: 60 }, (_, i) => s.normal(i)),
        1e-12,
      )
    }
  })

  test('a key of another shape is explained', () => {
    const [bad] = threefry(input('key3', [3], 'i32'), [0, 0])
    expect(bad._tag === 'Invalid' && bad.fault.allowed).toBe('a key i32[2]')
  })
})
