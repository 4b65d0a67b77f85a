/** Warnings of collapse: not of healthy runs, once for each cause, with what to change. */
import { expect, test } from 'vitest'
import { advised, calm, isCollapsed, watch } from '../../train/run/collapse.ts'
import type { Watched } from '../../train/run/collapse.ts'
import { settingsOf } from '../../train/config/settings.ts'
import { config } from '../../train/recipes/recipe.ts'

/** Settings by path, as a run has them: of a configuration, unless something else is said. */
const nested = (values: Readonly<Record<string, unknown>>): unknown => {
  const root: Record<string, unknown> = {}
  for (const [path, value] of Object.entries(values)) {
    const keys = path.split('.')
    const at = keys.slice(0, -1).reduce<Record<string, unknown>>((o, k) => {
      const inner = o[k]
      const next: Record<string, unknown> = typeof inner === 'object' && inner !== null ? { ...inner } : {}
      o[k] = next
      return next
    }, root)
    at[keys[keys.length - 1]] = value
  }
  return root
}

const values = {
  batch: 8,
  'schedule.momentum': 0.996,
  'schedule.temperature': 0.05,
  'schedule.freezeLastLayer': 0,
  'head.prototypes': 512,
  'optimizer.lr': 2e-3,
  'augmentation.globalScale': [0.8, 1],
  'objective.kind': 'dinov1',
  'objective.centring': 'centre',
  'objective.koleo': 0,
}

const w: Watched = { prototypes: 512, width: 64, steps: 600, settings: nested(values) }

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

test('a short run is warned while there is time: by shares of its length', () => {
  const warned = (steps: number): string => toldBy(() => ({ entropy: Math.log(512) }), { ...w, steps })[0]?.split(':')[0] ?? 'nothing'
  expect([20, 60, 150, 600, 100000].map(warned)).toEqual([
    'nothing',
    'warning at step 39',
    'warning at step 69',
    'warning at step 249',
    'warning at step 33383',
  ])
})

test('a run has collapsed where a sign lasts, not where one comes back for a step', () => {
  const ending = (spread: (step: number) => number): boolean => {
    let state = calm
    for (let step = 1; step <= w.steps; step++) [state] = watch(w, step, new Map([['spread', spread(step)]]))(state)
    return isCollapsed(state)
  }
  expect(ending(() => 0.001)).toBe(true)
  expect(ending((s) => (s < 300 || s === 600 ? 0.001 : 0.1))).toBe(false)
})

/** What a warning says: its step, its numbers, and every setting that it names, in order. */
const said = (text: string): readonly [string, ReadonlyArray<number>, ReadonlyArray<string>] => [
  text.slice(0, text.indexOf(':')),
  [...text.slice(text.indexOf('(')).matchAll(/(?<![\w.])\d+(?:\.\d+)?(?![\w])/g)].slice(0, 2).map((m) => Number(m[0])),
  [...text.matchAll(/\b(?:(?:objective|schedule|optimizer|augmentation|head)\.\w+|batch (?=\())/g)].map((m) => m[0].trim()),
]

test('each cause is reported once, with its numbers and what to change', () => {
  const all = toldBy((s) => ({ entropy: s < 400 ? Math.log(512) : 0.01, spread: 0.001 }))
  expect(all.map(said)).toEqual([
    ['warning at step 109', [0.001, 0.125], ['batch', 'optimizer.lr', 'augmentation.globalScale', 'objective.koleo']],
    ['warning at step 249', [6.24, 6.24], ['schedule.momentum', 'schedule.temperature', 'head.prototypes']],
    ['warning at step 449', [0.01, 6.24], ['schedule.freezeLastLayer', 'optimizer.lr', 'objective.centring']],
  ])
  expect(
    all.map((t) => [/nearly the same/, /all 512 prototypes equally likely/, /certain of one prototype/].map((cause) => cause.test(t))),
  ).toEqual([
    [true, false, false],
    [false, true, false],
    [false, false, true],
  ])
})

test('advice is made of present values, and of the settings that there are', () => {
  expect(advised('uniform', nested(values))).toEqual([
    'lower schedule.momentum to 0.98, as suits short runs (it is 0.996)',
    'lower schedule.temperature to 0.015 (it is 0.05)',
    'take fewer head.prototypes (it is 512)',
  ])
  const followed = nested({ ...values, 'schedule.momentum': 0.98, 'schedule.temperature': 0.015, 'head.prototypes': 64 })
  expect(advised('uniform', followed)).toEqual([])
  expect(advised('uniform', { optimizer: { lr: 1e-4 } })).toEqual(['raise optimizer.lr (it is 0.0001)'])
  expect(advised('uniform', { optimizer: { lr: 0.03 } })).toEqual(['lower optimizer.lr to 0.001 (it is 0.03)'])
  expect(advised('alike', nested({ batch: 512, 'optimizer.lr': 1e-3 }))).toEqual(['lower optimizer.lr (it is 0.001)'])
  expect(advised('certain', nested({ ...values, 'objective.centring': 'sinkhorn' })).join()).not.toContain('centring')
  expect(advised('certain', {})).toEqual([])
})

test('features on a line are told, and a program whose losses are code is told which one to add', () => {
  const [text = ''] = toldBy((s) => ({ entropy: 3, spread: 0.1, rank: s < 300 ? 8 : 1.2 }))
  expect(text).toMatch(/^warning at step 349: .* nearly on a line \(they differ in 1\.20 directions\): raise objective\.koleo to 0\.1, /)
  expect(toldBy(() => ({ rank: 1.9 }))).toEqual([])
  expect(advised('flat', { head: { prototypes: 2 } }, ['loss', 'loss.dino.global', 'entropy'])).toEqual([
    'add weighted(0.1)(koleo()) to the loss, which holds features apart',
    'take more head.prototypes (it is 2)',
  ])
  expect(advised('flat', {}, ['loss.dino', 'loss.koleo'])).toEqual([])
})

test('every setting that advice may name exists', () => {
  const settings = new Set(settingsOf(config).map((f) => f.path))
  expect(Object.keys(values).filter((name) => !settings.has(name))).toEqual([])
  const named = toldBy((s) => ({ entropy: s < 400 ? Math.log(512) : 0.01, spread: 0.001 })).flatMap((t) => said(t)[2])
  expect(named.filter((name) => !settings.has(name))).toEqual([])
})
