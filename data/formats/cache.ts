/** Remembers what was made lately, up to a number of bytes. Makings in progress are shared by those who wait for them. */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'

/** Gives the value of a key, made by `make` if it is not remembered. `bytes` is what it will take. Failures are forgotten. */
export type Recent<E, A> = (key: string, bytes: number, make: TaskEither<E, A>) => TaskEither<E, A>

/** A memory of at most `limit` bytes, the least recently used leaving first; the newest stays however large it is. */
export const recent = <L, A>(limit: number): Recent<L, A> => {
  const kept = new Map<string, { readonly bytes: number; readonly value: Promise<Either<L, A>> }>()
  return (key, bytes, make) => async () => {
    const known = kept.get(key)
    kept.delete(key)
    const entry = known ?? { bytes, value: make() }
    kept.set(key, entry)
    let total = 0
    for (const e of kept.values()) total += e.bytes
    for (const [old, e] of kept) {
      if (total <= limit || old === key) break
      kept.delete(old)
      total -= e.bytes
    }
    const value = await entry.value
    if (E.isLeft(value) && kept.get(key) === entry) kept.delete(key)
    return value
  }
}
