/** The networks of DINOv2: what is hidden from whom, which head says what, where gradients go, and steps of training. */
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { gradOptions } from '../../compiler/grad.ts'
import type { HostArray } from '../../compiler/target.ts'
import { evaluate, reference } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { showFault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { input, parameter } from '../../core/leaves.ts'
import { call, context, declarations, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { sizeOf } from '../../core/type.ts'
import type { Dinov2Options } from '../../losses/sums.ts'
import { dinov2 as objective, dinov3Anchored } from '../../losses/sums.ts'
import { total } from '../../losses/loss.ts'
import { dinov2 } from '../../models/dinov2.ts'
import { resizePatches } from '../../models/feature-map.ts'
import type { PlainHeadParams } from '../../models/head.ts'
import { plainHead } from '../../models/head.ts'
import type { VitParams } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import { refreshAnchor, refreshDue } from '../../train/run/anchor.ts'
import { clipGroups } from '../../train/step/clip.ts'
import { initialize } from '../../train/step/initialization.ts'
import { writeResidents } from '../../train/run/state.ts'
import { multiCrop } from '../../train/step/batch.ts'
import { masking } from '../../train/step/masks.ts'
import { adamw } from '../../train/step/optimizer.ts'
import { derive, trainingStep } from '../../train/step/step.ts'
import { chain } from '../../train/step/transform.ts'
import { right } from '../data/either.ts'
import { outcomeOf } from '../losses/support.ts'
import { expectClose, wave } from '../support/tensor.ts'

const images = 3
/** Masks of the global crops of 12 pixels, for patches of so many. */
const masksFor = (patch: number) => masking({ sampler: 'exact', crops: 2 * images, grid: { height: 12 / patch, width: 12 / patch } })
const plain = multiCrop({ images, global: { crops: 2, size: 12 }, local: { crops: 2, size: 8 } })
const batch = { images, views: { ...plain.views, masks: masksFor(4).inputs } }
const backbone = vit({ generation: 2, patch: 4, width: 8, depth: 1, heads: 2, mlpRatio: 2, image: 12, maskToken: true })
const head = plainHead({ in: 8, prototypes: 6, hidden: 8, bottleneck: 4 })
const patchHead = plainHead({ in: 8, prototypes: 5, hidden: 8, bottleneck: 4 })

const pair = (o: { readonly own?: boolean; readonly visible?: boolean; readonly anchor?: boolean } = {}) =>
  dinov2<VitParams, PlainHeadParams, PlainHeadParams>({
    backbone,
    head,
    ...(o.own === true ? { patchHead } : {}),
    patches: o.visible === true ? 'visible' : 'hidden',
    anchor: o.anchor === true ? 'own' : 'teacher',
  })

const said = (p: ReturnType<typeof pair>) => ({
  student: call(p.student, context('train'), 'student', leavesOf('student', p.student.params), batch.views),
  teacher: call(p.teacher, context('eval'), 'teacher', leavesOf('teacher', p.teacher.params), batch.views),
})

type Values = Map<string, HostArray>

const inputs = (step = 0): Values =>
  new Map<string, HostArray>([
    ['batch.global', Float32Array.from(wave(2 * images * 3 * 144, step))],
    ['batch.local', Float32Array.from(wave(2 * images * 3 * 64, step + 1))],
    ...masksFor(4).feed(1, step),
    ['hyper.teacher_temp', Float32Array.of(0.07)],
    ['hyper.gram_weight', Float32Array.of(1)],
  ])

/** The same weights for student and teacher. */
const weights = (p: ReturnType<typeof pair>): ReadonlyArray<readonly [string, HostArray]> =>
  ['student', 'teacher'].flatMap((root) =>
    declarations(p.teacher.params).map(
      ([path, d], i) => [`${root}.${path}`, Float32Array.from(wave(sizeOf(d.shape), i)).map((x) => 0.3 * x)] as const,
    ),
  )

const close = (a: Expr, b: Expr, v: Values): boolean => {
  const [x, y] = evaluate([a, b], v)
  return x.every((_, i) => Math.abs(x[i] - y[i]) < 1e-9)
}

describe('student and teacher', () => {
  const p = pair()
  const v = new Map([...weights(p), ...inputs()])
  const { student, teacher } = said(p)
  it('say the same where nothing is hidden, and other things where something is', () => {
    expect(close(student.global.patches, teacher.global.patches, v)).toBe(false)
    const open = said(pair({ visible: true }))
    expect(close(open.student.global.patches, open.teacher.global.patches, v)).toBe(true)
    expect(close(open.student.masked.logits, open.teacher.masked.logits, v)).toBe(true)
  })
  it('list the hidden patches in the order of the mask', () => {
    const rows = batch.views.masks.indices.type.shape[0]
    expect([student.masked.logits.type.shape, teacher.masked.logits.type.shape]).toEqual([
      [rows, 6],
      [rows, 6],
    ])
    expect(said(pair({ own: true })).student.masked.logits.type.shape).toEqual([rows, 5])
  })
  it('have the official names', () => {
    const roots = (own: boolean): ReadonlyArray<string> => [
      ...new Set(declarations(pair({ own }).student.params).map(([path]) => path.split('.')[0])),
    ]
    expect(roots(false)).toEqual(['backbone', 'dino_head'])
    expect(roots(true)).toEqual(['backbone', 'dino_head', 'ibot_head'])
  })
})

describe('gradients', () => {
  const options: Dinov2Options = { prototypes: 6, patchPrototypes: 5, centring: 'sinkhorn' }
  it('reach every weight of the student, the mask token among them, and none of the teacher', () => {
    const p = pair({ own: true })
    const loss = total(outcomeOf(objective(options), { images, ...said(p) }))
    const of = (root: string) =>
      declarations(p.student.params).map(([path, d]) => [path, gradOptions(loss, [parameter(`${root}.${path}`, d)])[0]._tag] as const)
    expect(of('student').filter(([, tag]) => tag === 'None')).toEqual([])
    expect(of('teacher').filter(([, tag]) => tag === 'Some')).toEqual([])
  })
  it('do not know what the padding of the lists names', () => {
    const p = pair({ own: true })
    const loss = total(outcomeOf(objective(options), { images, ...said(p) }))
    const wanted = declarations(p.student.params).map(([path, d]) => parameter(`student.${path}`, d))
    const gradients = gradOptions(loss, wanted).flatMap((g) => (g._tag === 'Some' ? [g.value] : []))
    const v = new Map([...weights(p), ...inputs()])
    // the last listed patch becomes padding that names some other patch
    const shorter = (name: number): Values => {
      const indices = Int32Array.from(v.get('batch.mask_indices') ?? [])
      const masked = Float32Array.from(v.get('batch.mask_weights') ?? [])
      indices[indices.length - 1] = name
      masked[masked.length - 1] = 0
      return new Map([...v, ['batch.mask_indices', indices], ['batch.mask_weights', masked]])
    }
    const [a, b] = [evaluate([loss, ...gradients], shorter(0)), evaluate([loss, ...gradients], shorter(17))]
    a.forEach((x, i) => {
      expectClose(b[i], x, 1e-12)
    })
  })
})

describe('masks', () => {
  it('of another grid are a misuse', () => {
    const p = pair()
    const views = { ...batch.views, masks: masksFor(2).inputs }
    const s = call(p.student, context('train'), 'student', leavesOf('student', p.student.params), views)
    const g = trace('student', [value('y', s.masked.logits)])
    expect(E.isLeft(g) ? showFault(g.left) : '').toMatch(/mask/)
  })
})

describe('the Gram teacher', () => {
  it('is the teacher unless it has weights of its own, and has those under gram', () => {
    expect(said(pair()).teacher.gram.patches).toBe(said(pair()).teacher.global.patches)
    const own = pair({ anchor: true })
    expect(declarations(own.teacher.params).filter(([path]) => path.startsWith('gram.')).length).toBe(declarations(backbone.params).length)
    expect(declarations(own.student.params).some(([path]) => path.startsWith('gram.'))).toBe(false)
  })
  it('has its features brought to the grid of the student: linear ones stay on their line inside, constants are as they were', () => {
    // 6 x 4 patches of D = 1 that grow by 1 a row, brought to 3 x 2
    const column = Array.from({ length: 24 }, (_, i) => Math.floor(i / 4))
    const [x, big, like, small] = [
      input('x', [1, 24, 1]),
      input('big', [1, 3, 24, 16]),
      input('like', [1, 6, 1]),
      input('small', [1, 3, 12, 8]),
    ]
    const of = (xs: ReadonlyArray<number>): ReadonlyArray<number> => [
      ...evaluate([resizePatches(x, big, like, small, false)], new Map([['x', Float64Array.from(xs)]]))[0],
    ]
    expectClose(of(column.map(() => 7)), [7, 7, 7, 7, 7, 7], 1e-6)
    expectClose(of(column).slice(2, 4), [2.5, 2.5], 1e-6)
    expect(resizePatches(like, small, like, small, false)).toBe(like)
  })
  it('is renewed when it is due', () => {
    const due = refreshDue({ first: 10, every: 5, times: 3 })
    expect(Array.from({ length: 40 }, (_, i) => i).filter(due)).toEqual([9, 14, 19])
  })
})

describe('a training step', () => {
  it('trains, keeps the Gram teacher until it is renewed, and lowers the loss', async () => {
    const program = right(
      derive(
        trainingStep({
          model: pair({ own: true, anchor: true }),
          loss: dinov3Anchored({ prototypes: 6, patchPrototypes: 5 }),
          batch,
          optimizer: chain([clipGroups(3), adamw()]),
        }),
      ).program,
    )
    const device = right(await reference.open())
    right(await writeResidents(device, program.residents)(initialize(0)(program.residents))())
    right(await refreshAnchor(device, program.residents)())
    const read = async (path: string): Promise<ReadonlyArray<number>> => [...right(await device.read(path)())]
    const path = 'backbone.blocks.0.attn.proj.weight'
    expect(await read(`teacher.gram.${path}`)).toEqual(await read(`teacher.${path}`))
    const run = right(await device.compile(program.graph)())
    const hypers: ReadonlyArray<readonly [string, HostArray]> = [
      ['hyper.lr', Float32Array.of(0.01)],
      ['hyper.wd', Float32Array.of(0.04)],
      ['hyper.momentum', Float32Array.of(0.9)],
    ]
    const losses: Array<number> = []
    for (let step = 0; step < 6; step++)
      losses.push(right(await run.run({ step, values: new Map([...inputs(), ...hypers]) })()).get('loss')?.[0] ?? NaN)
    expect(losses.every(Number.isFinite)).toBe(true)
    expect(losses[5]).toBeLessThan(losses[0])
    expect(await read(`teacher.gram.${path}`)).not.toEqual(await read(`teacher.${path}`))
    right(await refreshAnchor(device, program.residents)())
    expect(await read(`teacher.gram.${path}`)).toEqual(await read(`teacher.${path}`))
  })
})
