/** Numbers for tests of evaluations. */
import { stream } from '../../../core/random.ts'

export const normals = (seed: number, n: number): Float64Array => {
  const s = stream(seed, 'spec.rows', 0)
  return Float64Array.from({ length: n }, (_, i) => s.normal(i))
}
