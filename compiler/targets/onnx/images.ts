/** The begin of a model of images: `pixels` `[batch, channels, height, width]`, whose sides are fixed, or open and cut to whole patches. */
import type { Builder } from './builder.ts'
import { castTo } from './builder.ts'
import type { OnnxValue } from './file.ts'
import type { Open } from './size.ts'

/** Sides in pixels; or any, of patches of a number of pixels. */
export type Sides =
  { readonly _tag: 'Fixed'; readonly height: number; readonly width: number } | { readonly _tag: 'Open'; readonly patch: number }

/** What graphs of images are given: pixels, and whether these are as high as they are wide. */
export const inputNames = { pixels: 'pixels', square: 'square' } as const

/**
 * What is left open: the batch, and with open sides the patches along them. Rows and columns are traced at numbers that are never equal,
 * since a square of patches can be what positions were learned for.
 */
export const openOf = (sides: Sides): ReadonlyArray<Open> => [
  { name: 'batch', from: 2 },
  ...(sides._tag === 'Open'
    ? [
        { name: 'rows', from: 5 },
        { name: 'columns', from: 10 },
      ]
    : []),
]

/** The shape of the graph's pixels where open extents have these values. */
export const pixelsAt = (sides: Sides, channels: number, [batch, rows, columns]: ReadonlyArray<number>): ReadonlyArray<number> =>
  sides._tag === 'Fixed' ? [batch, channels, sides.height, sides.width] : [batch, channels, rows * sides.patch, columns * sides.patch]

export const imageInput = (sides: Sides, channels: number): OnnxValue => ({
  name: inputNames.pixels,
  type: 'f32',
  shape: ['batch', channels, ...(sides._tag === 'Fixed' ? [sides.height, sides.width] : ['height', 'width'])],
})

/** Says what the open extents are, and gives the graph's inputs. */
export const beginImages =
  (sides: Sides) =>
  (b: Builder): ReadonlyMap<string, string> => {
    const shape = b.node('Shape', [inputNames.pixels])
    const extent = (axis: number): string => b.node('Gather', [shape, b.constant('i64', [1], [axis])], { axis: 0 })
    b.open('batch', extent(0))
    if (sides._tag === 'Fixed') return new Map([[inputNames.pixels, inputNames.pixels]])
    const patch = b.constant('i64', [1], [sides.patch])
    const [height, width] = [extent(2), extent(3)]
    const [rows, columns] = [b.node('Div', [height, patch]), b.node('Div', [width, patch])]
    b.open('rows', rows)
    b.open('columns', columns)
    const ends = b.node('Concat', [b.node('Mul', [rows, patch]), b.node('Mul', [columns, patch])], { axis: 0 })
    const whole = b.node('Slice', [inputNames.pixels, b.constant('i64', [2], [0, 0]), ends, b.constant('i64', [2], [2, 3])])
    const square = castTo(b, b.node('Squeeze', [b.node('Equal', [height, width]), b.constant('i64', [1], [0])]), 'bool')
    return new Map([
      [inputNames.pixels, whole],
      [inputNames.square, square],
    ])
  }
