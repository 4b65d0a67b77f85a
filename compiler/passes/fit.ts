/**
 * Recomputes as few regions as it takes for a step to fit into a given memory (remat.ts says how).
 *
 * ```
 * before  48 MiB planned: temporaries and resident state
 * after   fit({ bytes: 32 MiB }): blocks 0 .. 4 of the global crops are computed again, 31 MiB planned, 8 % more arithmetic
 * ```
 * Regions are taken by how much of them a gradient reads, the largest first, and of equals in order of the forward pass: what was
 * made first is kept longest.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import type { Rewrite } from '../../core/rewrite.ts'
import type { RegionOf } from './remat.ts'
import { blocksAsRegions, regionsOf, remat } from './remat.ts'

export interface FitOptions {
  /** Temporaries and resident state together. */
  readonly bytes: number
  /** What a step is planned to take, as `Device.planned` says it. */
  readonly planned: (g: Graph) => Either<Fault, number>
  /** Default: every block by itself. */
  readonly regions?: RegionOf
}

const mebi = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`

const tooLarge = (asked: number, least: number): Fault =>
  fault('config', {
    place: 'fit',
    found: mebi(asked),
    allowed: `at least ${mebi(least)}, which is planned with all regions computed again`,
    remedy: 'make the batch smaller and accumulate, freeze a prefix, or choose a smaller network',
  })

/** The step as it is where it fits. Fault: it does not fit however much is computed again. */
export const fit = (o: FitOptions): Rewrite<'step'> => ({
  name: 'fit',
  stage: 'step',
  run: (g) => {
    const regionOf = o.regions ?? blocksAsRegions()
    const sized = pipe(g, regionsOf(regionOf))
    if (E.isLeft(sized)) return sized
    const names = [...sized.right].sort((a, b) => b.bytes - a.bytes).map((r) => r.name)
    const withFirst = (n: number): Either<Fault, Graph> =>
      n === 0 ? E.right(g) : remat({ regions: regionOf, chosen: (r) => names.indexOf(r) < n && names.includes(r) }).run(g)
    const attempt = (n: number): Either<Fault, { readonly graph: Graph; readonly bytes: number }> =>
      pipe(
        withFirst(n),
        E.chain((graph) =>
          pipe(
            graph,
            o.planned,
            E.map((bytes) => ({ graph, bytes })),
          ),
        ),
      )
    const none = attempt(0)
    if (E.isLeft(none) || none.right.bytes <= o.bytes) return E.map(({ graph }: { readonly graph: Graph }) => graph)(none)
    const most = attempt(names.length)
    if (E.isLeft(most)) return most
    if (most.right.bytes > o.bytes) return E.left(tooLarge(o.bytes, Math.min(none.right.bytes, most.right.bytes)))
    let best = most.right.graph
    for (let [low, high] = [0, names.length]; high - low > 1;) {
      const middle = Math.floor((low + high) / 2)
      const tried = attempt(middle)
      if (E.isLeft(tried)) return tried
      if (tried.right.bytes > o.bytes) low = middle
      else [high, best] = [middle, tried.right.graph]
    }
    return E.right(best)
  },
})
