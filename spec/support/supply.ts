/** What a random graph has made so far, and how its next step picks from it. */
import type { Expr } from '../../core/expr.ts'

/** What has been made so far, by kind; `exact` floats are the same number in every precision. */
export interface Pool {
  readonly smooth: ReadonlyArray<Expr>
  readonly exact: ReadonlyArray<Expr>
  readonly ints: ReadonlyArray<Expr>
  readonly bools: ReadonlyArray<Expr>
}

/** Hands out members of the pool, and small numbers. */
export interface Supply {
  readonly smooth: () => Expr
  readonly exact: () => Expr
  readonly int: () => Expr
  readonly bool: () => Expr
  /** 0 .. n-1 */
  readonly nat: (n: number) => number
  readonly axis: (x: Expr) => number
}

export const supply = (pool: Pool, choices: ReadonlyArray<number>): Supply => {
  let next = 0
  const nat = (n: number): number => choices[next++ % choices.length] % n
  // one of the latest, so that graphs grow deep
  const from = (xs: ReadonlyArray<Expr>) => (): Expr => xs[xs.length - 1 - nat(Math.min(xs.length, 6))]
  return {
    smooth: nat(3) === 0 ? from(pool.exact) : from(pool.smooth),
    exact: from(pool.exact),
    int: from(pool.ints),
    bool: from(pool.bools),
    nat,
    axis: (x) => nat(Math.max(1, x.type.shape.length)),
  }
}
