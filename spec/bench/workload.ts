/** What a benchmark runs: a graph, the first values of its residents, and what it is fed at every step. */
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import type { HostArray, HostValues } from '../../compiler/target.ts'
import { stream } from '../../core/random.ts'
import type { TensorType } from '../../core/type.ts'

/** A tensor that lives on the device, with its first values. */
export type Resident = readonly [path: string, type: TensorType, data: HostArray]

export interface Prepared {
  readonly graph: Graph
  /** Made one by one as they are written, and not held afterwards. */
  readonly residents: () => Iterable<Resident>
  readonly values: HostValues
}

export interface Workload {
  readonly name: string
  /** Images of one step; 0 where there are none. */
  readonly images: number
  /** Multiply-adds in matrix products times two, in 10^9, as reference/WORKLOADS.md counts them. */
  readonly gflop: number
  readonly prepare: () => Either<Fault, Prepared>
}

/** Standard normal numbers of a fixed seed. */
export const normals = (path: string, n: number): Float32Array => {
  const s = stream(0, path, 0)
  return Float32Array.from({ length: n }, (_, i) => s.normal(i))
}
