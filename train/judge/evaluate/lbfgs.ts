/**
 * L-BFGS (Nocedal and Wright 2006, algorithms 7.4 and 7.5) for smooth convex functions, as a generator: it asks for gradients at points and
 * receives them, so that many problems may be solved side by side by one program that computes all their gradients at once.
 *
 * The line search looks at slopes alone, which for convex functions say on which side of the least value a step ends: gradients in float32
 * still tell that where differences of values have long been lost to rounding.
 */

export interface LbfgsOptions {
  /** Ends where no component of the gradient is larger. */
  readonly tolerance: number
  readonly iterations: number
  /** Pairs of steps and gradient changes that are remembered. Default 10. */
  readonly memory?: number
}

export interface Minimum {
  readonly x: Float64Array
  /** The largest component of the gradient there. */
  readonly slope: number
  readonly iterations: number
  readonly converged: boolean
}

const dot = (a: Float64Array, b: Float64Array): number => {
  let s = 0
  for (let i = 0; i < a.length; i++) s += a[i] * b[i]
  return s
}

/** a + t b */
const along = (a: Float64Array, t: number, b: Float64Array): Float64Array => a.map((v, i) => v + t * b[i])

const largest = (g: Float64Array): number => g.reduce((m, v) => Math.max(m, Math.abs(v)), 0)

interface Pair {
  readonly s: Float64Array
  readonly y: Float64Array
  readonly rho: number
}

/** -H g by the two-loop recursion, oldest pair first. */
const direction = (g: Float64Array, pairs: ReadonlyArray<Pair>): Float64Array => {
  const q = Float64Array.from(g)
  const add = (t: number, b: Float64Array): void => {
    for (let i = 0; i < q.length; i++) q[i] += t * b[i]
  }
  const alphas = new Array<number>(pairs.length).fill(0)
  for (let k = pairs.length - 1; k >= 0; k--) {
    alphas[k] = pairs[k].rho * dot(pairs[k].s, q)
    add(-alphas[k], pairs[k].y)
  }
  const last = pairs.at(-1)
  if (last !== undefined) {
    const scale = 1 / (last.rho * dot(last.y, last.y))
    for (let i = 0; i < q.length; i++) q[i] *= scale
  }
  pairs.forEach((p, k) => {
    add(alphas[k] - p.rho * dot(p.y, q), p.s)
  })
  return q.map((v) => -v)
}

/** Tries of one line search. */
const tries = 40

/** Slopes that end a line search, as shares of the first slope: still going down this much, or up by this little. */
const down = 0.9
const up = 0.3

interface Step {
  readonly x: Float64Array
  readonly g: Float64Array
}

/** A point along `d` where the slope has fallen to a share of what it was; none where rounding hides it. */
function* search(
  x: Float64Array,
  g: Float64Array,
  d: Float64Array,
  first: number,
): Generator<Float64Array, Step | undefined, Float64Array> {
  const slope = dot(g, d)
  if (!(slope < 0)) return undefined
  let [low, lowSlope] = [0, slope]
  let [high, highSlope] = [Infinity, NaN]
  let t = first
  for (let n = 0; n < tries; n++) {
    const at = along(x, t, d)
    const there = yield at
    const s = dot(there, d)
    if (s >= down * slope && s <= -up * slope) return { x: at, g: there }
    if (s < 0) [low, lowSlope] = [t, s]
    else [high, highSlope] = [t, s]
    if (high === Infinity) t *= 4
    else {
      // where the slopes' chord meets zero, but well inside of what is left
      const secant = low - (lowSlope * (high - low)) / (highSlope - lowSlope)
      t = Math.min(high - 0.1 * (high - low), Math.max(low + 0.1 * (high - low), Number.isFinite(secant) ? secant : (low + high) / 2))
    }
  }
  return undefined
}

/**
 * Yields points, is sent the gradients there, and returns the minimum. Law: for convex functions the value never rises but for rounding.
 */
export function* lbfgs(start: Float64Array, o: LbfgsOptions): Generator<Float64Array, Minimum, Float64Array> {
  const memory = o.memory ?? 10
  let x = start
  let g = yield x
  let pairs: ReadonlyArray<Pair> = []
  let iterations = 0
  while (largest(g) > o.tolerance && iterations < o.iterations) {
    const steepest = pairs.length === 0
    const next: Step | undefined = yield* search(x, g, direction(g, pairs), steepest ? Math.min(1, 1 / Math.sqrt(dot(g, g))) : 1)
    iterations++
    if (next === undefined) {
      if (steepest) break
      // rounding has spoilt what was remembered: once more from the gradient itself
      pairs = []
      continue
    }
    const s = next.x.map((v, i) => v - x[i])
    const y = next.g.map((v, i) => v - g[i])
    const sy = dot(s, y)
    if (sy > 1e-12 * Math.sqrt(dot(s, s) * dot(y, y))) pairs = [...pairs, { s, y, rho: 1 / sy }].slice(-memory)
    ;[x, g] = [next.x, next.g]
  }
  return { x, slope: largest(g), iterations, converged: largest(g) <= o.tolerance }
}
