/**
 * Generators of random graphs. Each grows a graph from a list of steps, whose numbers choose what is made and from what: any list of
 * numbers is a graph, so that a failing one is cut down by leaving steps out, and is kept as a few numbers.
 */
import type { Expr } from '../../core/expr.ts'
import type { RandomGraph, Steps } from './graphs.ts'

/** What a graph may ask of a target. */
export interface Asked {
  /** f16 in memory. */
  readonly half: boolean
}

export interface Generator {
  readonly name: string
  /** Steps of one graph, and numbers of one step. */
  readonly steps: number
  readonly numbers: number
  readonly make: (list: Steps, asked: Asked) => RandomGraph
}

/** Hands out numbers that a step's list chooses; the list begins again at its end. */
export interface Chooser {
  /** 0 .. n - 1 */
  readonly nat: (n: number) => number
  readonly bit: () => boolean
  readonly of: <A>(xs: ReadonlyArray<A>) => A
  /** Some of them, in their order; at least `least`. */
  readonly some: (xs: ReadonlyArray<number>, least?: number) => ReadonlyArray<number>
  readonly shuffled: (xs: ReadonlyArray<number>) => ReadonlyArray<number>
}

export const chooser = (choices: ReadonlyArray<number>): Chooser => {
  let next = 0
  // a list that begins again gives other numbers than before
  const nat = (n: number): number => {
    const [at, round] = [next % Math.max(1, choices.length), Math.floor(next / Math.max(1, choices.length))]
    next++
    return Math.floor(((choices[at] ?? 0) + 7 * round) / (1 + round)) % n
  }
  const shuffled = (xs: ReadonlyArray<number>): ReadonlyArray<number> => {
    const rest = [...xs]
    return xs.flatMap(() => rest.splice(nat(rest.length), 1))
  }
  return {
    nat,
    bit: () => nat(2) === 1,
    of: (xs) => xs[nat(xs.length)],
    shuffled,
    some: (xs, least = 0) => {
      const chosen = new Set(shuffled(xs).slice(0, Math.max(least, nat(xs.length + 1))))
      return xs.filter((x) => chosen.has(x))
    },
  }
}

/** One of the latest, so that graphs grow deep. */
export const latest = (c: Chooser, xs: ReadonlyArray<Expr>): Expr => xs[xs.length - 1 - c.nat(Math.min(xs.length, 6))]
