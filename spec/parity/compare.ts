/** The comparison of a computed case with what is expected of it. Nothing else reads expected tensors. */
import type { Case, Expectation, LoadedCase } from './case.ts'
import type { AtolOf, Claim, Computed } from './kind.ts'

export interface Verdict {
  readonly status: 'PASS' | 'FAIL' | 'UNSUPPORTED'
  readonly name: string
  readonly kind: string
  /** The largest |got - expected| / atol over the case; none where nothing was compared. */
  readonly ratio: number | undefined
  /** The tensor of that ratio, or why there is none. */
  readonly worst: string
  /** Tensors that were compared. */
  readonly tensors: number
}

interface Standard {
  readonly values: ArrayLike<number>
  /** The tolerance of element i. */
  readonly atol: (i: number) => number
}

const isNumbers = (x: unknown): x is ReadonlyArray<number> => Array.isArray(x) && x.every((v) => typeof v === 'number')

/** Without a tolerance of its own, a tensor is compared with the doubles in `scalars` where they are given, else as f32 is rounded. */
const standardOf = (c: Case, e: Expectation, stored: ArrayLike<number>, atolOf: AtolOf): Standard => {
  if (e.exact) return { values: stored, atol: () => 0 }
  const stated = e.atol
  const atol = stated === undefined ? atolOf(e.name, c) : () => stated
  if (atol !== undefined) return { values: stored, atol }
  const doubles = c.scalars[e.name.replace(/^out\//, '')]
  if (isNumbers(doubles) && doubles.length === stored.length)
    return { values: doubles, atol: (i) => Math.max(1e-9 * Math.abs(doubles[i]), 1e-15) }
  const largest = Array.from(stored).reduce((m, v) => Math.max(m, Math.abs(v)), 0)
  return { values: stored, atol: () => Math.max(1e-7, 3e-6 * largest) }
}

const ratioOf = (e: Expectation, s: Standard, got: ArrayLike<number>, factor: number): number => {
  if (got.length !== s.values.length) return Infinity
  const row = e.shape.length === 0 || e.shape[0] === 0 ? 1 : s.values.length / e.shape[0]
  let worst = 0
  for (let i = 0; i < got.length; i++) {
    if (e.without !== undefined && i >= e.without[0] * row && i < e.without[1] * row) continue
    const difference = Math.abs(got[i] - s.values[i])
    // NaN is as far off as can be
    const ratio = difference === 0 ? 0 : difference > 0 ? difference / (s.atol(i) * factor) : Infinity
    worst = Math.max(worst, ratio)
  }
  return worst
}

/** `factor` scales every tolerance but exact ones. */
export const compare = ({ given, expected }: LoadedCase, got: Computed, factor: number, atolOf: AtolOf = () => undefined): Verdict => {
  let ratio = 0
  let worst = ''
  for (const e of given.expectations) {
    const [theirs, ours] = [expected.get(e.name), got.get(e.name)]
    const r = theirs === undefined || ours === undefined ? Infinity : ratioOf(e, standardOf(given, e, theirs.data, atolOf), ours, factor)
    if (worst === '' || r > ratio) {
      ratio = Math.max(ratio, r)
      worst = ours === undefined ? `${e.name} (not computed)` : theirs === undefined ? `${e.name} (not in the file)` : e.name
    }
  }
  const tensors = given.expectations.length
  return {
    status: tensors > 0 && ratio <= 1 ? 'PASS' : 'FAIL',
    name: given.name,
    kind: given.kind,
    ratio,
    worst: tensors === 0 ? 'nothing is expected' : worst,
    tensors,
  }
}

/** The verdict on the claims of a case of random numbers. */
export const verdictOf = ({ given }: LoadedCase, claims: ReadonlyArray<Claim>): Verdict => {
  const worst = claims.reduce((w: Claim, c) => (c.ratio > w.ratio || Number.isNaN(c.ratio) ? c : w), {
    name: 'nothing is claimed',
    ratio: claims.length > 0 ? -1 : Infinity,
  })
  return {
    status: worst.ratio <= 1 ? 'PASS' : 'FAIL',
    name: given.name,
    kind: given.kind,
    ratio: worst.ratio,
    worst: worst.name,
    tensors: given.expectations.length,
  }
}
