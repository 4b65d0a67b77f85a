/** Sizes that a file states, held against what it can contain and what is allowed, before anything is made of that size. */
import type { Either } from 'fp-ts/lib/Either.js'
import * as E from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'

/** Bytes that one image, volume or array may take, where nothing else is said: 4 GiB. */
export const itemBytes = 2 ** 32

/** The most bytes that deflate unpacks a byte to: a match of 258 for each 2 bits (RFC 1951). */
export const deflateRatio = 1032

/** A size of bytes as a person reads it. */
export const showBytes = (n: number): string => {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, n)) / 10)))
  return `${unit === 0 ? n : Number((n / 2 ** (10 * unit)).toPrecision(3))} ${units[unit]}`
}

/** Whether a number of bytes may be taken for one thing. Fault: more than the limit, which is named with its setting. */
export const allowedBytes = (place: string, bytes: number, limit: number = itemBytes): Either<Fault, void> =>
  bytes <= limit
    ? E.right(undefined)
    : E.left(
        fault('data', {
          place,
          found: `one image, volume or array of ${showBytes(bytes)}`,
          allowed: `at most ${showBytes(limit)}`,
          remedy: `if it is meant to be so large: --set data.limits.item=${Math.ceil(bytes / 2 ** 20)} (MiB); else the file is damaged`,
        }),
      )

/** Whether a packed stream can unpack to what is stated of it. Left: what was found. */
export const deflatable = (packed: number, stated: number): Either<string, void> =>
  stated <= packed * deflateRatio
    ? E.right(undefined)
    : E.left(`${stated} bytes are stated of ${packed} packed ones, which unpack to ${packed * deflateRatio} at most`)
