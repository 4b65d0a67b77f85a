/** Bytes that can be read at any place: of an open file, or in memory. */

import type { FileHandle } from 'node:fs/promises'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { readAt } from './file.ts'

export interface Source {
  readonly length: number
  /** Exactly `length` bytes at `offset`. Fault: the source ends before. */
  readonly read: (offset: number, length: number) => Promise<Either<Fault, Uint8Array>>
}

/** A file that was opened for reading. */
export const fileSource = (path: string, handle: FileHandle, length: number): Source => ({
  length,
  read: (offset, n) =>
    Promise.resolve(offset + n <= length ? readAt('data', path)(handle, offset, n) : E.left(ended(path, offset + n, length))),
})

/** Bytes in memory; what is read shares them. */
export const memorySource = (path: string, bytes: Uint8Array): Source => ({
  length: bytes.length,
  read: (offset, n) =>
    Promise.resolve(
      offset + n <= bytes.length ? E.right(bytes.subarray(offset, offset + n)) : E.left(ended(path, offset + n, bytes.length)),
    ),
})

const ended = (path: string, wanted: number, length: number): Fault =>
  fault('data', {
    place: path,
    found: `${length} bytes`,
    allowed: `at least ${wanted} bytes`,
    remedy: 'the file is truncated: copy or write it again',
  })
