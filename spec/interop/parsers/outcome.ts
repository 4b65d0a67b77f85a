/** What becomes of a file: how two readers are compared on whole and on damaged ones. */
import { createHash } from 'node:crypto'
import { splitmix } from '../../data/random.ts'

/** Numbers that were read, with their shape; a refusal; or an object without pixels. */
export type Outcome =
  { readonly _tag: 'Read'; readonly hash: string } | { readonly _tag: 'Refused'; readonly why: string } | { readonly _tag: 'Nothing' }

/**
 * A reader of one kind of file, tried on the file at `path`. It may throw: that counts as a refusal by the library, and as a crash by
 * this project.
 */
export interface Reader {
  readonly name: string
  readonly read: (path: string) => Promise<Outcome>
}

export const refused = (why: string): Outcome => ({ _tag: 'Refused', why })

/** An outcome with the values `[C, H, W]` of every image, or whatever shape they have. */
export const readAs = (
  images: Iterable<{ readonly shape: ReadonlyArray<number>; readonly data: Float32Array | Float64Array }>,
): Outcome => {
  const hash = createHash('sha256')
  for (const { shape, data } of images) {
    hash.update(shape.join('x'))
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }
  return { _tag: 'Read', hash: hash.digest('hex') }
}

/** What a damaged file can come to, next to what the whole one holds. */
export type Verdict = 'right' | 'refused' | 'other values' | 'nothing in it' | 'thrown'

export const verdicts: ReadonlyArray<Verdict> = ['right', 'refused', 'other values', 'nothing in it', 'thrown']

/** Runs a reader; what it throws is an outcome too. */
export const outcomeOf = async (r: Reader, path: string): Promise<Outcome | 'thrown'> => {
  try {
    return await r.read(path)
  } catch {
    return 'thrown'
  }
}

/** Against the values of the whole file; none where nobody reads it. */
export const verdictOf = (o: Outcome | 'thrown', whole: Outcome | 'thrown'): Verdict => {
  if (o === 'thrown') return 'thrown'
  if (o._tag === 'Refused') return 'refused'
  if (o._tag === 'Nothing') return 'nothing in it'
  return whole !== 'thrown' && whole._tag === 'Read' && whole.hash === o.hash ? 'right' : 'other values'
}

/** A file cut at every kilobyte and near its ends. */
export function* cuts(bytes: Uint8Array): Generator<Uint8Array> {
  const near = [1, 131, 132, 140, 300, 348, ...[1, 2, 3, 8, 9, 17, 100].map((k) => bytes.length - k)]
  for (const at of [...Array.from({ length: Math.ceil(bytes.length / 1024) }, (_, k) => 1024 * k), ...near]) {
    if (at >= 0 && at < bytes.length) yield bytes.subarray(0, at)
  }
}

/** A file with one to three flipped bits, half of the times within its first two kilobytes; the same ones in every run. */
export function* flips(bytes: Uint8Array, count: number): Generator<Uint8Array> {
  const random = splitmix(bytes.length)
  for (let k = 0; k < count; k++) {
    const changed = Uint8Array.from(bytes)
    const reach = k % 2 === 0 ? Math.min(2048, bytes.length) : bytes.length
    for (let n = Math.floor(random() * 3); n >= 0; n--) changed[Math.floor(random() * reach)] ^= 1 << Math.floor(random() * 8)
    yield changed
  }
}
