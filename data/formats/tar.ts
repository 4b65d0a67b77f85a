/**
 * Tar archives (POSIX ustar and pax, GNU's long names), listed without reading what is in their members: only the headers are read, and
 * what lies beside them.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'

/** A member: its bytes lie at [offset, offset + length) of the archive. */
export interface TarMember {
  readonly name: string
  readonly offset: number
  readonly length: number
  /** Its first bytes, at most `n`. */
  readonly head: (n: number) => Uint8Array
}

const block = 512

/** Bytes of one read: a header, a small member and the next header. */
const window = 4096

/** Members between which others have their turn. */
const turn = 4096

/** A number of octal digits, or of GNU's bytes where the first bit is set. */
const numberIn = (b: Buffer, at: number, length: number): number => {
  if ((b[at] & 0x80) !== 0) {
    let n = b[at] & 0x7f
    for (let i = 1; i < length; i++) n = n * 256 + b[at + i]
    return n
  }
  let n = 0
  for (let i = 0; i < length; i++) {
    const d = b[at + i] - 48
    if (d >= 0 && d < 8) n = n * 8 + d
    else if (b[at + i] !== 32 || n > 0) break
  }
  return n
}

const textIn = (b: Buffer, at: number, length: number): string => {
  const end = b.indexOf(0, at)
  return b.toString('utf8', at, end < 0 || end > at + length ? at + length : end)
}

/** The sum that a header carries of itself, its own place counted as spaces. */
const isSound = (b: Buffer, at: number): boolean => {
  let sum = 8 * 32
  for (let i = 0; i < block; i++) if (i < 148 || i >= 156) sum += b[at + i]
  return sum === numberIn(b, at + 148, 8)
}

const isEmpty = (b: Buffer, at: number): boolean => {
  for (let i = 0; i < block; i++) if (b[at + i] !== 0) return false
  return true
}

/** Whether bytes begin as a tar archive. */
export const isTar = (bytes: Uint8Array): boolean => {
  const b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return b.length >= block && isSound(b, 0)
}

/** The records of a pax header: `LENGTH KEY=VALUE`, one a line. */
const paxOf = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text
      .split('\n')
      .map((l) => /^\d+ ([^=]+)=(.*)$/s.exec(l))
      .flatMap((m) => (m === null ? [] : [[m[1], m[2]] as const])),
  )

/**
 * Hands over each file of an archive, in order; gives whether it ends as archives do, with an empty block. Left: where it is damaged or cut
 * off. Throws what the system refuses.
 */
export const eachTarMember = async (path: string, take: (m: TarMember) => void): Promise<Either<string, boolean>> => {
  const fd = openSync(path, 'r')
  try {
    const { size } = fstatSync(fd)
    const buffer = Buffer.alloc(window)
    let [from, filled] = [0, 0]
    /** Where `n` bytes from `at` on lie in the buffer; -1 where the file ends before. */
    const need = (at: number, n: number): number => {
      if (at >= from && at + n <= from + filled) return at - from
      from = at
      filled = readSync(fd, buffer, 0, window, at)
      return filled >= n ? 0 : -1
    }
    const bytesAt = (at: number, n: number): Uint8Array => {
      if (n <= window) {
        const place = need(at, n)
        return place < 0 ? new Uint8Array(0) : Uint8Array.from(buffer.subarray(place, place + n))
      }
      const out = new Uint8Array(n)
      return out.subarray(0, readSync(fd, out, 0, n, at))
    }
    let long: string | undefined
    let pax: ReadonlyMap<string, string> = new Map()
    let seen = 0
    for (let at = 0; at < size;) {
      const h = need(at, block)
      if (h < 0) return E.left(`the end of the archive within the header at byte ${at}`)
      if (isEmpty(buffer, h)) return E.right(true)
      if (!isSound(buffer, h)) return E.left(`no header at byte ${at}`)
      const kind = String.fromCharCode(buffer[h + 156])
      const said = pax.get('size')
      const length = said === undefined ? numberIn(buffer, h + 124, 12) : Number(said)
      const [prefix, own] = [buffer[h + 257] === 0x75 ? textIn(buffer, h + 345, 155) : '', textIn(buffer, h, 100)]
      const offset = at + block
      if (!Number.isSafeInteger(length) || offset + length > size)
        return E.left(`a member of ${length} bytes at byte ${at}, where ${size - offset} are left`)
      const name = pax.get('path') ?? long ?? (prefix === '' ? own : `${prefix}/${own}`)
      if (kind === 'L' || kind === 'x') {
        const text = Buffer.from(bytesAt(offset, Math.min(length, 2 ** 20))).toString('utf8')
        if (kind === 'L') long = text.replace(/\0.*$/s, '')
        else pax = paxOf(text)
      } else if (kind !== 'g') {
        if (kind === '0' || kind === '\0') take({ name, offset, length, head: (n) => bytesAt(offset, Math.min(n, length)) })
        long = undefined
        pax = new Map()
      }
      at = offset + Math.ceil(length / block) * block
      if (++seen % turn === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    return E.right(false)
  } finally {
    closeSync(fd)
  }
}
