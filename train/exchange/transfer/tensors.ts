/** Tensors of one network on their way into another. */
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Declaration } from '../../../core/model.ts'
import type { Shape } from '../../../core/type.ts'
import { showShape } from '../../../core/type.ts'

/** Values on the host with their shape. */
export interface Tensor {
  readonly shape: Shape
  readonly values: Float32Array
}

/** Tensors by their path within a network: `blocks.0.norm1.weight`. */
export type Tensors = ReadonlyMap<string, Tensor>

/** What a network wants, by the same paths. */
export type Wanted = ReadonlyMap<string, Declaration>

/** What was taken over, for those paths that have anything to take; the others begin anew. In words what is not simply the same. */
export interface Carried {
  readonly values: ReadonlyMap<string, Float32Array>
  readonly notes: ReadonlyArray<string>
}

export const nothing: Carried = { values: new Map(), notes: [] }

/** Paths that differ in the numbers of their blocks alone are one: `blocks.*.ls1.gamma`. */
const pattern = (path: string): string => path.replace(/\d+/g, '*')

/** `path: what`, once for all paths of a pattern. */
export const noteOf = (paths: ReadonlyArray<string>, what: string): ReadonlyArray<string> => {
  const patterns = [...new Set(paths.map(pattern))]
  return patterns.length === 0
    ? []
    : [`${patterns.length > 6 ? `${patterns.slice(0, 6).join(', ')} and ${patterns.length - 6} more` : patterns.join(', ')}: ${what}`]
}

/** A tensor that cannot be made to fit. */
export const unfit = (path: string, found: string, wanted: Declaration | undefined): Fault =>
  fault('config', {
    place: `start from ${path}`,
    found,
    allowed: wanted === undefined ? 'a network that has it' : showShape(wanted.shape),
    remedy: 'make the network of the same width, depth, heads, patch and feed-forward kind as the one that it starts from',
  })
