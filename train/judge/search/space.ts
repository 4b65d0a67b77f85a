/** What a search varies: axes, each with a few choices, and the points that are tried, each a choice on every axis. */
import { stream } from '../../../core/random.ts'
import type { Choice } from '../../config/layers.ts'

export interface Axis {
  readonly name: string
  /** The first is as things stand, and changes nothing where it has no entries. Settings without one stay as they stand. */
  readonly choices: readonly [Choice, ...ReadonlyArray<Choice>]
}

/** A choice on every axis, by its number. */
export type Point = ReadonlyArray<number>

/** All that a point changes. */
export const changesAt = (axes: ReadonlyArray<Axis>, p: Point): Choice =>
  axes.reduce<Choice>((all, axis, i) => ({ ...all, ...(axis.choices[p[i]] ?? {}) }), {})

/**
 * At most `count` different points: first the one as things stand, then draws of a seed. Half of the axes of a draw stay as they are, on
 * the average, so that what one of them does is not hidden by all the others.
 */
export const pointsOf = (axes: ReadonlyArray<Axis>, count: number, seed: number): ReadonlyArray<Point> => {
  const found = new Map<string, Point>([[axes.map(() => 0).join(), axes.map(() => 0)]])
  // a small space has fewer points than are wanted
  for (let draw = 0; found.size < count && draw < 50 * count; draw++) {
    const s = stream(seed, 'search', draw)
    const p = axes.map(({ choices }, i) => (s.unit(2 * i) < 0.5 ? 0 : Math.floor(s.unit(2 * i + 1) * choices.length)))
    found.set(p.join(), p)
  }
  return [...found.values()].slice(0, count)
}

/** A point that was tried: its score, higher is better. */
export interface Scored {
  readonly point: Point
  readonly score: number
}

/** What an axis did: the mean score of the points with each of its choices, and how far these lie apart. */
export interface Effect {
  readonly axis: string
  /** By number of choice; none where no point had it. */
  readonly means: ReadonlyArray<number | undefined>
  readonly spread: number
}

const mean = (xs: ReadonlyArray<number>): number | undefined => (xs.length === 0 ? undefined : xs.reduce((a, b) => a + b, 0) / xs.length)

/** What every axis did among points of equal length, those that mattered most first. */
export const effectsOf = (axes: ReadonlyArray<Axis>, tried: ReadonlyArray<Scored>): ReadonlyArray<Effect> =>
  axes
    .map(({ name, choices }, i): Effect => {
      const means = choices.map((_, c) => mean(tried.filter(({ point }) => point[i] === c).map(({ score }) => score)))
      const known = means.filter((m) => m !== undefined)
      return { axis: name, means, spread: known.length < 2 ? 0 : Math.max(...known) - Math.min(...known) }
    })
    .sort((a, b) => b.spread - a.spread)
