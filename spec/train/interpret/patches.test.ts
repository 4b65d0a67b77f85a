import { expect, test } from 'vitest'
import { resizedSize } from '../../../train/exchange/preprocess.ts'
import { tooMany } from '../../../train/judge/interpret/look.ts'

/** The fault of an image whose shorter side is resized to so many pixels. */
const of = (height: number, width: number, side: number, patch = 14) => {
  const size = resizedSize({ kind: 'shortest', side }, { height, width })
  return tooMany({ patch }, { height, width }, { resize: { kind: 'exact', height: size.height, width: size.width } })
}

test('an image that is too long or too large to be looked at is a fault whose remedy holds', () => {
  expect(of(417, 611, 224)).toBeUndefined()
  const thin = of(2000, 13, 224)
  expect(thin?.found).toMatch(/^2000 x 13 pixels, which are \d+ patches of 14/)
  for (const [height, width, fault] of [
    [2000, 13, thin],
    [1000, 1500, of(1000, 1500, 1400)],
  ] as const) {
    const [, size = ''] = /--size (\d+)/.exec(fault?.remedy ?? '') ?? []
    expect(Number(size)).toBeGreaterThan(50)
    expect(of(height, width, Number(size))).toBeUndefined()
  }
  expect(of(1, 9000, 14)?.remedy).toBe('cut it into parts: it is 9000 times as long as it is wide')
})
