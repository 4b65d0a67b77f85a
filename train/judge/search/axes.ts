/**
 * What a search varies where nothing else is named: settings that decide whether a method learns on small data, with choices around what
 * papers and examples have. An axis whose settings an experiment does not have is left out.
 */
import type { Choice } from '../../config/layers.ts'
import type { Axis } from './space.ts'

/** The value that is there, times factors. */
const times = (path: string, ...factors: ReadonlyArray<number>) => ({ path, factors })

const scaled = [times('optimizer.lr', 0.5, 2, 4), times('head.prototypes', 0.25, 4), times('batch', 0.5, 2)]

const named: ReadonlyArray<Axis> = [
  {
    name: 'how much of an image crops show',
    choices: [
      {},
      { 'augmentation.globalScale': [0.4, 1], 'augmentation.localScale': [0.15, 0.5] },
      { 'augmentation.globalScale': [0.6, 1], 'augmentation.localScale': [0.5, 0.9] },
      { 'augmentation.globalScale': [0.25, 1], 'augmentation.localScale': [0.05, 0.25] },
    ],
  },
  { name: 'local crops', choices: [{}, { 'augmentation.locals': 0 }, { 'augmentation.locals': 2 }, { 'augmentation.locals': 6 }] },
  {
    name: 'turns and slants',
    choices: [{}, { 'augmentation.warp.probability': 0 }, { 'augmentation.warp.probability': 1 }],
  },
  {
    name: "the teacher's temperature",
    choices: [
      {},
      { 'schedule.temperatureFrom': 0.015, 'schedule.temperature': 0.015 },
      { 'schedule.temperatureFrom': 0.04, 'schedule.temperature': 0.04 },
      { 'schedule.temperatureFrom': 0.04, 'schedule.temperature': 0.07 },
    ],
  },
  {
    name: "the teacher's momentum",
    choices: [{}, { 'schedule.momentum': 0.9 }, { 'schedule.momentum': 0.96 }, { 'schedule.momentum': 0.99 }],
  },
  { name: 'weight decay', choices: [{}, { 'optimizer.wd': 0, 'optimizer.wdEnd': 0 }, { 'optimizer.wd': 0.04, 'optimizer.wdEnd': 0.4 }] },
  { name: 'rotary positions', choices: [{}, { 'model.rope': null }, { 'model.rope': {} }] },
  { name: 'LayerScale', choices: [{}, { 'model.layerScale': null }, { 'model.layerScale': 0.1 }] },
]

/** A number as a person would write it. */
const short = (x: number): number => Number(x.toPrecision(3))

/** The axes of an experiment: `valueAt` says what it has at a path, nothing where it has no such setting. */
export const axesOf = (valueAt: (path: string) => unknown): ReadonlyArray<Axis> => [
  ...scaled.flatMap(({ path, factors }): ReadonlyArray<Axis> => {
    const now = valueAt(path)
    if (typeof now !== 'number') return []
    const whole = Number.isInteger(now)
    const others = factors.map((f): Choice => ({ [path]: whole ? Math.max(2, Math.round(now * f)) : short(now * f) }))
    return [{ name: path, choices: [{}, ...others] }]
  }),
  ...named.filter(({ choices }) => choices.every((c) => Object.keys(c).every((path) => valueAt(path) !== undefined))),
]
