/** Patches that are hidden from backbones which know no mask tokens. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { input } from '../../core/leaves.ts'
import { blanked } from '../../models/patch.ts'

test('hidden patches are blank, and all other pixels as they were', () => {
  const shape = fc.record({
    patch: fc.integer({ min: 1, max: 3 }),
    rows: fc.integer({ min: 1, max: 3 }),
    columns: fc.integer({ min: 1, max: 3 }),
  })
  fc.assert(
    fc.property(shape, fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }), ({ patch, rows, columns }, hidden) => {
      const [h, w] = [rows * patch, columns * patch]
      const x = input('x', [1, 2, h, w])
      const mask = input('mask', [1, rows * columns])
      const pixels = Float64Array.from({ length: 2 * h * w }, (_, i) => i + 1)
      const [seen] = evaluate(
        [blanked(patch)(x, mask)],
        new Map([
          ['x', pixels],
          ['mask', Float64Array.from(hidden.slice(0, rows * columns), Number)],
        ]),
      )
      seen.forEach((v, i) => {
        const [row, column] = [Math.floor((i % (h * w)) / w), i % w]
        expect(v).toBe(hidden[Math.floor(row / patch) * columns + Math.floor(column / patch)] ? 0 : i + 1)
      })
    }),
    { numRuns: 20 },
  )
})
