/**
 * Successive halving (Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", AISTATS 2016):
 * many short runs, then longer ones of the best third, to whole runs of the last. A run of another length is another run, since schedules
 * stretch with it: nothing is continued.
 */

/** Of every round, one in so many goes on, for so many times the steps. */
export const eta = 3

/** Runs of one length. */
export interface Round {
  readonly runs: number
  readonly steps: number
}

/** What a run of a method takes on this machine. */
export interface Cost {
  /** Seconds before and after its steps: compiling, features, k-NN. */
  readonly fixed: number
  readonly step: number
}

export const secondsOf = (rounds: ReadonlyArray<Round>, { fixed, step }: Cost): number =>
  rounds.reduce((sum, r) => sum + r.runs * (fixed + r.steps * step), 0)

/** Rounds of which the last has whole runs of `steps`, of `first` points in the first one. */
export const roundsOf = (first: number, steps: number, rounds: number): ReadonlyArray<Round> =>
  Array.from({ length: rounds }, (_, i) => ({
    runs: Math.max(1, Math.ceil(first / eta ** i)),
    steps: Math.max(1, Math.round(steps / eta ** (rounds - 1 - i))),
  }))

/** Steps of the shortest runs: a twenty-seventh, or a ninth, or a third of whole ones, as many as say something. */
const leastSteps = 100

/**
 * As many points as `seconds` allow, in as many rounds as have runs of at least `leastSteps` and something to choose from. No rounds: not
 * even two whole runs fit.
 */
export const planFor = (seconds: number, steps: number, cost: Cost, most: number): ReadonlyArray<Round> => {
  const plans = [4, 3, 2, 1]
    .filter((n) => n === 1 || steps / eta ** (n - 1) >= leastSteps)
    .flatMap((n) => {
      let first = 2
      while (first < most && secondsOf(roundsOf(first + 1, steps, n), cost) <= seconds) first++
      const plan = roundsOf(first, steps, n)
      return secondsOf(plan, cost) <= seconds && first >= eta ** (n - 1) ? [plan] : []
    })
  return plans[0] ?? (secondsOf(roundsOf(2, steps, 1), cost) <= seconds ? roundsOf(2, steps, 1) : [])
}
