import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { numbersIn } from '../../data/readers/dicom/element.ts'
import { openData } from '../../data/readers/index.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { dicomBytes, folderOf, slice } from './dicom-files.ts'
import type { Elements } from './dicom-files.ts'
import { left, right } from './either.ts'

const open = async (more: Elements) => {
  const path = join(await folderOf({ 'a.dcm': dicomBytes(slice(0, more)) }), 'a.dcm')
  return openData(path)()
}

describe('texts of numbers', () => {
  test.each<readonly [string, ReadonlyArray<number>, boolean]>([
    ['1', [1], false],
    ['-1.5E+2', [-150], false],
    ['+1.0', [1], false],
    ['.5', [0.5], false],
    ['1.', [1], false],
    [' 1 \\ 2 ', [1, 2], false],
    ['', [], false],
    ['1,0', [1], true],
    ['0,8\\0,8', [0.8, 0.8], true],
    ['-1,5e2', [-150], true],
    ['0.8,0.7', [0.8, 0.7], true],
    ['0x10', [NaN], false],
    ['NaN', [NaN], false],
    ['Infinity', [NaN], false],
    ['0.8mm', [NaN], false],
    ['1\\\\2', [1, NaN, 2], false],
    ['40\\400\\', [40, 400], false],
    ['40\\ ', [40], false],
    ['1,000,000', [NaN], false],
    ['1_0', [NaN], false],
  ])('%j', (text, values, comma) => {
    expect(numbersIn(text)).toEqual({ values, comma })
  })

  test('a decimal comma loses neither spacing nor window nor position nor rescale, and is reported', async () => {
    const opened = right(await open({ '00280030 DS': '0,8\\0,7', '00281053 DS': '2,0', '00281050 DS': '40,5', '00281051 DS': '300,5' }))
    const item = right(await right(datasetOf(opened)).item(0)())
    expect([item.spacing, item.windows, item.image.data[1] - item.image.data[0]]).toEqual([[0.8, 0.7], [{ centre: 40.5, width: 300.5 }], 2])
    expect(opened.notes).toHaveLength(4)
    expect(opened.notes[0]).toBe('the comma in (0028,0030) is taken as a decimal point, or between numbers; read as it is written: a.dcm')
  })

  test('what is no number is not used and told, or is a fault that shows it', async () => {
    const opened = right(await open({ '00280030 DS': '0.8mm\\0.8mm' }))
    expect(right(await right(datasetOf(opened)).item(0)()).spacing).toBeUndefined()
    expect(opened.notes).toEqual([expect.stringContaining('(0028,0030) is "0.8mm\\\\0.8mm", which is no number and is not used')])
    expect(left(await open({ '00281053 DS': '0x10' })).found).toBe('the rescale slope "0x10" and intercept "-1000"')
  })
})
