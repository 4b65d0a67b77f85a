/**
 * Protocol Buffers' wire format (protobuf.dev, "Encoding"), as far as ONNX needs it: messages as pieces, so that large tensors are never
 * copied.
 */

export interface Bytes {
  readonly length: number
  readonly parts: ReadonlyArray<Uint8Array>
}

const piece = (bytes: Uint8Array): Bytes => ({ length: bytes.length, parts: [bytes] })

export const joined = (all: ReadonlyArray<Bytes>): Bytes => ({
  length: all.reduce((n, b) => n + b.length, 0),
  parts: all.flatMap((b) => b.parts),
})

/** Seven bits a byte, the lowest first; a negative number as its 64-bit complement. */
const varint = (n: bigint): Uint8Array => {
  const out: Array<number> = []
  let rest = BigInt.asUintN(64, n)
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  out.push(Number(rest))
  return Uint8Array.from(out)
}

const key = (field: number, wire: 0 | 2 | 5): Uint8Array => varint(BigInt(field * 8 + wire))

/** int64, int32 and enumerations. */
export const whole = (field: number, n: number | bigint): Bytes => joined([piece(key(field, 0)), piece(varint(BigInt(n)))])

/** A float. */
export const real = (field: number, x: number): Bytes => {
  const four = new DataView(new ArrayBuffer(4))
  four.setFloat32(0, x, true)
  return joined([piece(key(field, 5)), piece(new Uint8Array(four.buffer))])
}

/** A message within a message. */
export const within = (field: number, b: Bytes): Bytes => joined([piece(key(field, 2)), piece(varint(BigInt(b.length))), b])

/** Bytes as they are. */
export const raw = (field: number, bytes: Uint8Array): Bytes => within(field, piece(bytes))

export const text = (field: number, s: string): Bytes => raw(field, new TextEncoder().encode(s))
