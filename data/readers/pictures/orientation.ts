/**
 * What an EXIF orientation (CIPA DC-008, tag Orientation) does to what is counted in stored pixels: transposing where it is 5 to 8, then
 * mirroring.
 *
 * ```
 * 1 as stored   2 left-right   3 both        4 top-bottom
 * 5 transposed  6 and left-right   7 and both   8 and top-bottom
 * ```
 */
import type { Box } from '../dataset.ts'

/** The image that is shown; a stored one has sides exchanged where the orientation transposes. */
interface Shown {
  readonly height: number
  readonly width: number
  /** 2 to 8. */
  readonly orientation: number
}

const transposes = (orientation: number): boolean => orientation >= 5
const mirrorsX = (orientation: number): boolean => [2, 3, 6, 7].includes(orientation)
const mirrorsY = (orientation: number): boolean => [3, 4, 7, 8].includes(orientation)

/** The sides of the stored image. */
export const storedSize = ({ height, width, orientation }: Shown): { readonly height: number; readonly width: number } =>
  transposes(orientation) ? { height: width, width: height } : { height, width }

/** A box of the stored image where the shown one has it. */
export const turnedBox =
  ({ height, width, orientation }: Shown) =>
  (b: Box): Box => {
    const { x, y, width: w, height: h } = transposes(orientation) ? { x: b.y, y: b.x, width: b.height, height: b.width } : b
    return { x: mirrorsX(orientation) ? width - x - w : x, y: mirrorsY(orientation) ? height - y - h : y, width: w, height: h }
  }

/** Values of the stored image, row by row, where the shown one has them. */
export const turnedMask =
  ({ height, width, orientation }: Shown) =>
  (stored: Uint8Array): Uint8Array => {
    const across = transposes(orientation) ? height : width
    return Uint8Array.from({ length: height * width }, (_, i) => {
      const x = mirrorsX(orientation) ? width - 1 - (i % width) : i % width
      const y = mirrorsY(orientation) ? height - 1 - Math.floor(i / width) : Math.floor(i / width)
      return stored[transposes(orientation) ? x * across + y : y * across + x]
    })
  }
