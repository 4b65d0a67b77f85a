/** Frames of Zstandard (RFC 8878), unpacked by a library into as many bytes as were stated. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { decompress } from 'fzstd'
import { messageOf } from '../../core/fault.ts'

const magic = [0x28, 0xb5, 0x2f, 0xfd]

/** The size that a frame states of its content; none where it does not. */
const statedSize = (bytes: Uint8Array): number | undefined => {
  const flags = bytes[4]
  const single = (flags >> 5) & 1
  const at = 5 + (1 - single) + [0, 1, 2, 4][flags & 3]
  const width = [single, 2, 4, 8][flags >> 6]
  if (width === 0 || at + width > bytes.length) return undefined
  let size = 0
  for (let k = width - 1; k >= 0; k--) size = size * 256 + bytes[at + k]
  return width === 2 ? size + 256 : size
}

/** Data of `length` bytes once they are unpacked; memory for more is never taken. Left: what is wrong with them. */
export const unpackZstd = (bytes: Uint8Array, length: number): Either<string, Uint8Array> => {
  if (magic.some((b, k) => bytes[k] !== b)) return E.left('Zstandard: no frame')
  const size = statedSize(bytes)
  if (size !== undefined && size > length) return E.left(`Zstandard: a frame of ${size} bytes, where ${length} were stated`)
  try {
    const out = decompress(bytes, new Uint8Array(length))
    return out.length === length ? E.right(out) : E.left(`Zstandard: ${out.length} bytes, where ${length} were stated`)
  } catch (e) {
    return E.left(`Zstandard: ${messageOf(e)}`)
  }
}
