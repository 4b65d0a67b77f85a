/** The arithmetic of the reference that JavaScript lacks, against exact arithmetic and against the bits of floats of 16 bits. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bfloat, erf, half, idiv, mod } from '../../compiler/numerics.ts'
import { range } from '../../core/type.ts'
import { narrowBF16, narrowF16, widenBF16, widenF16 } from '../../data/formats/half.ts'
import { runs, word } from '../support/arbitrary.ts'

const scale = 10n ** 60n

/** erf of k/16 by its Taylor series in whole numbers scaled by 10^60: exact to far more than a double. */
const exactErf = (k: bigint): number => {
  let power = (k * scale) / 16n
  let sum = 0n
  for (let n = 0n; power !== 0n; n++) {
    sum += power / (2n * n + 1n)
    power = (-power * k * k) / (256n * (n + 1n))
  }
  // 2 / sqrt(pi)
  const twoOverRootPi = 1128379167095512573896158903121545171688101258657997713688171n
  return Number((sum * twoOverRootPi) / scale / 10n ** 40n) / 1e20
}

describe('erf', () => {
  it('is exact to 1e-15', () => {
    for (const k of range(6 * 16 + 1)) {
      const exact = exactErf(BigInt(k))
      expect(Math.abs(erf(k / 16) - exact), `erf(${k / 16})`).toBeLessThan(1e-15)
      expect(erf(-k / 16) === -erf(k / 16)).toBe(true)
    }
  })
  it('keeps small arguments, limits and NaN', () => {
    expect(erf(1e-20) / 1e-20).toBeCloseTo(2 / Math.sqrt(Math.PI), 14)
    expect([erf(0), erf(-0), erf(40), erf(-Infinity), erf(NaN)]).toEqual([0, -0, 1, -1, NaN])
  })
})

describe.each([
  { name: 'half', round: half, widen: widenF16, narrow: narrowF16, infinity: 0x7c00, beyond: 2 ** 16, bits: 10 },
  { name: 'bfloat', round: bfloat, widen: widenBF16, narrow: narrowBF16, infinity: 0x7f80, beyond: 2 ** 128, bits: 7 },
])('$name', ({ round, widen, narrow, infinity, beyond, bits }) => {
  const all = [...widen(Uint16Array.from({ length: 65536 }, (_, i) => i))]
  it('keeps every number of its own', () => {
    expect(all.every((x) => Object.is(round(x), x))).toBe(true)
  })
  it('rounds to the nearest, ties to even, as the bits do', () => {
    const finite = all.slice(0, infinity)
    const between = finite.flatMap((x, i) => {
      const next = finite[i + 1] ?? beyond
      return [x + (next - x) / 2, x + (next - x) * 0.499, x + (next - x) * 0.501]
    })
    const expected = widen(narrow(Float32Array.from(between)))
    expect(between.filter((x, i) => round(Math.fround(x)) !== expected[i])).toEqual([])
    expect(between.filter((x, i) => round(-Math.fround(x)) !== -expected[i])).toEqual([])
  })
  it('does not round twice', () => {
    // just above a tie, by less than single precision can tell
    expect(round(1 + 2 ** -(bits + 1) + 2 ** -40)).toBe(1 + 2 ** -bits)
  })
})

describe('division of whole numbers', () => {
  it('rounds down, and the remainder completes it', () => {
    fc.assert(
      fc.property(word, fc.integer({ min: 1, max: 2147483647 }), (x, y) => {
        expect(idiv(x, y) * y + mod(x, y)).toBe(x)
        expect(mod(x, y) >= 0 && mod(x, y) < y).toBe(true)
      }),
      runs(1000),
    )
  })
})
