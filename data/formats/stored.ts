/** Tensors that lie somewhere and are read one by one, when they are wanted: of a file whatever its format, or in memory. */
import type { Either } from 'fp-ts/lib/Either.js'
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { elementNames } from './element.ts'
import { guarded } from './file.ts'
import type { HostTensor, HostTensors } from './tensor.ts'

export interface StoredTensor {
  /** The element type as the file calls it; one that is not known here is a fault of `read` alone. */
  readonly type: string
  readonly shape: ReadonlyArray<number>
  readonly read: TaskEither<Fault, HostTensor>
}

export type StoredTensors = ReadonlyMap<string, StoredTensor>

/** What a file holds. */
export interface Stored {
  readonly tensors: StoredTensors
  /** Free text that goes with them. */
  readonly metadata: Readonly<Record<string, string>>
  /** What was passed over on the way, in words. */
  readonly notes: ReadonlyArray<string>
}

/** Tensors in memory as if they were stored. */
export const storedInMemory = (tensors: HostTensors): StoredTensors =>
  new Map([...tensors].map(([name, x]) => [name, { type: elementNames[x.dtype], shape: x.shape, read: TE.right(x) }]))

/** Reads those that are named and there. Fault: that of the first that cannot be read. */
export const readStored =
  (all: StoredTensors, names: Iterable<string>): TaskEither<Fault, HostTensors> =>
  async (): Promise<Either<Fault, HostTensors>> => {
    const out = new Map<string, HostTensor>()
    for (const name of names) {
      const stored = all.get(name)
      if (stored === undefined) continue
      const read = await guarded('data', name)(stored.read)()
      if (E.isLeft(read)) return read
      out.set(name, read.right)
    }
    return E.right(out)
  }
