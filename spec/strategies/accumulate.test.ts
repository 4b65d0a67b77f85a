/** Gradient accumulation: k micro-batches are one batch of k times the size, wherever samples do not see each other. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { expect, it, test } from 'vitest'
import { remat } from '../../compiler/passes/remat.ts'
import type { HostArray } from '../../compiler/target.ts'
import { reference } from '../../compiler/targets/reference.ts'
import type { Features, Logits } from '../../losses/features.ts'
import { pureLoss } from '../../losses/loss.ts'
import { dinov1 } from '../../models/dino.ts'
import { head } from '../../models/head.ts'
import { square, sub } from '../../ops/elementwise.ts'
import { mean } from '../../ops/reduce.ts'
import { multiCrop } from '../../train/step/batch.ts'
import { clipEach } from '../../train/step/clip.ts'
import { initialize } from '../../train/step/initialization.ts'
import { writeResidents } from '../../train/run/state.ts'
import { adamw } from '../../train/step/optimizer.ts'
import type { Program, StepStage } from '../../train/step/step.ts'
import { derive, rewriteStep, trainingStep } from '../../train/step/step.ts'
import { accumulate, applyEvery } from '../../train/step/strategies/accumulate.ts'
import { chain } from '../../train/step/transform.ts'
import { right } from '../data/either.ts'
import { expectClose, wave } from '../support/tensor.ts'
import { backbone, stage } from './networks.ts'

/** The student is drawn to the teacher's logits, sample by sample: nothing couples a batch. */
const step = (images: number): StepStage =>
  derive(
    trainingStep({
      model: dinov1({ backbone: backbone({ depth: 1 }), head: head({ in: 8, prototypes: 6, hidden: 8, bottleneck: 4 }) }),
      loss: pureLoss<Features<Logits>>('square', ({ student, teacher }) =>
        mean()(square(sub(student.global.logits, teacher.global.logits))),
      ),
      batch: multiCrop({ images, global: { crops: 1, size: 8 } }),
      optimizer: chain([clipEach(0.1), adamw()]),
    }),
  )

const program = (s: StepStage): Program => right(s.program)
const pixels = wave(4 * 3 * 64, 3)
const hypers = new Map<string, HostArray>([
  ['hyper.lr', Float32Array.of(0.05)],
  ['hyper.wd', Float32Array.of(0.1)],
  ['hyper.momentum', Float32Array.of(0.9)],
])

/** Runs programs one after the other on parts of the pixels, and gives the state by path. */
const ran = async (
  programs: ReadonlyArray<Program>,
  parts: number,
  applied: (i: number) => number,
): Promise<ReadonlyMap<string, Float32Array>> => {
  const device = right(await reference.open())
  const residents = new Map(programs.flatMap((p) => p.residents.map((r) => [r.path, r] as const)))
  const first = initialize(1)([...residents.values()])
  // another teacher, so that there is something to learn
  const other = initialize(2)([...residents.values()])
  right(
    await writeResidents(device, [...residents.values()])(
      new Map([...first].map(([path, v]) => [path, path.startsWith('teacher.') ? (other.get(path) ?? v) : v])),
    )(),
  )
  const n = pixels.length / parts
  for (const [i, p] of programs.entries()) {
    const x = right(await device.compile(p.graph)())
    const images = Float32Array.from(pixels.slice((i % parts) * n, ((i % parts) + 1) * n))
    right(await x.run({ values: new Map([...hypers, ['batch.global', images], ['hyper.apply', Float32Array.of(applied(i))]]), step: i })())
  }
  const out = new Map<string, Float32Array>()
  for (const path of residents.keys()) out.set(path, Float32Array.from(right(await device.read(path)())))
  return out
}

const small = program(pipe(step(2), accumulate({ steps: 2 })))

test('two micro-batches are one batch: parameters, moments, teacher and step count', async () => {
  const [large, halves] = [
    await ran([program(step(4)), program(step(4))], 1, () => 1),
    await ran([small, small, small, small], 2, applyEvery(2)),
  ]
  for (const [path, v] of large) expectClose(halves.get(path) ?? [], v, 1e-6, path)
  expect(halves.get('optimizer.step')?.[0]).toBe(2)
})

test('the two programs that it is made of do the same as one that asks', async () => {
  const [add, apply] = [
    program(pipe(step(2), accumulate({ steps: 2, half: 'add' }))),
    program(pipe(step(2), accumulate({ steps: 2, half: 'apply' }))),
  ]
  const [one, two] = [await ran([small, small, small, small], 2, applyEvery(2)), await ran([add, apply, add, apply], 2, () => 0)]
  expect(two).toEqual(one)
  expect(add.graph.outputs.filter((o) => o.role === 'state').every((o) => o.path.startsWith('accumulator.'))).toBe(true)
})

test('between applications nothing but the accumulators moves', async () => {
  const [before, after] = [await ran([], 1, () => 0), await ran([small], 2, () => 0)]
  for (const [path, v] of before) expect(after.get(path), path).toEqual(v)
  expect(after.get('accumulator.student.backbone.cls_token')?.some((x) => x !== 0)).toBe(true)
})

test('one micro-batch is the step itself', async () => {
  const [plain, one] = [
    await ran([program(step(4))], 1, () => 1),
    await ran([program(pipe(step(4), accumulate({ steps: 1 })))], 1, () => 1),
  ]
  for (const [path, v] of plain) expect(one.get(path), path).toEqual(v)
})

test('centres go on at every micro-batch', () => {
  const p = program(pipe(stage(), derive, accumulate({ steps: 4 })))
  const centre = p.graph.outputs.find((o) => o.path.startsWith('loss.') && o.role === 'state')
  expect(centre?.expr._tag === 'Apply' && centre.expr.op.name).not.toBe('select')
})

it('comes before remat, and once', () => {
  const faultOf = (s: StepStage): string => (E.isLeft(s.program) ? `${s.program.left.found}; ${s.program.left.remedy}` : 'none')
  expect(faultOf(pipe(stage(), derive, rewriteStep(remat()), accumulate({ steps: 2 })))).toContain('accumulate before remat')
  expect(faultOf(pipe(stage(), derive, accumulate({ steps: 2 }), rewriteStep(remat())))).toBe('none')
  expect(faultOf(pipe(stage(), derive, accumulate({ steps: 2 }), accumulate({ steps: 2 })))).toContain('already')
  expect(faultOf(pipe(stage(), derive, accumulate({ steps: 0 })))).toContain('0;')
})
