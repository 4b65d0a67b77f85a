/** Warnings of collapse: not of healthy runs, once for each cause, with what to change. */
import { expect, test } from 'vitest'
import { calm, watch } from '../../train/run/collapse.ts'
import type { Watched } from '../../train/run/collapse.ts'
import { settingsOf } from '../../train/config/settings.ts'
import { config } from '../../train/recipes/recipe.ts'

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

/** What a warning says: its step, its numbers, and every setting that it names, in order. */
const said = (text: string): readonly [string, ReadonlyArray<number>, ReadonlyArray<string>] => [
  text.slice(0, text.indexOf(':')),
  [...text.slice(text.indexOf('(')).matchAll(/(?<![\w.])\d+(?:\.\d+)?(?![\w])/g)].slice(0, 2).map((m) => Number(m[0])),
  [...text.matchAll(/\b(?:objective|schedule|optimizer|augmentation|head)\.\w+/g)].map((m) => m[0]),
]

test('each cause is reported once, with its numbers and what to change', () => {
  const all = toldBy((s) => ({ entropy: s < 400 ? Math.log(512) : 0.01, spread: 0.001 }))
  expect(all.map(said)).toEqual([
    ['warning at step 109', [0.001, 0.125], ['optimizer.lr', 'augmentation.globalScale', 'objective.kind']],
    ['warning at step 249', [6.24, 6.24], ['schedule.momentum', 'schedule.temperature', 'head.prototypes', 'optimizer.lr']],
    ['warning at step 449', [0.01, 6.24], ['schedule.temperature', 'schedule.freezeLastLayer', 'optimizer.lr', 'objective.centring']],
  ])
  expect(
    all.map((t) => [/nearly the same/, /all 512 prototypes equally likely/, /certain of one prototype/].map((cause) => cause.test(t))),
  ).toEqual([
    [true, false, false],
    [false, true, false],
    [false, false, true],
  ])
})

test('every setting that a warning names exists', () => {
  const settings = new Set(settingsOf(config).map((f) => f.path))
  const named = toldBy((s) => ({ entropy: s < 400 ? Math.log(512) : 0.01, spread: 0.001 })).flatMap((t) => said(t)[2])
  expect(named.filter((name) => !settings.has(name))).toEqual([])
})
