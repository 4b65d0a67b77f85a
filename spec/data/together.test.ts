/** Images that are read together are as many as there is room for. */
import { expect, test } from 'vitest'
import { together } from '../../data/loading/together.ts'

/** The most that were under way at once. */
const most = async (count: number, numbers: (i: number) => number) => {
  const state = { now: 0, most: 0 }
  const results = await together(
    Array.from({ length: count }, (_, i) => i),
    async (i, took) => {
      state.now++
      state.most = Math.max(state.most, state.now)
      await new Promise((done) => setTimeout(done, 1))
      took(numbers(i))
      state.now--
      return 2 * i
    },
  )
  expect(results).toEqual(Array.from({ length: count }, (_, i) => 2 * i))
  return state.most
}

test('small ones are read together, large ones one by one, and results are in order', async () => {
  expect(await most(100, () => 784)).toBeGreaterThan(30)
  // of 60 million numbers there is room for one
  expect(await most(7, () => 6e7)).toBe(1)
  expect(await most(40, () => 1e7)).toBe(6)
  // one that is large among small ones: from then on there is room for fewer
  expect(await most(9, (i) => (i === 2 ? 6e7 : 1))).toBe(2)
  expect(await most(0, () => 1)).toBe(0)
})

test('what fails, fails all', async () => {
  await expect(together([1, 2], () => Promise.reject(new Error('no')))).rejects.toThrow('no')
})
