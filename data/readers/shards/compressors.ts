/** How pages of Parquet are unpacked that the library itself does not unpack: to the size that they state, and no further. */
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Compressors } from 'hyparquet'
import { unpackHadoopLz4, unpackLz4 } from '../../formats/lz4.ts'
import { unpackZstd } from '../../formats/zstd.ts'

/** The library takes what is thrown for a fault of the file, as it comes from its own decoders. */
const orThrow =
  (unpack: (bytes: Uint8Array, length: number) => Either<string, Uint8Array>) =>
  (bytes: Uint8Array, length: number): Uint8Array => {
    const out = unpack(bytes, length)
    if (E.isLeft(out)) throw new Error(out.left)
    return out.right
  }

export const compressors: Compressors = {
  GZIP: (bytes, length) => gunzipSync(bytes, { maxOutputLength: Math.max(1, length) }),
  BROTLI: (bytes, length) => brotliDecompressSync(bytes, { maxOutputLength: Math.max(1, length) }),
  ZSTD: orThrow(unpackZstd),
  LZ4_RAW: orThrow(unpackLz4),
  LZ4: orThrow(unpackHadoopLz4),
}
