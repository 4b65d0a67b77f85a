/** Settings that follow the data: the table by itself; runs with them are presets.test.ts. */
import * as fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import type { Kind, Machine } from '../../train/config/preset.ts'
import { presetFor, presetNames, presets } from '../../train/config/preset.ts'
import { layersAt } from '../../train/config/layers.ts'
import { recipe } from '../../train/index.ts'
import { runs } from '../support/arbitrary.ts'

const kinds: fc.Arbitrary<Kind> = fc.record(
  {
    images: fc.integer({ min: 1, max: 1e7 }),
    channels: fc.integer({ min: 1, max: 13 }),
    side: fc.integer({ min: 1, max: 8000 }),
    units: fc.constantFrom('HU', 'stored'),
    modality: fc.constantFrom('CT', 'MR', 'US'),
  },
  { requiredKeys: ['images', 'channels', 'side'] },
)
const machines: fc.Arbitrary<Machine> = fc.record({ cores: fc.integer({ min: 1, max: 256 }), accelerated: fc.boolean() })

describe('the table', () => {
  it('has whole patches in every crop, batches that the images fill, and settings that go together', () => {
    fc.assert(
      fc.property(kinds, machines, fc.constantFrom(...presetNames), (k, m, name) => {
        const s = presets[name].settings(k, m)
        const made = recipe().resolve(layersAt(s, name))
        expect(E.isRight(made), JSON.stringify(made)).toBe(true)
        if (!('model.patch' in s)) return
        for (const size of [s['augmentation.globalSize'], s['augmentation.localSize']])
          expect(Number(size) % Number(s['model.patch'])).toBe(0)
        expect(s['batch']).toBeLessThanOrEqual(Math.max(2, k.images / 2))
        expect(E.isRight(made) ? made.right.foreseen : undefined).toEqual([])
      }),
      runs(100),
    )
  })

  it('knows photographs, slices, thumbnails and digits', () => {
    const of = (channels: number, side: number, more: Partial<Kind> = {}): string => presetFor({ images: 1000, channels, side, ...more })
    expect(of(3, 480)).toBe('natural')
    expect(of(3, 32)).toBe('natural')
    expect(of(1, 28)).toBe('digits')
    expect(of(1, 512)).toBe('gray')
    expect(of(13, 64)).toBe('gray')
    expect(of(1, 512, { units: 'HU' })).toBe('ct')
    expect(of(3, 512, { units: 'HU' })).toBe('ct')
    expect(of(1, 256, { units: 'stored', modality: 'MR' })).toBe('gray')
  })
})
