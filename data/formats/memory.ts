/** Memory that threads share: one copy for all of them. */

/** The same bytes in memory that threads share. */
export const sharedBytes = (bytes: Uint8Array): Uint8Array => {
  if (bytes.buffer instanceof SharedArrayBuffer) return bytes
  const out = new Uint8Array(new SharedArrayBuffer(bytes.length))
  out.set(bytes)
  return out
}

/** The same numbers in memory that threads share. */
export const sharedFloats = (x: Float32Array): Float32Array => {
  if (x.buffer instanceof SharedArrayBuffer) return x
  const out = new Float32Array(new SharedArrayBuffer(4 * x.length))
  out.set(x)
  return out
}
