/** How the images of an array lie: a letter for each axis, n images, c channels, d slices, h rows, w columns: `nhwc`. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Image } from '../dataset.ts'
import { counted, note } from '../note.ts'

/** The axes of one entry, [d, c, h, w], as numbers of the array's axes; -1 for one that it has not. */
export interface Layout {
  readonly text: string
  readonly count: number
  readonly sides: readonly [depth: number, height: number, width: number]
  readonly channels: number
  /** Numbers from one slice, row, column or channel to the next, within an entry. */
  readonly strides: readonly [depth: number, height: number, width: number, channel: number]
  readonly volume: boolean
}

/** Layouts that are read, by the number of their axes. */
export const layouts: ReadonlyArray<string> = ['hw', 'hwc', 'chw', 'nhw', 'dhw', 'nhwc', 'nchw', 'ndhw', 'ndhwc', 'ncdhw']

/** The layout of this name over a shape. Left: another number of axes, an empty one. */
const laid = (text: string, shape: ReadonlyArray<number>): Layout => {
  const steps = shape.map((_, a) => shape.slice(a + 1).reduce((n, s) => n * s, 1))
  const at = (letter: string): number => text.indexOf(letter)
  const side = (letter: string): number => (at(letter) < 0 ? 1 : shape[at(letter)])
  const step = (letter: string): number => (at(letter) < 0 ? 0 : steps[at(letter)])
  return {
    text,
    count: side('n'),
    sides: [side('d'), side('h'), side('w')],
    channels: side('c'),
    strides: [step('d'), step('h'), step('w'), step('c')],
    volume: at('d') >= 0,
  }
}

/** What is known of an array beside its shape. */
export interface Context {
  /** The layout that a person names; none to infer it. */
  readonly layout?: string
  /** Whether its name or labels say that it holds several images. */
  readonly several: boolean
}

/** What a shape most probably means, and whether it may mean something else too. */
const inferred = (s: ReadonlyArray<number>, several: boolean): { readonly text: string; readonly other?: string } | undefined => {
  const few = (n: number): boolean => n >= 2 && n <= 4
  const colours = (n: number): boolean => n === 1 || few(n)
  // as many as satellites and stains have, and far fewer than rows
  const bands = (n: number, side: number): boolean => n >= 5 && n <= 13 && 4 * n <= side
  const [a, b, c] = s
  const last = s[s.length - 1]
  switch (s.length) {
    case 2:
      return a >= 8 && b >= 8 && !several ? { text: 'hw' } : undefined
    case 3:
      if (!several && colours(last) && a >= 8 && b >= 8) return { text: 'hwc', other: 'nhw' }
      if (!several && (a === 3 || a === 4) && b >= 8 && c >= 8) return { text: 'chw', other: 'nhw' }
      if (!several && a === b && bands(c, a)) return { text: 'hwc', other: 'nhw' }
      if (!several && b === c && bands(a, b)) return { text: 'chw', other: 'nhw' }
      // a few of them alone in a file may be bands, more are slices
      return several ? { text: 'nhw' } : { text: 'nhw', other: a <= 13 ? 'chw' : 'dhw' }
    case 4:
      if (last === 1 || last === 3 || last === 4) return { text: 'nhwc' }
      if (last === 2 && c > 4) return { text: 'nhwc', other: 'ndhw' }
      if (colours(b) && c > 4 && last > 4) return b === 1 ? { text: 'nchw' } : { text: 'nchw', other: 'ndhw' }
      if (b === c && bands(last, b)) return { text: 'nhwc', other: 'ndhw' }
      return c === last && bands(b, c) ? { text: 'nchw', other: 'ndhw' } : { text: 'ndhw' }
    case 5:
      return colours(last) ? { text: 'ndhwc' } : colours(b) ? { text: 'ncdhw', other: 'ndhwc' } : undefined
    default:
      return undefined
  }
}

/** A layout, and what is to be said where it is a guess. */
export interface Output {
  readonly layout: Layout
  readonly note: string | undefined
}

const shown = (l: Layout): string =>
  `${counted(l.count, l.volume ? 'volume' : 'image')}${l.volume ? ` of ${counted(l.sides[0], 'slice')}` : ''}, ${counted(l.channels, 'channel')} of ${l.sides[1]} x ${l.sides[2]}`

/** The layout of a shape. Left: what was found, of an array that holds no images as far as can be determined. */
export const layoutOf = (shape: ReadonlyArray<number>, { layout, several }: Context): Either<string, Output> => {
  const array = `an array of shape [${shape.join(', ')}]`
  if (shape.some((s) => s < 1)) return E.left(`${array}, which holds no images`)
  if (layout !== undefined)
    return layout.length === shape.length
      ? E.right({ layout: laid(layout, shape), note: undefined })
      : E.left(`${array}, which has not the ${layout.length} axes of ${layout}`)
  const [rows, columns, colours, last] = shape
  if (shape.length === 4 && rows === columns && rows > 4 && (colours === 1 || colours === 3) && last > 13)
    return E.left(`${array}, whose images lie along its last axis: write it with np.moveaxis(images, -1, 0), or say otherwise`)
  const guess = inferred(shape, several)
  if (guess === undefined) return E.left(`${array}, which holds no images`)
  const l = laid(guess.text, shape)
  const said =
    guess.other === undefined
      ? undefined
      : note(
          `[${shape.join(', ')}] is taken as ${guess.text}: ${shown(l)}`,
          [],
          `data.layout=${guess.other} takes it as ${shown(laid(guess.other, shape))}`,
        )
  return E.right({ layout: l, note: said })
}

/** The axes of slices, rows and columns where volumes are cut along one of theirs: [slices, rows, columns] of d, h, w. */
const cut = (axis: number): readonly [number, number, number] => (axis === 0 ? [0, 1, 2] : axis === 1 ? [1, 0, 2] : [2, 0, 1])

/** Slices of an entry along an axis of [d, h, w]. */
export const depthOf = (l: Layout, axis: number): number => l.sides[l.volume ? axis : 0]

/** The sides of such a slice. */
export const sliceSize = (l: Layout, axis: number): { readonly height: number; readonly width: number } => {
  const [, q, p] = cut(l.volume ? axis : 0)
  return { height: l.sides[q], width: l.sides[p] }
}

/** One slice of an entry, [C, H, W], from the entry's numbers. */
export const sliceOf = (l: Layout, axis: number, k: number, numbers: ArrayLike<number>): Image => {
  const [s, q, p] = cut(l.volume ? axis : 0)
  const [height, width] = [l.sides[q], l.sides[p]]
  const { channels, strides } = l
  const data = new Float32Array(channels * height * width)
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      const from = k * strides[s] + y * strides[q] + c * strides[3]
      const to = (c * height + y) * width
      for (let x = 0; x < width; x++) data[to + x] = numbers[from + x * strides[p]]
    }
  }
  return { channels, height, width, data }
}
