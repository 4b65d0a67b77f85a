/** Every mutant applies: a change of the compiler that moves what one is found by says so at once. */
import { expect, test } from 'vitest'
import { lookup } from './mutant.ts'
import { compilerTexts, mutants } from './mutants.ts'

test('each is found in one place', () => {
  const lookups = mutants.map(lookup(compilerTexts()))
  expect(lookups.flatMap((l) => (l._tag === 'Lost' ? [l.why] : []))).toEqual([])
  expect(mutants.length).toBeGreaterThanOrEqual(90)
})
