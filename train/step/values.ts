/** Values of networks by path. */
import { ownerOf } from './share.ts'

/** Values of a network by path, row-major. */
export type Values = ReadonlyMap<string, Float32Array>

/**
 * The values of a network by path in it, from the state of a run: what it shares is the student's. `root` may be one of several:
 * `ema.small`.
 */
export const networkValues =
  (root: string) =>
  (state: Values): Values => {
    const below = (prefix: string): ReadonlyArray<readonly [string, Float32Array]> =>
      [...state].flatMap(([path, v]) => (path.startsWith(`${prefix}.`) ? [[path.slice(prefix.length + 1), v] as const] : []))
    return new Map([...below(ownerOf(root)), ...below(root)])
  }
