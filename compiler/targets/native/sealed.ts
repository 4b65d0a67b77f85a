/** Files of a cache that are plain values behind the digest of their bytes: what is not as it was written does not open. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import * as E from 'fp-ts/lib/Either.js'
import type * as t from 'io-ts'
import { pack, unpack } from 'msgpackr'
import { writeWhole } from './cache.ts'

const digestOf = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
const digestBytes = 32

/** The value of a file; undefined where it cannot be read, has another digest, or is no such value. */
export const readSealed = async <A>(path: string, codec: t.Type<A, unknown>): Promise<A | undefined> => {
  try {
    const file = await readFile(path)
    const body = file.subarray(digestBytes)
    if (!file.subarray(0, digestBytes).equals(digestOf(body))) return undefined
    const decoded = codec.decode(unpack(body))
    return E.isRight(decoded) ? decoded.right : undefined
  } catch {
    return undefined
  }
}

/** Writes a value whole or not at all. Throws what the file system refuses. */
export const writeSealed = async <A>(path: string, codec: t.Type<A, unknown>, value: A): Promise<void> => {
  const body = pack(codec.encode(value))
  await writeWhole(path, Buffer.concat([digestOf(body), body]))
}
