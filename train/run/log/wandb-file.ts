/**
 * The file of a run of Weights & Biases (`run-ID.wandb`): seven bytes of its own, then the log format of LevelDB (`doc/log_format.md`),
 * blocks of 32 KiB with records that are whole or in pieces, each with the CRC-32 of zlib (LevelDB has CRC-32C). A record is a message
 * of Protocol Buffers.
 */
import { crc32 } from 'node:zlib'

const block = 32768

/** Of a piece: checksum of kind and data, length, kind. */
const headBytes = 7
const kindAt = 6

/** `:W&B`, the number 0xbee1, version 0. */
export const opening = Uint8Array.of(0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0)

const kinds = { whole: 1, first: 2, middle: 3, last: 4 } as const

const pieceOf = (kind: number, data: Uint8Array): Uint8Array => {
  const out = new Uint8Array(headBytes + data.length)
  const view = new DataView(out.buffer)
  view.setUint16(4, data.length, true)
  out[kindAt] = kind
  out.set(data, headBytes)
  view.setUint32(0, crc32(out.subarray(kindAt)), true)
  return out
}

/** A record as it is written at a position of the file: no piece crosses the end of a block, and what no head fits into is zero. */
export const framed = (at: number, data: Uint8Array): Uint8Array => {
  const left = block - (at % block)
  const padding = left < headBytes ? left : 0
  const pieces: Array<Uint8Array> = []
  let room = (padding > 0 ? block : left) - headBytes
  let from = 0
  do {
    const to = Math.min(data.length, from + room)
    const [first, last] = [pieces.length === 0, to === data.length]
    pieces.push(pieceOf(first ? (last ? kinds.whole : kinds.first) : last ? kinds.last : kinds.middle, data.subarray(from, to)))
    from = to
    room = block - headBytes
  } while (from < data.length)
  return Buffer.concat([new Uint8Array(padding), ...pieces])
}

/** The whole records of a file, up to the first that a crash has torn. Undefined where it is no such file. */
export const recordsIn = (file: Uint8Array): ReadonlyArray<Uint8Array> | undefined => {
  if (opening.some((b, i) => file[i] !== b)) return undefined
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const records: Array<Uint8Array> = []
  let pieces: ReadonlyArray<Uint8Array> = []
  let at = opening.length
  for (;;) {
    const left = block - (at % block)
    if (left < headBytes) at += left
    if (at + headBytes > file.length) return records
    const [kind, end] = [file[at + kindAt], at + headBytes + view.getUint16(at + 4, true)]
    const data = file.subarray(at + headBytes, end)
    if (end > file.length || view.getUint32(at, true) !== crc32(file.subarray(at + kindAt, end))) return records
    const begins = kind === kinds.whole || kind === kinds.first
    if (begins !== (pieces.length === 0)) return records
    pieces = [...pieces, data]
    if (kind === kinds.whole || kind === kinds.last) {
      records.push(Buffer.concat(pieces))
      pieces = []
    }
    at = end
  }
}

/** The fields of a message: numbers, and bytes of what has a length. Others have no place in these files. */
export const fieldsOf = (message: Uint8Array): ReadonlyMap<number, number | Uint8Array> => {
  const fields = new Map<number, number | Uint8Array>()
  let at = 0
  const varint = (): number => {
    let [value, scale] = [0, 1]
    for (; at < message.length; scale *= 128) {
      const b = message[at++]
      value += (b & 127) * scale
      if (b < 128) break
    }
    return value
  }
  while (at < message.length) {
    const key = varint()
    const value = varint()
    if ((key & 7) === 0) fields.set(key >>> 3, value)
    else if ((key & 7) === 2) {
      fields.set(key >>> 3, message.subarray(at, at + value))
      at += value
    } else return fields
  }
  return fields
}
