/** The host values of a set of tensors, as evaluate and feeds take them. */
import type { HostArray } from '../../compiler/target.ts'
import type { Tensor } from './tensor.ts'
import { hostArray } from './tensor.ts'

/** In float64, for the oracle. */
export const doubles = (tensors: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Float64Array> =>
  new Map([...tensors].map(([path, t]) => [path, Float64Array.from(t.values)]))

/** As a user would pass them. */
export const hostArrays = (tensors: ReadonlyMap<string, Tensor>): ReadonlyMap<string, HostArray> =>
  new Map([...tensors].map(([path, t]) => [path, hostArray(t)]))
