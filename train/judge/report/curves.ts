/** Curves of a run's numbers, thinned as they are read, so that a run of any length fits on a page. */

/** Steps that lie together: the mean of a number over them, and its ends. */
export interface Bin {
  /** The mean of the steps' numbers. */
  readonly step: number
  readonly mean: number
  readonly low: number
  readonly high: number
  readonly count: number
}

export interface Curve {
  readonly name: string
  readonly bins: ReadonlyArray<Bin>
  /** The value of the last step that had one. */
  readonly last: number
  /** Steps that had a value. */
  readonly count: number
}

export interface Curves {
  readonly curves: ReadonlyArray<Curve>
  /** The last step. */
  readonly step: number
  /** Steps that one bin spans. */
  readonly span: number
}

/** Bins of a curve at most; once there are more, two by two become one. */
export const mostBins = 240

interface Sums {
  steps: number
  sum: number
  low: number
  high: number
  count: number
}

const merge = (a: Sums | undefined, b: Sums | undefined): Sums | undefined =>
  a === undefined || b === undefined
    ? (a ?? b)
    : {
        steps: a.steps + b.steps,
        sum: a.sum + b.sum,
        low: Math.min(a.low, b.low),
        high: Math.max(a.high, b.high),
        count: a.count + b.count,
      }

/** Gathers numbers by name, step after step. */
export interface Gathering {
  readonly add: (record: Readonly<Record<string, unknown>>) => void
  readonly curves: () => Curves
}

/** Begins to gather. Values that are no finite numbers are left out; so are records without a step. */
export const gather = (most = mostBins): Gathering => {
  const found = new Map<string, { bins: Array<Sums | undefined>; last: number; count: number }>()
  let span = 1
  let lastStep = 0
  const widen = (): void => {
    span *= 2
    for (const c of found.values())
      c.bins = Array.from({ length: Math.ceil(c.bins.length / 2) }, (_, i) => merge(c.bins[2 * i], c.bins[2 * i + 1]))
  }
  return {
    add: (record) => {
      const { step } = record
      if (typeof step !== 'number' || !(step >= 1)) return
      while (Math.floor((step - 1) / span) >= most) widen()
      lastStep = Math.max(lastStep, step)
      const at = Math.floor((step - 1) / span)
      for (const [name, v] of Object.entries(record)) {
        if (name === 'step' || typeof v !== 'number' || !Number.isFinite(v)) continue
        const c = found.get(name) ?? { bins: [], last: v, count: 0 }
        c.bins[at] = merge(c.bins[at], { steps: step, sum: v, low: v, high: v, count: 1 })
        c.last = v
        c.count++
        found.set(name, c)
      }
    },
    curves: () => ({
      step: lastStep,
      span,
      curves: [...found].map(([name, c]): Curve => ({
        name,
        last: c.last,
        count: c.count,
        bins: Array.from(c.bins).flatMap((b) =>
          b === undefined ? [] : [{ step: b.steps / b.count, mean: b.sum / b.count, low: b.low, high: b.high, count: b.count }],
        ),
      })),
    }),
  }
}

/** Whether a curve has one value throughout. */
export const isConstant = (c: Curve): boolean => c.bins.every((b) => b.low === c.last && b.high === c.last)
