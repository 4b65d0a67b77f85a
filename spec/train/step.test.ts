/** The training step as one graph: what it reads and writes, and what a run of it does. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { describe, expect, it } from 'vitest'
import type { Device, HostArray } from '../../compiler/target.ts'
import { reference } from '../../compiler/targets/reference.ts'
import { showFault } from '../../core/fault.ts'
import { leavesOfGraph } from '../../core/graph.ts'
import { getMonoid } from '../../core/rewrite.ts'
import { spread } from '../../losses/collapse.ts'
import { dino } from '../../losses/dino.ts'
import { lossMonoid } from '../../losses/loss.ts'
import { dinov1 } from '../../models/dino.ts'
import { head } from '../../models/head.ts'
import { vit } from '../../models/vit.ts'
import { multiCrop } from '../../train/step/batch.ts'
import { clipEach } from '../../train/step/clip.ts'
import { v1Groups } from '../../train/step/groups.ts'
import { isLastLayer } from '../support/last-layer.ts'
import { initialValues, initialize } from '../../train/step/initialization.ts'
import { writeResidents } from '../../train/run/state.ts'
import type { Resident } from '../../train/step/objective.ts'
import { adamw } from '../../train/step/optimizer.ts'
import type { ForwardStage, Program } from '../../train/step/step.ts'
import { derive, rewriteForward, rewriteStep, trainingStep } from '../../train/step/step.ts'
import { chain, gated } from '../../train/step/transform.ts'
import { right } from '../data/either.ts'
import { wave } from '../support/tensor.ts'

const images = 2

const step = (o: { readonly normLastLayer?: boolean; readonly dropPath?: number; readonly heads?: number } = {}): ForwardStage =>
  trainingStep({
    model: dinov1({
      backbone: vit({ patch: 4, width: 8, depth: 2, heads: o.heads ?? 2, mlpRatio: 2, image: 8, dropPath: o.dropPath ?? 0 }),
      head: head({ in: 8, prototypes: 6, hidden: 8, bottleneck: 4, normLastLayer: o.normLastLayer ?? true }),
    }),
    loss: lossMonoid<Parameters<typeof spread.run>[0] & Parameters<ReturnType<typeof dino>['run']>[0]>().concat(
      dino({ prototypes: 6 }),
      spread,
    ),
    batch: multiCrop({ images, global: { crops: 2, size: 8 }, local: { crops: 3, size: 4 } }),
    optimizer: chain([clipEach(3), gated('train_last_layer', isLastLayer), adamw({ groups: v1Groups })]),
    gradNorms: true,
  })

const program = (s: ForwardStage): Program => right(derive(s).program)

const values = (lastLayer: number, k = 0): ReadonlyMap<string, HostArray> =>
  new Map<string, HostArray>([
    ['batch.global', Float32Array.from(wave(2 * images * 3 * 64, k))],
    ['batch.local', Float32Array.from(wave(3 * images * 3 * 16, k + 1))],
    ['hyper.lr', Float32Array.of(0.01)],
    ['hyper.wd', Float32Array.of(0.1)],
    ['hyper.momentum', Float32Array.of(0.9)],
    ['hyper.teacher_temp', Float32Array.of(0.04)],
    ['hyper.train_last_layer', Float32Array.of(lastLayer)],
  ])

const started = async (p: Program, seed: number): Promise<Device> => {
  const device = right(await reference.open())
  right(await writeResidents(device, p.residents)(initialize(seed)(p.residents))())
  return device
}

const read = async (d: Device, path: string): Promise<HostArray> => right(await d.read(path)())

const rootsOf = (paths: Iterable<string>): ReadonlyArray<string> => [...new Set([...paths].map((p) => p.split('.')[0]))].sort()

describe('the graph of a step', () => {
  const p = program(step())
  const leaves = leavesOfGraph(p.graph)
  it('reads its state, the batch and hypers, and nothing else', () => {
    expect(rootsOf(leaves.map((l) => l.path))).toEqual(['batch', 'hyper', 'loss', 'optimizer', 'student', 'teacher'])
    expect(
      leaves
        .filter((l) => l.source._tag === 'Hyper')
        .map((l) => l.path)
        .sort(),
    ).toEqual(['hyper.lr', 'hyper.momentum', 'hyper.teacher_temp', 'hyper.train_last_layer', 'hyper.wd'])
  })
  it('declares every resident that it reads, and writes all but what is fixed', () => {
    const declared = new Set(p.residents.map((r) => r.path))
    expect(leaves.filter((l) => l.source._tag === 'Param' || l.source._tag === 'State').every((l) => declared.has(l.path))).toBe(true)
    const written = new Set(p.graph.outputs.filter((o) => o.role === 'state').map((o) => o.path))
    expect(p.residents.filter((r) => !written.has(r.path)).map((r) => r.path)).toEqual(['student.head.last_layer.weight_g'])
  })
  it('keeps no optimizer state of a frozen norm, and keeps it of a trained one', () => {
    const moments = (q: Program): boolean => q.residents.some((r) => r.path === 'optimizer.exp_avg.head.last_layer.weight_g')
    expect([moments(p), moments(program(step({ normLastLayer: false })))]).toEqual([false, true])
  })
  it('hands back the loss, its terms and the signs of collapse', () => {
    expect(p.graph.outputs.filter((o) => o.role === 'value' && !o.path.startsWith('grad_norm.')).map((o) => o.path)).toEqual([
      'loss',
      'loss.dino',
      'entropy',
      'kl',
      'spread',
    ])
  })
  it('draws for the student alone', () => {
    const draws = leavesOfGraph(program(step({ dropPath: 0.1 })).graph)
      .filter((l) => l.source._tag === 'Draw')
      .map((l) => l.path)
    expect(draws.sort()).toEqual(['global', 'local'].flatMap((g) => ['1', '2'].map((i) => `student.${g}.backbone.blocks.1.drop_path${i}`)))
  })
})

describe('a run', () => {
  it('begins with a teacher equal to the student, a function of the seed', () => {
    const { residents } = program(step())
    const [a, b, c] = [initialize(1)(residents), initialize(1)(residents), initialize(2)(residents)]
    expect(a).toEqual(b)
    expect(a.get('student.backbone.cls_token')).not.toEqual(c.get('student.backbone.cls_token'))
    for (const r of residents.filter((x: Resident) => x.role === 'average'))
      expect(a.get(r.path)).toEqual(a.get(r.path.replace('teacher.', 'student.')))
  })
  it('withholds the last layer without compiling again: weights, moments and step count do not change', async () => {
    const p = program(step())
    const device = await started(p, 3)
    const executable = right(await device.compile(p.graph)())
    const watched = ['student.head.last_layer.weight_v', 'optimizer.exp_avg.head.last_layer.weight_v', 'optimizer.step.train_last_layer']
    const before = await Promise.all(watched.map((w) => read(device, w)))
    const other = await read(device, 'student.backbone.cls_token')
    const out = right(await executable.run({ values: values(0) })())
    expect(await Promise.all(watched.map((w) => read(device, w)))).toEqual(before)
    expect(await read(device, 'student.backbone.cls_token')).not.toEqual(other)
    expect(out.get('grad_norm.head.last_layer.weight_v')?.[0]).toBeGreaterThan(0)
    right(await executable.run({ values: values(1, 2) })())
    expect([...(await read(device, 'optimizer.step.train_last_layer'))]).toEqual([1])
    expect([...(await read(device, 'optimizer.step'))]).toEqual([2])
    expect(await read(device, watched[0])).not.toEqual(before[0])
    device.close()
  })
  it('moves the teacher to the average with the student after the step, the frozen norm too', async () => {
    const p = program(step())
    const device = await started(p, 5)
    const old = await read(device, 'teacher.backbone.cls_token')
    right(await device.write('teacher.head.last_layer.weight_g', { dtype: 'f32', shape: [6, 1] }, new Float32Array(6).fill(2))())
    const executable = right(await device.compile(p.graph)())
    right(await executable.run({ values: values(1) })())
    const [student, teacher, g] = await Promise.all(
      ['student.backbone.cls_token', 'teacher.backbone.cls_token', 'teacher.head.last_layer.weight_g'].map((w) => read(device, w)),
    )
    const m = Math.fround(0.9)
    teacher.forEach((x: number, i: number) => {
      expect(x).toBeCloseTo(m * old[i] + (1 - m) * student[i], 12)
    })
    g.forEach((x: number) => {
      expect(x).toBeCloseTo(2 * m + (1 - m), 12)
    })
    device.close()
  })
  it('brings the student to a teacher that is frozen', async () => {
    const p = program(step())
    const device = await started(p, 7)
    // another teacher than the student: that of another seed
    right(
      await writeResidents(
        device,
        p.residents.filter((r) => r.role === 'average'),
      )(initialize(8)(p.residents))(),
    )
    const executable = right(await device.compile(p.graph)())
    const still = new Map([...values(1), ['hyper.momentum', Float32Array.of(1)], ['hyper.teacher_temp', Float32Array.of(0.1)]])
    const kl: number[] = []
    for (let i = 0; i < 40; i++) kl.push(right(await executable.run({ values: still, seed: 7, step: i })()).get('kl')?.[0] ?? NaN)
    expect(kl[39]).toBeLessThan(kl[0] / 10)
    device.close()
  })
})

describe('stages', () => {
  it('keep the first fault to the end', () => {
    const s = pipe(step({ heads: 3 }), rewriteForward(E.right), derive, rewriteStep(getMonoid('step').empty))
    expect(E.isLeft(s.program) ? showFault(s.program.left) : '').toContain('8, 3 heads')
  })
  it('let a rewrite of the objective decide what is trained', () => {
    const frozen = pipe(
      step(),
      rewriteForward((o) =>
        E.right({
          ...o,
          residents: o.residents.map((r): Resident => (r.path.startsWith('student.backbone.') ? { ...r, role: 'fixed' } : r)),
        }),
      ),
    )
    const p = program(frozen)
    expect(p.residents.some((r) => r.path.startsWith('optimizer.exp_avg.backbone'))).toBe(false)
    expect(p.graph.outputs.some((o) => o.path.startsWith('student.backbone') || o.path.startsWith('grad_norm.backbone'))).toBe(false)
  })
})

describe('initial values', () => {
  it('are what their inits say', () => {
    expect(initialValues({ _tag: 'Constant', value: 3 }, 2, 0, 'a')).toEqual(Float32Array.of(3, 3))
    const wide = initialValues({ _tag: 'TruncNormal', std: 3 }, 5000, 0, 'a')
    expect(Math.max(...wide.map(Math.abs))).toBeLessThanOrEqual(2)
    expect(wide.filter((x) => Math.abs(x) === 2).length).toBe(0)
    const narrow = initialValues({ _tag: 'TruncNormal', std: 0.02 }, 20000, 0, 'b')
    expect(Math.sqrt(narrow.reduce((s, x) => s + x * x, 0) / 20000)).toBeCloseTo(0.02, 3)
    const flat = initialValues({ _tag: 'Uniform', bound: 0.5 }, 5000, 0, 'c')
    expect(Math.max(...flat)).toBeLessThanOrEqual(0.5)
    expect(Math.min(...flat)).toBeLessThan(-0.49)
    expect(initialValues({ _tag: 'Normal', std: 2 }, 4, 0, 'd')).not.toEqual(initialValues({ _tag: 'Normal', std: 2 }, 4, 0, 'e'))
  })
})
