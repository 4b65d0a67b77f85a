/** Where most of many values lie within the range that they can have, found by counting them in steps of a thousandth of it. */
const steps = 1024

/** Share of all values that lies in the bulk, half of the rest below it and half above. */
const share = 0.99

export interface Bulk {
  readonly add: (value: number) => void
  /** The ends of the bulk, to within a step; none where nothing has been counted. */
  readonly ends: () => readonly [number, number] | undefined
}

/** Counts values of a range; what lies beyond its ends counts as they do. */
export const bulkOf = ([low, high]: readonly [number, number]): Bulk => {
  const counts = new Float64Array(steps)
  const step = (high - low) / steps
  let all = 0
  return {
    add: (value) => {
      counts[Math.min(steps - 1, Math.max(0, Math.floor((value - low) / step)))]++
      all++
    },
    ends: () => {
      if (all === 0) return undefined
      const beyond = (all * (1 - share)) / 2
      let [first, last, below, above] = [0, steps - 1, counts[0], counts[steps - 1]]
      while (below <= beyond) below += counts[++first]
      while (above <= beyond) above += counts[--last]
      return [low + first * step, low + (last + 1) * step]
    },
  }
}
