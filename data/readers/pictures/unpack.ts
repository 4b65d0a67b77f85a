/** Packed bytes of TIFF: PackBits (TIFF 6.0 section 9) and LZW (section 13). */

export const unpackBits = (bytes: Uint8Array, length: number): Uint8Array => {
  const out = new Uint8Array(length)
  let to = 0
  for (let at = 0; at < bytes.length && to < length;) {
    const n = bytes[at++]
    if (n < 128) {
      out.set(bytes.subarray(at, Math.min(at + n + 1, at + length - to)), to)
      at += n + 1
      to += n + 1
    } else if (n > 128) {
      out.fill(bytes[at++], to, to + 257 - n)
      to += 257 - n
    }
  }
  return out.subarray(0, Math.min(to, length))
}

const clear = 256
const end = 257

/** Codes of 9 to 12 bits, the highest bit first; each names a sequence that came before and one byte more. */
export const unpackLzw = (bytes: Uint8Array, length: number): Uint8Array => {
  const out = new Uint8Array(length)
  /** Where the sequence of a code begins in `out`, and how long it is. */
  const starts = new Int32Array(4097)
  const lengths = new Int32Array(4097)
  let [to, next, width, before, bit] = [0, 258, 9, -1, 0]
  while (to < length && bit + width <= bytes.length * 8) {
    let code = 0
    for (let k = 0; k < width; k++, bit++) code = (code << 1) | ((bytes[bit >> 3] >> (7 - (bit & 7))) & 1)
    if (code === end) break
    if (code === clear) {
      next = 258
      width = 9
      before = -1
      continue
    }
    const from = to
    const put = (v: number): void => {
      if (to < length) out[to] = v
      to++
    }
    const first = before < 0 ? 0 : before < 256 ? before : out[starts[before]]
    if (code < 256) put(code)
    else if (code < next) for (let k = 0; k < lengths[code]; k++) put(out[starts[code] + k])
    else if (before >= 0) {
      const n = before < 256 ? 1 : lengths[before]
      for (let k = 0; k < n; k++) put(before < 256 ? before : out[starts[before] + k])
      put(first)
    } else throw new Error(`the code ${code} at bit ${bit}`)
    if (before >= 0 && next < 4096) {
      const n = before < 256 ? 1 : lengths[before]
      starts[next] = from - n
      lengths[next] = n + 1
      next++
    }
    if (next >= (1 << width) - 1 && width < 12) width++
    before = code
  }
  return out.subarray(0, Math.min(to, length))
}
