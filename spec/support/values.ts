/** The host values of a set of tensors, as evaluate and feeds take them. */
import type { HostArray } from '../../compiler/target.ts'
import { leavesOfGraph } from '../../core/graph.ts'
import { draw, stream } from '../../core/random.ts'
import type { Shape } from '../../core/type.ts'
import type { RandomGraph } from './graphs.ts'
import type { Tensor } from './tensor.ts'
import { hostArray, tensor } from './tensor.ts'

/** In float64, for the oracle. */
export const doubles = (tensors: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Float64Array> =>
  new Map([...tensors].map(([path, t]) => [path, Float64Array.from(t.values)]))

/** As a user would pass them. */
export const hostArrays = (tensors: ReadonlyMap<string, Tensor>): ReadonlyMap<string, HostArray> =>
  new Map([...tensors].map(([path, t]) => [path, hostArray(t)]))

/** Everything that a random graph reads, as a user would pass it; draws are those of seed 0 at step 0. */
export const valuesOf = (r: RandomGraph): ReadonlyMap<string, HostArray> =>
  new Map([
    ...hostArrays(r.values),
    ...leavesOfGraph(r.graph).flatMap((l) =>
      l.source._tag === 'Draw' ? [[l.path, draw(stream(0, l.path, 0), l.source.distribution, l.type.shape)] as const] : [],
    ),
  ])

/** Numbers of -1 .. 1 without a pattern, as f32 holds them: a function of the path alone. */
export const uniformOf = (path: string, shape: Shape): Tensor =>
  tensor('f32', shape, Array.from(draw(stream(20240229, path, 0), { _tag: 'Uniform', low: -1, high: 1 }, shape), Math.fround))
