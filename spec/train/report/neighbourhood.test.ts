import { expect, test } from 'vitest'
import { showCosines } from '../../../train/judge/report/neighbourhood.ts'

test('cosines of neighbours have as many digits as tell them apart', () => {
  expect(showCosines([0.99961, 0.99958])).toEqual(['0.99961', '0.99958'])
  expect(showCosines([0.9996, 0.9949, 0.2])).toEqual(['1.00', '0.99', '0.20'])
  expect(showCosines([])).toEqual([])
})
