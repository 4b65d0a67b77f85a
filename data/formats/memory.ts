/** Memory that threads share: one copy for all of them. */

/** The same bytes in memory that threads share. */
export const sharedBytes = (bytes: Uint8Array): Uint8Array => {
  if (bytes.buffer instanceof SharedArrayBuffer) return bytes
  const out = new Uint8Array(new SharedArrayBuffer(bytes.length))
  out.set(bytes)
  return out
}

/** An array of numbers. */
interface Kind<A> {
  readonly BYTES_PER_ELEMENT: number
  new (memory: SharedArrayBuffer): A
}

/** Room for so many numbers of a kind, all 0, in memory that threads share. */
export const sharedRoom = <A>(kind: Kind<A>, length: number): A => new kind(new SharedArrayBuffer(kind.BYTES_PER_ELEMENT * length))

/** Numbers in memory that threads share, in an array of a kind. */
export const sharedNumbers = <A extends Float32Array | Float64Array | Uint32Array | Int32Array>(
  kind: Kind<A>,
  from: ArrayLike<number>,
): A => {
  const out = sharedRoom(kind, from.length)
  out.set(from)
  return out
}

/** The same numbers in memory that threads share. */
export const sharedFloats = (x: Float32Array): Float32Array => (x.buffer instanceof SharedArrayBuffer ? x : sharedNumbers(Float32Array, x))
