import fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { describe, expect, test } from 'vitest'
import type { Dataset } from '../../data/readers/dataset.ts'
import { outside } from '../../data/readers/dataset.ts'
import { heldOut } from '../../data/readers/groups.ts'
import { labelled, splitByLabel } from '../../data/readers/split.ts'
import { pooled, volumesOf } from '../../train/judge/evaluate/volumes.ts'
import { right } from './either.ts'

/** A data set of which only labels, sources and groups are asked. */
const known = (labels: ReadonlyArray<number>, sources?: ReadonlyArray<string>, groups?: ReadonlyArray<string>): Dataset => ({
  name: 'd',
  length: labels.length,
  channels: 1,
  range: [0, 1],
  classes: ['a', 'b'],
  label: (i) => (labels[i] < 0 ? O.none : O.some(labels[i])),
  ...(sources === undefined ? {} : { sourceOf: (i: number) => sources[i] }),
  ...(groups === undefined ? {} : { group: (i: number) => groups[i] }),
  item: (i) => TE.left(outside('d', i, 0)),
})

const testOf = (d: Dataset, share = 0.2): ReadonlyArray<number> => [...heldOut(d, share).test].sort((a, b) => a - b)

describe('parts are cut between groups', () => {
  test('slices of a volume, images of a patient, rows of a group', () => {
    const slices = known([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1], ['v0', 'v0', 'v0', 'v0', 'v1', 'v1', 'v1', 'v1', 'v2', 'v2', 'v3', 'v3'])
    expect(testOf(slices)).toEqual([8, 9, 10, 11])
    expect(heldOut(slices, 0.2).said[0]).toMatch(/^2 of 4 patients, series or volumes \(4 of 12 images\) are kept for the test/)
    const patients = known(
      [0, 0, 0, 0],
      ['patient00001/study1/a.jpg', 'patient00001/study2/b.jpg', 'patient00002/study1/a.jpg', 'patient00002/study1/b.jpg'],
    )
    expect(testOf(patients)).toEqual([2, 3])
    expect(testOf(known([0, 0, 0, 0], ['la_003_0000.nii', 'la_003_0001.nii', 'la_004_0000.nii', 'la_004_0001.nii']))).toEqual([2, 3])
    expect(testOf(known([0, 0, 0, 0], ['a', 'b', 'c', 'd'], ['p', 'p', 'q', 'q']), 0.5)).toEqual([2, 3])
  })

  test('one series alone is cut at its end, and that is said', () => {
    const series = known([-1, -1, -1, -1, -1], undefined, ['s', 's', 's', 's', 's'])
    expect([testOf(series), heldOut(series, 0.2).said[0]]).toEqual([[4], expect.stringMatching(/neighbours of those that are trained on/)])
  })

  test('classes of two images give one; of one none', () => {
    expect(testOf(known([0, 0, 1, 1, 1]))).toEqual([4])
    const few = known([0, 0, 1, 1])
    expect([testOf(few), heldOut(few, 0.2).said.length]).toEqual([[1, 3], 1])
    expect(testOf(known([0, 1]))).toEqual([])
  })

  test('no group is in both parts, whatever the groups are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: -1, max: 2 }), fc.integer({ min: 0, max: 5 })), { minLength: 1, maxLength: 40 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (items, share) => {
          const groups = items.map(([, g]) => `g${g}`)
          const d = known(
            items.map(([l]) => l),
            undefined,
            groups,
          )
          const { test: held, said } = heldOut(d, share)
          if (said.some((s) => s.includes('neighbours of those'))) return
          const [inTest, inTrain] = [true, false].map((which) => new Set(groups.filter((_, i) => held.has(i) === which)))
          expect([...inTest].filter((g) => inTrain.has(g))).toEqual([])
        },
      ),
    )
  })

  test('what has no label is no part of an evaluation', () => {
    expect(right(labelled(known([0, -1, 1]))).length).toBe(2)
    const all = known([0, 1])
    expect(right(labelled(all))).toBe(all)
    expect(E.isRight(splitByLabel(0.5)(all))).toBe(true)
  })
})

describe('volumes are judged, not slices', () => {
  test('the features of a volume are the mean over its slices', () => {
    const d = known([0, 0, 1, 1], ['v0', 'v0', 'v1', 'v1'])
    const volumes = right(volumesOf(d))
    expect(volumes?.members).toEqual([
      [0, 1],
      [2, 3],
    ])
    expect(volumes === undefined ? [] : [...pooled(volumes)({ data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), dim: 2 }).data]).toEqual([
      2, 3, 6, 7,
    ])
    expect(volumes?.first.label(1)).toEqual(O.some(1))
  })

  test('slices with labels of their own, and pictures, stay as they are', () => {
    expect(right(volumesOf(known([0, 1], ['v0', 'v0'])))).toBeUndefined()
    expect(right(volumesOf(known([0, 1], ['a', 'b'])))).toBeUndefined()
    expect(right(volumesOf(known([0, 1])))).toBeUndefined()
  })
})
