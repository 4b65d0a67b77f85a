/** The values of networks with adapters: where they begin, and what a network is once they are merged. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import { join } from '../../../core/tree.ts'
import type { Adapter } from '../../../models/lora.ts'
import type { Values } from '../../exchange/merge.ts'
import { merge, rowNorms } from '../../exchange/merge.ts'
import { ownerOf } from '../share.ts'

/** The values of a network by path in it, from the state of a run: what it shares is the student's. `root` may be one of several: `ema.small`. */
export const networkValues = (root: string) => (state: Values): Values => {
  const below = (prefix: string): ReadonlyArray<readonly [string, Float32Array]> =>
    [...state].flatMap(([path, v]) => (path.startsWith(`${prefix}.`) ? [[path.slice(prefix.length + 1), v] as const] : []))
  return new Map([...below(ownerOf(root)), ...below(root)])
}

/** The plain network that an adapted one is. Faults: those of `merge`. */
export const mergedNetwork = (adapters: ReadonlyArray<Adapter>, root: string) => (state: Values): Either<Fault, Values> =>
  pipe(merge(adapters)(networkValues(root)(state)), E.map((m) => m.values))

/**
 * First values in which the magnitudes of DoRA are the norms of the rows that they scale, so that nothing changes at first. To be
 * called once the base has its values.
 */
export const startAdapters = (adapters: ReadonlyArray<Adapter>) => (state: Values): Either<Fault, Values> => {
  const roots = [...new Set([...state.keys()].map((path) => path.slice(0, path.indexOf('.'))))]
  return pipe(
    roots.flatMap((root) => adapters.map((adapter) => ({ path: join(root, join(adapter.module, 'lora_magnitude_vector')), adapter, root }))),
    (all) => all.filter(({ path }) => state.has(path)),
    E.traverseArray(({ path, adapter, root }) => pipe(rowNorms(adapter, networkValues(root)(state)), E.map((norms) => [path, norms] as const))),
    E.map((found) => new Map([...state, ...found])),
  )
}
