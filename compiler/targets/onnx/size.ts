/**
 * Sizes that are known when a program runs. An extent of a graph that is traced for open sides is a sum of products of them, each at most
 * once: `5 + rows * columns`, `batch * rows`. Such a sum follows from its values where every open extent is either n or n + 1.
 */
import { range } from '../../../core/type.ts'

/** An extent that is left open, and the numbers that it is traced at: at `from` and `from + 1`. */
export interface Open {
  readonly name: string
  readonly from: number
}

/** By the names that are multiplied, sorted, `''` for none: how often. What is there no time is left out. */
export type Size = ReadonlyMap<string, number>

/** A value for every open extent, in their order. */
export type Point = ReadonlyArray<number>

const between = '*'

export const namesIn = (names: string): ReadonlyArray<string> => (names === '' ? [] : names.split(between))

const productOf = (names: ReadonlyArray<string>): string => [...names].sort().join(between)

const cleaned = (terms: Iterable<readonly [string, number]>): Size => new Map([...terms].filter(([, n]) => n !== 0))

export const constant = (n: number): Size => cleaned([['', n]])

/** The number that a size always is. */
export const alwaysOf = (s: Size): number | undefined => (s.size === 0 ? 0 : s.size === 1 ? s.get('') : undefined)

export const isOne = (s: Size): boolean => alwaysOf(s) === 1

export const plus = (a: Size, b: Size): Size => cleaned([...a, ...[...b].map(([k, n]) => [k, n + (a.get(k) ?? 0)] as const)])

export const times = (a: Size, b: Size): Size =>
  [...a].reduce<Size>(
    (sum, [p, n]) => plus(sum, new Map([...b].map(([q, m]) => [productOf([...namesIn(p), ...namesIn(q)]), n * m]))),
    new Map(),
  )

/** All extents of a shape as one. */
export const product = (all: ReadonlyArray<Size>): Size => all.reduce(times, constant(1))

export const equalSize = (a: Size, b: Size): boolean => a.size === b.size && [...a].every(([k, n]) => b.get(k) === n)

/** One text for one size. */
export const showSize = (s: Size): string =>
  [...s]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([names, n]) => (names === '' ? `${n}` : n === 1 ? names : `${n}*${names}`))
    .join(' + ') || '0'

const valueOf =
  (open: ReadonlyArray<Open>, at: Point) =>
  (s: Size): number =>
    [...s].reduce((sum, [names, n]) => sum + namesIn(names).reduce((p, name) => p * at[open.findIndex((o) => o.name === name)], n), 0)

/** The corners that sizes are found at: bit k of a corner's place says whether open extent k is one larger. */
const cornersOf = (open: ReadonlyArray<Open>): ReadonlyArray<Point> =>
  range(2 ** open.length).map((bits) => open.map((o, k) => o.from + ((bits >> k) & 1)))

/** Points that have no part in finding sizes, and show whether what was found holds. */
const checksOf = (open: ReadonlyArray<Open>): ReadonlyArray<Point> =>
  open.length === 0
    ? []
    : [
        [4, 3, 5],
        [7, 8, 2],
      ].map((further) => open.map((o, k) => o.from + further[k % further.length]))

/** Where a graph has to be traced so that its sizes can be found. */
export const pointsOf = (open: ReadonlyArray<Open>): ReadonlyArray<Point> => [...cornersOf(open), ...checksOf(open)]

/**
 * The size that has these values at `pointsOf`; undefined where there is none. With d_S the alternating sum over the corners below S, it
 * is the sum over S of d_S times the product over S of (x - from), multiplied out.
 */
export const sizeFrom = (open: ReadonlyArray<Open>, values: ReadonlyArray<number>): Size | undefined => {
  if (values.every((v) => v === values[0])) return constant(values[0])
  const corners = values.slice(0, 2 ** open.length)
  const terms = new Map<string, number>()
  const ones = (bits: number): number => range(open.length).filter((k) => (bits >> k) & 1).length
  for (const set of range(corners.length)) {
    const difference = range(corners.length)
      .filter((below) => (below & set) === below)
      .reduce((sum, below) => sum + (-1) ** ones(set ^ below) * corners[below], 0)
    if (difference === 0) continue
    for (const kept of range(corners.length).filter((below) => (below & set) === below)) {
      const rest = range(open.length).filter((k) => ((set ^ kept) >> k) & 1)
      const often = rest.reduce((n, k) => -n * open[k].from, difference)
      const names = productOf(range(open.length).flatMap((k) => ((kept >> k) & 1 ? [open[k].name] : [])))
      terms.set(names, (terms.get(names) ?? 0) + often)
    }
  }
  const found = cleaned(terms)
  return pointsOf(open).every((p, i) => valueOf(open, p)(found) === values[i]) ? found : undefined
}
