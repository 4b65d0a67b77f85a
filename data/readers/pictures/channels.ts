/**
 * Channels of an image that a TIFF has on pages of their own: microscopes write them so, and the description of the first page says which
 * is which, as ImageJ's hyperstacks and OME-TIFF (OME-XML, `Pixels`) do.
 */
import type { Tiff, TiffPage } from './tiff.ts'
import { isPlain } from './tiff.ts'

/** How pages are channels of images. */
export interface Channelled {
  /** The pages of each image, a page for each channel. */
  readonly images: ReadonlyArray<ReadonlyArray<number>>
  /** Whether a description says so; else all pages are channels of one image. */
  readonly described: boolean
}

/** The pages that are images by themselves: of the sides of the first, and no smaller copy of another. */
export const ownPages = ({ pages }: Tiff): ReadonlyArray<number> => {
  const [first] = pages
  return pages.flatMap((p, i) =>
    !p.reduced && p.width === first.width && p.height === first.height && p.samples === first.samples ? [i] : [],
  )
}

/** The extent of each axis, the one that changes first from page to page before the others. */
type Axes = ReadonlyArray<readonly [axis: string, extent: number]>

const sizeIn = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 1)

const ofImageJ = (text: string): Axes => {
  const said = (name: string): number => sizeIn(text, new RegExp(`^${name}=(\\d{1,9})\\s*$`, 'm'))
  return [
    ['C', said('channels')],
    ['Z', said('slices')],
    ['T', said('frames')],
  ]
}

const ofOme = (pixels: string, all: string): Axes => {
  // colours of one page are counted by SizeC as well
  const together = sizeIn(all, /\bSamplesPerPixel="(\d{1,9})"/)
  const [, ...order] = /\bDimensionOrder="XY([CZT])([CZT])([CZT])"/.exec(pixels) ?? ['', 'C', 'Z', 'T']
  return order.map((a) => {
    const extent = sizeIn(pixels, new RegExp(`\\bSize${a}="(\\d{1,9})"`))
    return [a, a === 'C' ? extent / together : extent]
  })
}

const axesOf = (description: string): Axes | undefined => {
  if (/^ImageJ=/.test(description)) return ofImageJ(description)
  const pixels = /<(?:\w+:)?Pixels\b[^>]*>/.exec(description)?.[0]
  return pixels === undefined ? undefined : ofOme(pixels, description)
}

/** Pages whose place OME-XML states one by one, where it is another than the order of axes says. */
const placesOf = (description: string, axes: Axes): ReadonlyMap<number, number> => {
  const found = new Map<number, number>()
  for (const [data] of description.matchAll(/<(?:\w+:)?TiffData\b[^>]*>/g)) {
    const page = /\bIFD="(\d{1,9})"/.exec(data)?.[1]
    if (page === undefined || sizeIn(data, /\bPlaneCount="(\d{1,9})"/) !== 1) return new Map()
    let [place, step] = [0, 1]
    for (const [axis, extent] of axes) {
      place += step * Number(new RegExp(`\\bFirst${axis}="(\\d{1,9})"`).exec(data)?.[1] ?? 0)
      step *= extent
    }
    found.set(place, Number(page))
  }
  return found
}

/**
 * Which pages of a stack are channels of one image; undefined where it has one page, or pages that are not read as numbers. A description
 * that counts other pages than there are is not believed.
 */
export const channelled = (t: Tiff): Channelled | undefined => {
  const own = ownPages(t)
  if (own.length < 2 || !own.every((i) => isPlain(t.pages[i]) && t.pages[i].samples === 1)) return undefined
  const { description = '' } = t.pages[0]
  const axes = axesOf(description)
  const total = axes?.reduce((n, [, extent]) => n * extent, 1)
  if (axes === undefined || total !== own.length) return { images: [own], described: false }
  const at = axes.findIndex(([a]) => a === 'C')
  const step = axes.slice(0, at).reduce((n, [, extent]) => n * extent, 1)
  const [, channels] = axes[at]
  const stated = placesOf(description, axes)
  const places = stated.size === own.length ? own.map((_, i) => stated.get(i) ?? -1) : own
  if (places.some((p) => !own.includes(p))) return { images: [own], described: false }
  const images = own.flatMap((_, i) =>
    Math.floor(i / step) % channels === 0 ? [Array.from({ length: channels }, (__, c) => places[i + c * step])] : [],
  )
  return { images, described: true }
}

/** The pages that make the image whose first page is this one, where pages are channels. */
export const pagesWith = (t: Tiff, page: number): ReadonlyArray<TiffPage> => {
  const image = channelled(t)?.images.find(([first]) => first === page) ?? [page]
  return image.flatMap((i) => (t.pages[i] === undefined ? [] : [t.pages[i]]))
}
