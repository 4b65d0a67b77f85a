/** UMAP (McInnes et al. 2018) of features: a map on which near images are alike. umap-js, its draws from a seeded stream. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { UMAP } from 'umap-js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { stream } from '../../../core/random.ts'
import type { Rows } from '../evaluate/neighbours.ts'

export interface UmapOptions {
  readonly seed: number
  /** Default 15. */
  readonly neighbours?: number
  /** Default 0.1. */
  readonly minDistance?: number
  /** Default: 200 to 500, by the number of rows. */
  readonly epochs?: number
  /** Counts epochs. */
  readonly progress?: (epoch: number, epochs: number) => void
}

/** A place for each row, `[n, 2]`. The same rows and seed give the same map. Fault: fewer than four rows. */
export const umap =
  (o: UmapOptions) =>
  ({ data, dim }: Rows): Either<Fault, Float64Array> => {
    const n = data.length / dim
    if (n < 4) return E.left(fault('data', { place: 'umap', found: `${n} rows`, allowed: 'at least 4', remedy: 'give more images' }))
    const s = stream(o.seed, 'umap', 0)
    let drawn = 0
    const map = new UMAP({
      nComponents: 2,
      nNeighbors: Math.min(o.neighbours ?? 15, n - 1),
      minDist: o.minDistance ?? 0.1,
      random: () => s.unit(drawn++),
      ...(o.epochs === undefined ? {} : { nEpochs: o.epochs }),
    })
    const epochs = map.initializeFit(Array.from({ length: n }, (_, i) => Array.from(data.subarray(i * dim, (i + 1) * dim))))
    for (let e = 0; e < epochs; e++) {
      map.step()
      o.progress?.(e + 1, epochs)
    }
    return E.right(Float64Array.from(map.getEmbedding().flat()))
  }
