/** Whole configurations of earlier versions mean what they meant. */
import { expect, test } from 'vitest'
import { valueAt } from '../../../data/formats/codec.ts'
import { layerOfYaml } from '../../../train/config/layers.ts'
import { asThen, wholeLine } from '../../../train/config/older.ts'
import { right } from '../../data/either.ts'

const warp = (text: string): unknown => valueAt(right(layerOfYaml('a.yaml', text)).tree, 'augmentation', 'warp', 'probability')

test('crops of a run that knew no turns are not turned, whatever has become usual; what a person writes says nothing of them', () => {
  expect(warp(`${wholeLine}\naugmentation: { flip: 0 }\n`)).toBe(0)
  expect(warp(`${wholeLine}\naugmentation: { warp: { probability: 0.5 } }\n`)).toBe(0.5)
  expect(warp('augmentation: { flip: 0 }\n')).toBeUndefined()
  expect(asThen({ steps: 3 })).toEqual({ steps: 3 })
})
