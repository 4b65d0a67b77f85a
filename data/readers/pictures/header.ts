/** What the first bytes of pictures say: their channels, sides and pages, without decoding them. */
import { readFile, stat } from 'node:fs/promises'
import * as E from 'fp-ts/lib/Either.js'
import { headOf } from '../sorting.ts'
import { framesOf } from './apng.ts'
import { channelled, ownPages } from './channels.ts'
import { ownHead, pageKind } from './file.ts'
import type { Pages, PictureOptions } from './file.ts'
import { isJpeg2000 } from './jpeg2000.ts'
import { isPlain, tiffOf } from './tiff.ts'
import type { Tiff, TiffPage } from './tiff.ts'

/** What a picture's header says. */
export interface Peeked {
  /** Channels, alpha among them. */
  readonly channels: number
  readonly deep: boolean
  /** Bands or numbers that are no intensities of a picture: what they are, and their ends. */
  readonly measured?: { readonly what: string; readonly range: readonly [number, number] }
  /** Pages that are images by themselves, by their numbers; and how many are smaller copies or of another size. */
  readonly pages: ReadonlyArray<number>
  readonly others: number
  /** How many channels of one image its pages are: as its description says, or all of them, where none does and they are to be channels. */
  readonly across?: { readonly channels: number; readonly described: boolean }
  /** Its sides, turned upright. */
  readonly size: { readonly height: number; readonly width: number }
}

const rangeOf = (p: Pick<TiffPage, 'kind' | 'bits'>): readonly [number, number] =>
  p.kind === 'float' ? [-Infinity, Infinity] : p.kind === 'signed' ? [-(2 ** (p.bits - 1)), 2 ** (p.bits - 1) - 1] : [0, 2 ** p.bits - 1]

/** Bands of numbers of a kind, that measure something. */
const bandsOf = (bands: number, p: Pick<TiffPage, 'kind' | 'bits'>): NonNullable<Peeked['measured']> => ({
  what: `${bands}-band ${p.kind}-${p.bits}`,
  range: rangeOf(p),
})

const turned = ({ height, width }: Peeked['size'], orientation: number): Peeked['size'] =>
  orientation >= 5 ? { height: width, width: height } : { height, width }

const peekTiff = (t: Tiff, asked: Pages): Peeked => {
  const { pages } = t
  const [first] = pages
  const { colours, alpha, measured } = pageKind(first)
  const own = ownPages(t)
  const stack = channelled(t)
  const channels = stack?.images[0].length ?? 1
  const size = turned(first, first.tags.get(274)?.[0] ?? 1)
  const across =
    stack === undefined || channels === 1 || (asked === 'images' && !stack.described)
      ? {}
      : { across: { channels, described: stack.described } }
  if (asked === 'channels' && stack !== undefined && channels > 1)
    return {
      channels,
      deep: first.bits === 16,
      pages: stack.images.map(([page]) => page),
      others: pages.length - own.length,
      size,
      measured: bandsOf(channels, first),
      ...across,
    }
  return {
    // palettes and inks become colours
    channels: first.photometric === 3 || first.photometric === 5 ? 3 : colours + (alpha ? 1 : 0),
    deep: first.bits === 16,
    pages: own,
    others: pages.length - own.length,
    size,
    ...across,
    ...(measured && isPlain(first) ? { measured: bandsOf(colours, first) } : {}),
  }
}

const upTo = (n: number): ReadonlyArray<number> => Array.from({ length: n }, (_, i) => i)

/** Bytes that hold what a header says, of formats that are looked at here. */
const headBytes = 4096

/** What of the options changes what a header means. */
export type PeekOptions = Pick<PictureOptions, 'pages' | 'sign'>

/** One channel of 16 bits that is read as numbers with a sign. */
const asSigned = (channels: number, deep: boolean, sign: PictureOptions['sign']): Pick<Peeked, 'measured'> =>
  sign === 'signed' && deep && channels === 1 ? { measured: bandsOf(1, { kind: 'signed', bits: 16 }) } : {}

/** What the header of a picture says: of a file by its path, or of bytes. None where it cannot be read. */
export const peekPicture = async (file: string | Uint8Array, o: PeekOptions = {}): Promise<Peeked | undefined> => {
  try {
    const head = typeof file === 'string' ? await headOf(file, headBytes) : file
    if (head === undefined) return undefined
    const own = ownHead(head)
    if (own !== undefined) {
      if (E.isLeft(own)) return undefined
      const { channels, deep, height, width } = own.right
      return { channels, deep, pages: [0], others: 0, size: { height, width }, ...asSigned(channels, deep, o.sign) }
    }
    if ((head[0] === 0x49 || head[0] === 0x4d) && head[0] === head[1]) {
      const tiff = tiffOf(typeof file === 'string' ? await readFile(file) : file, o.sign)
      if (E.isRight(tiff)) return peekTiff(tiff.right, o.pages ?? 'images')
    }
    const { default: sharp } = await import('sharp')
    const { channels, depth, space, width, height, orientation = 1, pages: inFile } = await sharp(file).metadata()
    const isAnimated = inFile === undefined && framesOf(head, Infinity) > 1
    const frames = isAnimated ? framesOf(head, typeof file === 'string' ? (await stat(file)).size : file.length) : (inFile ?? 1)
    return {
      channels: space === 'cmyk' ? 3 : channels,
      deep: depth === 'ushort',
      pages: upTo(frames),
      others: 0,
      size: turned({ height, width }, orientation),
      ...asSigned(channels, depth === 'ushort', o.sign),
    }
  } catch {
    return undefined
  }
}

/** Whether a file begins as pictures do that are recognised by their first bytes. */
export const beginsAsPicture = (head: Uint8Array): boolean => {
  const is = (at: number, text: string): boolean => text === String.fromCharCode(...head.subarray(at, at + text.length))
  return (
    (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) ||
    is(1, 'PNG\r\n') ||
    is(0, 'GIF8') ||
    (is(0, 'RIFF') && is(8, 'WEBP')) ||
    is(0, 'II*\0') ||
    is(0, 'MM\0*') ||
    is(4, 'ftypavif') ||
    (is(0, 'BM') && head[6] === 0 && head[7] === 0) ||
    isJpeg2000(head)
  )
}

/** Whether a picture's EXIF orientation turns it. No where its header cannot be read: reading it says why. */
export const isTurned = async (path: string): Promise<boolean> => {
  const { default: sharp } = await import('sharp')
  return sharp(path)
    .metadata()
    .then(
      ({ orientation = 1 }) => orientation > 1,
      () => false,
    )
}
