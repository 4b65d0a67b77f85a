/** Damage that knows how a file is built: where its bytes are packed or described by a text, that is damaged and the rest made to fit. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { archive } from '../data/npy-files.ts'

/** Numbers in [0, 1). */
export type Random = () => number

/** How a kind of file is built. */
export type Structure = 'bytes' | 'text' | 'gzip' | 'archive' | 'headed'

export const below = (r: Random, n: number): number => Math.floor(r() * n)
const pick = <A>(r: Random, all: ReadonlyArray<A>): A => all[below(r, all.length)]

const numbers: ReadonlyArray<number> = [0, 1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]

/** One change of bytes. */
const changed = (r: Random, bytes: Buffer, other: Buffer): Buffer => {
  const at = below(r, bytes.length + 1)
  const n = below(r, 1 + below(r, 64))
  switch (below(r, 9)) {
    case 0: {
      const out = Buffer.from(bytes)
      if (at < out.length) out[at] ^= 1 << below(r, 8)
      return out
    }
    case 1: {
      const out = Buffer.from(bytes)
      if (at < out.length) out[at] = below(r, 256)
      return out
    }
    case 2: {
      const [out, width, v] = [Buffer.from(bytes), pick(r, [1, 2, 4, 8]), pick(r, [...numbers, bytes.length, bytes.length - 1])]
      if (at + width > out.length) return out
      const wide = BigInt.asUintN(8 * width, BigInt(v))
      const cell = Buffer.alloc(8)
      if (r() < 0.5) {
        cell.writeBigUInt64LE(wide)
        cell.copy(out, at, 0, width)
      } else {
        cell.writeBigUInt64BE(wide)
        cell.copy(out, at, 8 - width, 8)
      }
      return out
    }
    case 3:
      return bytes.subarray(0, at)
    case 4:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + n)])
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - n), at), bytes.subarray(at)])
    case 6:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(Array.from({ length: n }, () => below(r, 256))), bytes.subarray(at)])
    case 7:
      return Buffer.concat([bytes.subarray(0, at), other.subarray(below(r, other.length + 1))])
    default: {
      const out = Buffer.from(bytes)
      return out.fill(pick(r, [0, 255]), at, Math.min(out.length, at + n))
    }
  }
}

const words: ReadonlyArray<string> = [
  '1e999',
  '-1',
  'NaN',
  '-0',
  '9007199254740993',
  '1e9',
  '0x10',
  '""',
  'null',
  'true',
  '[]',
  '{}',
  '[[1]]',
  '*a',
  '&a [*a]',
  '<<: *a',
  '!!js/function x',
  '__proto__',
  'constructor',
  '\u202e',
  '\u0000',
  '\ufeff',
  '"',
  "'",
  ',',
  '\n',
  '\r',
  '- ',
  ': ',
  '../../etc/passwd',
]

/** One change of a text. */
const reworded = (r: Random, text: string): string => {
  const tokens = [...text.matchAll(/-?[\d.]+(?:e[-+]?\d+)?|"[^"]*"|\w+/g)]
  const lines = text.split('\n')
  const line = below(r, lines.length)
  const at = below(r, text.length + 1)
  switch (below(r, 7)) {
    case 0:
    case 1: {
      if (tokens.length === 0) return pick(r, words)
      const t = pick(r, tokens)
      return text.slice(0, t.index) + pick(r, words) + text.slice(t.index + t[0].length)
    }
    case 2:
      return [...lines.slice(0, line), ...lines.slice(line + 1)].join('\n')
    case 3:
      return [...lines.slice(0, line), lines[line], ...lines.slice(line)].join('\n')
    case 4:
      return text.slice(0, at) + pick(r, words) + text.slice(at)
    case 5:
      return text.slice(0, at) + pick(r, ['[', '{"a":', '(', '- ']).repeat(pick(r, [1, 50, 5000])) + text.slice(at)
    default:
      return text.slice(0, at)
  }
}

/** Some changes, few more often than many. */
const some = <A>(r: Random, change: (a: A) => A, a: A): A => {
  let out = a
  for (let n = 1 + Math.floor(-Math.log2(1 - r())); n > 0; n--) out = change(out)
  return out
}

const damaged = (r: Random, bytes: Buffer, other: Buffer): Buffer => some(r, (b: Buffer) => changed(r, b, other), bytes)
const textOf = (r: Random, bytes: Buffer): Buffer => Buffer.from(some(r, (t: string) => reworded(r, t), bytes.toString('utf8')))

/** A length of eight bytes, a JSON text so long, and what it describes (safetensors). */
const headed = (r: Random, bytes: Buffer, other: Buffer): Buffer => {
  if (bytes.length < 8) return damaged(r, bytes, other)
  const n = bytes.readUInt32LE(0)
  const [head, body] = [textOf(r, bytes.subarray(8, 8 + n)), r() < 0.3 ? damaged(r, bytes.subarray(8 + n), other) : bytes.subarray(8 + n)]
  const length = Buffer.alloc(8)
  length.writeUInt32LE(head.length, 0)
  return Buffer.concat([length, head, body])
}

/** A file of a kind, damaged; half of all damage is to the packed bytes as they are. */
export const mutated = (structure: Structure, r: Random, bytes: Buffer, other: Buffer): Buffer => {
  const inside = r() < 0.5
  switch (structure) {
    case 'text':
      return inside ? textOf(r, bytes) : damaged(r, bytes, other)
    case 'gzip':
      if (inside && bytes[0] === 0x1f) return gzipSync(damaged(r, gunzipSync(bytes), other), { level: 1 })
      return damaged(r, bytes, other)
    case 'archive':
      // a seed that is no archive is a member
      return inside && bytes[0] !== 0x50
        ? archive({ images: damaged(r, bytes, other) })
        : damaged(r, bytes[0] === 0x50 ? bytes : archive({ images: bytes }), other)
    case 'headed':
      return inside ? headed(r, bytes, other) : damaged(r, bytes, other)
    case 'bytes':
      return damaged(r, bytes, other)
  }
}
