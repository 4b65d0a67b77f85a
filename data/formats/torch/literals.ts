/** Numbers and texts as pickles write them: bytes of any length, and lines. */

/** A whole number whose lowest byte is the first. */
export const littleEndian = (bytes: Uint8Array): number => bytes.reduceRight((n, b) => n * 256 + b, 0)

/** Two's complement of any length. */
export const signed = (bytes: Uint8Array): number | bigint => {
  const all = bytes.reduceRight((n, b) => n * 256n + BigInt(b), 0n)
  const n = bytes.length > 0 && bytes[bytes.length - 1] > 127 ? all - (1n << BigInt(8 * bytes.length)) : all
  return Number.isSafeInteger(Number(n)) ? Number(n) : n
}

/** `12`, `12L`, and `01` for true. */
export const whole = (line: string): boolean | number | bigint | undefined => {
  if (line === '01' || line === '00') return line === '01'
  const text = line.replace(/L$/, '')
  return /^-?\d{1,400}$/.test(text) ? (Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text)) : undefined
}

/** A text between quotes, with its escapes. */
export const quoted = (line: string): string =>
  line
    .slice(1, -1)
    .replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex: string | undefined, c: string) =>
      hex !== undefined ? String.fromCharCode(parseInt(hex, 16)) : c === 'n' ? '\n' : c === 't' ? '\t' : c === 'r' ? '\r' : c,
    )

/** A line whose characters beyond Latin-1 are written as their codes. */
export const escaped = (line: string): string =>
  line.replace(/\\u([0-9a-fA-F]{4})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
