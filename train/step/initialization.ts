/** The first values of all that lives on the device, from the declarations and a seed. */
import type { Init } from '../../core/model.ts'
import { stream } from '../../core/random.ts'
import { sizeOf } from '../../core/type.ts'
import type { Resident } from './objective.ts'

/** Where a truncated normal is cut, absolute, as by torch's `trunc_normal_`. */
const cut = 2

/** Tries at one element before it is cut off: enough for a std of some hundreds. */
const tries = 1024

/** `n` values of an init: a function of seed and path alone, whatever else is initialised. */
export const initialValues = (init: Init, n: number, seed: number, path: string): Float32Array => {
  const out = new Float32Array(n)
  const s = stream(seed, `init.${path}`, 0)
  switch (init._tag) {
    case 'Constant':
      return out.fill(init.value)
    case 'Normal':
      for (let i = 0; i < n; i++) out[i] = init.std * s.normal(i)
      return out
    case 'Uniform':
      for (let i = 0; i < n; i++) out[i] = init.bound * (2 * s.unit(i) - 1)
      return out
    case 'TruncNormal':
      for (let i = 0; i < n; i++) {
        let x = init.std * s.normal(i)
        for (let t = 1; Math.abs(x) > cut && t < tries; t++) x = init.std * s.normal(i + n * t)
        out[i] = Math.max(-cut, Math.min(cut, x))
      }
      return out
  }
}

/** The student's tensor that a moving average begins with. */
const origin = (r: Resident): string => (r.role === 'average' ? r.path.replace(/^[^.]+\./, 'student.') : r.path)

/** First values of one resident. A teacher that follows begins equal to its student. */
export const firstValues =
  (seed: number) =>
  (r: Resident): Float32Array =>
    initialValues(r.declaration.init, sizeOf(r.declaration.shape), seed, origin(r))

/**
 * First values by path. Residents that begin equal, a teacher's and its student's or moments of one size, have one array: not to be
 * written to.
 */
export const initialize =
  (seed: number) =>
  (residents: ReadonlyArray<Resident>): ReadonlyMap<string, Float32Array> => {
    const made = new Map<string, Float32Array>()
    return new Map(
      residents.map((r) => {
        const { init, shape } = r.declaration
        const key = `${JSON.stringify(init)} ${sizeOf(shape)} ${init._tag === 'Constant' ? '' : origin(r)}`
        const values = made.get(key) ?? firstValues(seed)(r)
        made.set(key, values)
        return [r.path, values]
      }),
    )
  }
