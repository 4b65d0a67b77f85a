/** Phases: one state, several programs; and steps of several micro-batches. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import type { Fault } from '../../core/fault.ts'
import { checkPhases, microBatchAt, phaseAt } from '../../train/run/phases.ts'
import { right } from '../data/either.ts'
import { expectClose } from '../support/tensor.ts'
import { ranIn, tiny } from './tiny.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'phases-'))
})
afterAll(async () => {
  await rm(root, { recursive: true, force: true })
})

let n = 0
const folder = (): string => join(root, `${n++}`)
const block = 'backbone.blocks.0.attn.qkv.weight'

const left = (e: E.Either<Fault, unknown>): Fault => {
  if (E.isRight(e)) throw new Error('no fault')
  return e.left
}

describe('freezing for the first steps', () => {
  it('leaves what is frozen alone, then trains it, its teacher following from there and its moments counting from there', async () => {
    const [two, four] = [
      right(await ranIn(folder(), tiny(), { frozen: 1, thaw: 2, steps: 3 })()),
      right(await ranIn(folder(), tiny(), { frozen: 1, thaw: 2, steps: 4 })()),
    ]
    const start = right(await ranIn(folder(), tiny(), { frozen: 1, thaw: 0, steps: 2 })())
    // a run that never thaws says what stood still; the teacher had no tensor of its own there
    expect(start.state.has(`teacher.${block}`)).toBe(false)
    expect(start.state.get(`student.${block}`)).not.toEqual(two.state.get(`student.${block}`))
    expect(four.state.get('optimizer.step')?.[0]).toBe(4)
    expect(four.state.get('optimizer.step.all')?.[0]).toBe(2)
    // teacher after one step of its own: 0.9 old + 0.1 new, the old being what the student had until then
    const [before, after] = [start.state.get(`student.${block}`) ?? [], two.state.get(`student.${block}`) ?? []]
    expectClose(
      two.state.get(`teacher.${block}`) ?? [],
      Array.from(before, (x, i) => 0.9 * x + 0.1 * after[i]),
      1e-7,
      'teacher',
    )
  })
  it('trains the first phase as a run that freezes for good', async () => {
    const [phased, frozen] = [
      right(await ranIn(folder(), tiny(), { frozen: 1, thaw: 3, steps: 4 }, { stopAfter: 3 })()),
      right(await ranIn(folder(), tiny(), { frozen: 1, steps: 3 })()),
    ]
    for (const [path, v] of frozen.state) expect(phased.state.get(path), path).toEqual(v)
  })
  // the reference computes in f64, of which a checkpoint keeps f32
  it.each([1, 2, 3])('goes on as if nothing had happened when it is interrupted after %d steps', async (stopAfter) => {
    const [out, whole] = [folder(), right(await ranIn(folder(), tiny(), { frozen: 1, thaw: 2 })())]
    expect(right(await ranIn(out, tiny(), { frozen: 1, thaw: 2 }, { stopAfter })()).report.stopped).toBe(true)
    const resumed = right(await ranIn(out, tiny(), { frozen: 1, thaw: 2 }, { resume: true })())
    expect([...resumed.state.keys()].sort()).toEqual([...whole.state.keys()].sort())
    for (const [path, v] of whole.state) expectClose(resumed.state.get(path) ?? [], v, 1e-6, path)
  })
})

test('freezing later keeps the teacher behind its student, and trains nothing more', async () => {
  const later = tiny({
    phases: (s) => [
      { name: 'all', from: 0, settings: { ...s, frozen: 0 } },
      { name: 'head', from: 2, settings: { ...s, frozen: 1 } },
    ],
  })
  const [short, long] = [right(await ranIn(folder(), tiny(), { steps: 2 })()), right(await ranIn(folder(), later, { steps: 3 })())]
  const [student, teacher] = [short.state.get(`student.${block}`) ?? [], short.state.get(`teacher.${block}`) ?? []]
  expect(long.state.get(`student.${block}`)).toEqual(student)
  expectClose(
    long.state.get(`teacher.${block}`) ?? [],
    Array.from(teacher, (x, i) => 0.9 * x + 0.1 * student[i]),
    1e-7,
    'teacher',
  )
})

test('another resolution is a phase too: the state is the same, positions are interpolated', async () => {
  const larger = tiny({
    phases: (s) => [
      { name: 'small', from: 0, settings: s },
      { name: 'large', from: 2, settings: { ...s, size: 12, batch: 2 } },
    ],
  })
  const { report, state } = right(await ranIn(folder(), larger)())
  expect(report.steps).toBe(4)
  expect(Number.isFinite(report.loss)).toBe(true)
  expect(state.get('optimizer.step')?.[0]).toBe(4)
})

describe('micro-batches', () => {
  it('are one step: moments count steps, accumulators end empty, and the loss is the mean', async () => {
    const { report, state } = right(await ranIn(folder(), tiny(), { micro: 3, steps: 2, batch: 2 })())
    expect(report.steps).toBe(2)
    expect(state.get('optimizer.step')?.[0]).toBe(2)
    const sums = [...state].filter(([path]) => path.startsWith('accumulator.'))
    expect(sums.length).toBeGreaterThan(10)
    for (const [path, v] of sums)
      expect(
        v.every((x) => x === 0),
        path,
      ).toBe(true)
  })
  it('go with recomputation, which changes nothing', async () => {
    const [plain, again] = [
      right(await ranIn(folder(), tiny(), { micro: 2, steps: 2, batch: 2 })()),
      right(await ranIn(folder(), tiny(), { micro: 2, steps: 2, batch: 2, remat: true })()),
    ]
    for (const [path, v] of plain.state) expect(again.state.get(path), path).toEqual(v)
  })
  it('are counted over the phases', () => {
    const stages = [
      { from: 0, turns: [1, 2] },
      { from: 3, turns: [1, 2, 3] },
      { from: 5, turns: [1] },
    ].map((s) => ({ from: s.from, turns: s.turns.length }))
    const at = (step: number): number => microBatchAt(stages, step)
    expect([0, 1, 2, 3, 4, 5, 6].map(at)).toEqual([0, 2, 4, 6, 9, 12, 13])
    expect([0, 2, 3, 4, 5, 9].map((step) => phaseAt(stages, step))).toEqual([0, 0, 1, 1, 2, 2])
  })
})

test('phases that make no sense are refused by name', async () => {
  const faultOf = (...froms: ReadonlyArray<number>): string => {
    const f = left(
      checkPhases(
        10,
        froms.map((from, i) => ({ name: `p${i}`, from, settings: {} })),
      ),
    )
    return `${f.place}: ${f.found}`
  }
  expect(faultOf()).toBe('phases: none')
  expect(faultOf(1)).toBe('phases: a first phase from step 1')
  expect(faultOf(0, 5, 5)).toBe('phases: p2: a phase from step 5')
  expect(faultOf(0, 10)).toBe('phases: p1: a phase from step 10')
  expect(left(await ranIn(folder(), tiny(), { micro: 0 })()).place).toBe('accumulate.steps')
})
