/** First values of networks with adapters. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import { join } from '../../../core/tree.ts'
import type { Adapter } from '../../../models/lora.ts'
import type { Values } from '../values.ts'
import { networkValues } from '../values.ts'
import { rowNorms } from './rows.ts'

/**
 * First values in which the magnitudes of DoRA are the norms of the rows that they scale, so that nothing changes at first. To be
 * called once the base has its values.
 */
export const startAdapters =
  (adapters: ReadonlyArray<Adapter>) =>
  (state: Values): Either<Fault, Values> => {
    const roots = [...new Set([...state.keys()].map((path) => path.slice(0, path.indexOf('.'))))]
    return pipe(
      roots.flatMap((root) =>
        adapters.map((adapter) => ({ path: join(root, join(adapter.module, 'lora_magnitude_vector')), adapter, root })),
      ),
      (all) => all.filter(({ path }) => state.has(path)),
      E.traverseArray(({ path, adapter, root }) =>
        pipe(
          rowNorms(adapter, networkValues(root)(state)),
          E.map((norms) => [path, norms] as const),
        ),
      ),
      E.map((found) => new Map([...state, ...found])),
    )
  }
