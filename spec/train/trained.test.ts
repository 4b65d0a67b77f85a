/** How much of a network is trained is said where it is not all of it. */
import { expect, test } from 'vitest'
import { param, zeros } from '../../core/model.ts'
import type { Resident, Role } from '../../train/step/objective.ts'
import { trainedText } from '../../train/run/trained.ts'

const resident = (path: string, role: Role, ...shape: ReadonlyArray<number>): Resident => ({ path, role, declaration: param(shape, zeros) })

const heads = [resident('student.head.mlp.weight', 'trained', 100, 3), resident('student.head.norm', 'fixed', 3)]
const others = [resident('teacher.backbone.weight', 'average', 100, 100), resident('adam.student.backbone.weight', 'kept', 100, 100)]

test('of a backbone that is trained as a whole nothing is said', () => {
  expect(trainedText([resident('student.backbone.weight', 'trained', 100, 100), ...heads, ...others])).toBeUndefined()
})

test('of one with adapters or frozen blocks, how many of how many parameters are trained', () => {
  const adapters = [resident('student.backbone.lora.a', 'trained', 4, 100), resident('student.backbone.lora.b', 'trained', 100, 4)]
  const base = resident('student.backbone.weight', 'fixed', 100, 100)
  expect(trainedText([base, ...adapters, ...heads, ...others])).toBe(
    'trains 800 of 10,800 parameters (7.4 %) of the backbone, and 300 of the heads',
  )
  expect(trainedText([base, ...adapters])).toBe('trains 800 of 10,800 parameters (7.4 %) of the backbone')
})
