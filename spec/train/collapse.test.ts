/** Warnings of collapse: not of healthy runs, once for each cause, with what to change. */
import { expect, test } from 'vitest'
import { calm, watch } from '../../train/run/collapse.ts'
import type { Watched } from '../../train/run/collapse.ts'

const w: Watched = { prototypes: 512, width: 64, steps: 600 }

const toldBy = (valuesAt: (step: number) => Readonly<Record<string, number>>, of: Watched = w): ReadonlyArray<string> => {
  let state = calm
  const all: Array<string> = []
  for (let step = 1; step <= of.steps; step++) {
    const [next, texts] = watch(of, step, new Map(Object.entries(valuesAt(step))))(state)
    state = next
    all.push(...texts)
  }
  return all
}

test('a healthy run, which begins like a collapsed one, is left in peace', () => {
  expect(toldBy((s) => ({ entropy: Math.log(512) * Math.max(0.7, 1 - s / 500), spread: Math.min(0.12, 0.004 + s / 1000) }))).toEqual([])
  expect(toldBy(() => ({ loss: 1 }), { ...w, prototypes: undefined })).toEqual([])
})

test('short lapses are no collapse', () => {
  expect(toldBy((s) => ({ entropy: 3, spread: s % 40 === 0 ? 0.1 : 0.001 }))).toEqual([])
})

test('each cause is told once, with what to change', () => {
  const all = toldBy((s) => ({ entropy: s < 400 ? Math.log(512) : 0.01, spread: 0.001 }))
  expect(all.map((t) => t.slice(0, 60))).toMatchInlineSnapshot(`
    [
      "warning at step 109: the features of different images are ne",
      "warning at step 249: the teacher still finds all 512 prototy",
      "warning at step 449: the teacher is certain of one prototype",
    ]
  `)
  expect(all.map((t) => /objective\.|schedule\.|optimizer\./.test(t))).toEqual([true, true, true])
})
