/** Pictures that are resized as bytes: what Pillow gives for the same bytes, `Image.resize((7, 5), Image.BICUBIC)`. */
import { expect, test } from 'vitest'
import { resizeImage } from '../../data/augment/canvas.ts'
import { bicubic } from '../../data/augment/taps.ts'

/** 9 rows of 11 */
const bytes = [
  139, 74, 229, 241, 169, 65, 6, 160, 149, 106, 38, 175, 188, 205, 175, 229, 98, 249, 10, 148, 95, 86, 147, 198, 66, 39, 106, 213, 171, 45,
  167, 57, 69, 81, 55, 14, 153, 178, 215, 76, 52, 39, 250, 72, 215, 50, 161, 223, 112, 172, 161, 233, 38, 17, 89, 1, 221, 6, 242, 127, 143,
  6, 60, 210, 94, 25, 166, 33, 249, 189, 12, 204, 33, 57, 124, 30, 199, 149, 202, 119, 72, 220, 3, 209, 122, 136, 147, 77, 133, 82, 115, 87,
  162, 230, 70, 71, 240, 62, 47,
]
const smaller = [
  146, 194, 205, 111, 106, 129, 71, 143, 92, 114, 193, 94, 108, 98, 110, 100, 179, 149, 126, 93, 76, 114, 155, 143, 109, 65, 119, 100, 142,
  117, 127, 146, 115, 152, 78,
]

test('are rounded after each axis, first along the width', () => {
  const image = { channels: 1, height: 9, width: 11, data: Float32Array.from(bytes, (b) => b / 255) }
  const [size, range] = [{ height: 5, width: 7 }, [0, 1] as const]
  const levels = (x: Float32Array): ReadonlyArray<number> => Array.from(x, (v) => Math.round(255 * v))
  expect(levels(resizeImage(image, size, range, bicubic, 255).data)).toEqual(smaller)
  // rounded once, eleven of them are others
  const once = levels(resizeImage(image, size, range).data)
  expect(once.filter((v, i) => v !== smaller[i]).length).toBe(11)
})
