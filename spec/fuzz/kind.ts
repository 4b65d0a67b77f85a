/** A kind of files that are damaged and read. */
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import type { Structure } from './mutate.ts'

export interface Kind {
  readonly name: string
  /** What files are called. */
  readonly file: string
  readonly structure: Structure
  /** Files that lie beside it. */
  readonly beside?: () => Promise<Readonly<Record<string, Buffer>>>
  /** Whole files, at least one. */
  readonly seeds: () => Promise<ReadonlyArray<Buffer>>
  /** Reads all of a file. Left: refused. Right: undefined, or in words what is wrong with what was read. */
  readonly read: (path: string, bytes: Buffer) => Promise<Either<Fault, string | undefined>>
}
