/** Half-precision storage: the same loss, nearly the same gradients, less memory, and a fault where a target has no f16. */
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import { describe, expect, it, test } from 'vitest'
import { halfStorage } from '../../compiler/passes/precision.ts'
import { remat } from '../../compiler/passes/remat.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import { showFault } from '../../core/fault.ts'
import { scopeOf } from '../../core/expr.ts'
import { leavesOfGraph, nodesOf } from '../../core/graph.ts'
import type { HalfType } from '../../core/type.ts'
import { contracting } from '../../ops/contract.ts'
import { writeResidents } from '../../train/run/state.ts'
import type { LossScale } from '../../train/step/loss-scale.ts'
import type { Program } from '../../train/step/step.ts'
import { derive, rewriteForward, rewriteStep } from '../../train/step/step.ts'
import { accumulate } from '../../train/step/strategies/accumulate.ts'
import { lora } from '../../train/step/strategies/lora.ts'
import { half } from '../../train/step/strategies/precision.ts'
import type { Strategy } from '../../train/step/strategies/strategy.ts'
import { strategies, noStrategy } from '../../train/step/strategies/strategy.ts'
import { left, right } from '../data/either.ts'
import { expectClose } from '../support/tensor.ts'
import type { SmallOptions } from './networks.ts'
import { cost, feed, firstValues, paths, plain, programOf, run, stage } from './networks.ts'

const stored = (s: Strategy, o: SmallOptions = {}): Program =>
  right(pipe(stage(o), rewriteForward(s), derive, rewriteStep(halfStorage())).program)

test.each([
  ['full', noStrategy],
  ['lora', lora({ targets: ['qkv', 'fc1'], rank: 2 })],
] as const)('the loss is the same, and training nearly: %s', async (_, s) => {
  const [full, half] = [await run(programOf(s), 3), await run(stored(s), 3)]
  expect(half.values[0].get('loss')).toEqual(full.values[0].get('loss'))
  full.values.forEach((v, i) => {
    expectClose(half.values[i].get('loss') ?? [], v.get('loss') ?? [], 2e-3)
  })
  expect(half.state.get('student.head.mlp.0.weight')).toEqual(expect.anything())
  expect(half.values[2].get('loss')).not.toEqual(full.values[2].get('loss'))
})

test('planned memory falls', () => {
  const o = { depth: 4, width: 16, images: 4, image: 16, whole: true }
  const [full, half] = [cost(programOf(noStrategy, o).graph), cost(stored(noStrategy, o).graph)]
  expect(half.temporaryBytes / full.temporaryBytes).toBeLessThan(0.85)
}, 60_000)

describe('contractions in f16', () => {
  interface Halved {
    readonly strategy?: Strategy
    readonly scale?: LossScale
    readonly weight?: number
    readonly dtype?: HalfType
  }
  const halved = (o: Halved = {}): Program =>
    right(
      pipe(
        stage({ ...(o.scale === undefined ? {} : { lossScale: o.scale }), weight: o.weight ?? 1, whole: true }),
        rewriteForward(strategies([o.strategy ?? noStrategy, half({ dtype: o.dtype ?? 'f16' })])),
        derive,
      ).program,
    )
  it.each([
    ['f16', noStrategy, 5e-3],
    ['f16', lora({ targets: ['qkv', 'fc1'], rank: 2 }), 5e-3],
    ['bf16', noStrategy, 2e-2],
  ] as const)('train as f32 does, nearly: %s', async (dtype, strategy, tolerance) => {
    const [full, halves] = [await run(programOf(strategy), 4), await run(halved({ strategy, dtype }), 4)]
    full.values.forEach((v, i) => {
      expectClose(halves.values[i].get('loss') ?? [], v.get('loss') ?? [], tolerance)
    })
    expect(halves.values[0].get('loss')).not.toEqual(full.values[0].get('loss'))
  })
  it('keep parameters, moments and what gradients sum up in f32; only contractions of blocks are f16', () => {
    const p = halved()
    expect(leavesOfGraph(p.graph).every((l) => l.type.dtype !== 'f16')).toBe(true)
    const halves = nodesOf(p.graph).filter((e) => e.type.dtype === 'f16')
    expect(halves.every((e) => scopeOf(e).includes('blocks.'))).toBe(true)
    // a forward pass and two backward of 6 layers and 2 products of attention, in 3 blocks
    expect(
      nodesOf(p.graph)
        .filter((e) => O.isSome(contracting.dot.match(e)) && scopeOf(e).includes('blocks.'))
        .every((e) => e.type.dtype === 'f16'),
    ).toBe(true)
  })
  it('store what both passes read once, narrower', () => {
    const o = { depth: 4, width: 16, images: 4, image: 16, whole: true }
    const small = right(pipe(stage(o), rewriteForward(half()), derive, rewriteStep(halfStorage())).program)
    // neither keeps probabilities of attention as they are: what is left to be narrower is less
    expect(cost(small.graph).temporaryBytes / cost(programOf(noStrategy, o).graph).temporaryBytes).toBeLessThan(0.83)
  }, 60_000)
  it('lose small gradients, unless the loss is scaled', async () => {
    const first = (p: Program): ReadonlyMap<string, Float32Array> => firstValues(p)
    const moved = async (p: Program): Promise<number> => {
      const m = (await run(p, 1)).state.get('optimizer.exp_avg.backbone.blocks.0.attn.qkv.weight') ?? new Float32Array()
      return m.filter((x) => x !== 0).length / m.length
    }
    // DINO's loss times 1e-6: gradients of about 1e-8 and below, which f16 has not
    const [plain, scaled] = [halved({ weight: 1e-6 }), halved({ weight: 1e-6, scale: {} })]
    expect(first(scaled).get('optimizer.loss_scale')?.[0]).toBe(65536)
    expect(await moved(plain)).toBeLessThan(0.5)
    expect(await moved(scaled)).toBeGreaterThan(0.9)
    // bf16 has them as f32 does
    expect(await moved(halved({ weight: 1e-6, dtype: 'bf16' }))).toBeGreaterThan(0.9)
  })
  it('give the same steps whatever the scale', async () => {
    const [one, other] = [await run(halved({ scale: { initial: 2 ** 8 } }), 3), await run(halved({ scale: { initial: 2 ** 10 } }), 3)]
    one.values.forEach((v, i) => {
      expectClose(other.values[i].get('loss') ?? [], v.get('loss') ?? [], 2e-3)
    })
  })
  it('skip a step that overflows: nothing moves but the scale, which falls until it fits', async () => {
    const p = halved({ scale: { initial: 2 ** 40 } })
    const begun = firstValues(p)
    const once = (await run(p, 1)).state
    for (const path of paths(p, 'trained')) expect(once.get(path), path).toEqual(begun.get(path))
    for (const r of p.residents.filter((x) => x.path.startsWith('optimizer.exp_avg') || x.path.startsWith('loss.')))
      expect(once.get(r.path), r.path).toEqual(begun.get(r.path))
    expect([once.get('optimizer.step')?.[0], once.get('optimizer.loss_scale')?.[0], once.get('optimizer.loss_scale_good')?.[0]]).toEqual([
      0,
      2 ** 39,
      0,
    ])
    const later = (await run(halved({ scale: { initial: 2 ** 40, backoff: 2 ** -12 } }), 5)).state
    expect(later.get('optimizer.step')?.[0]).toBeGreaterThan(1)
    expect(later.get('student.backbone.cls_token')).not.toEqual(begun.get('student.backbone.cls_token'))
    for (const [path, v] of later) expect(v.every(Number.isFinite), path).toBe(true)
  })
  it('let the scale rise after so many steps without an overflow', async () => {
    const { state } = await run(halved({ scale: { initial: 4, growth: 8, interval: 2 } }), 5)
    expect([state.get('optimizer.loss_scale')?.[0], state.get('optimizer.loss_scale_good')?.[0]]).toEqual([4 * 8 * 8, 1])
  })
  it('go with recomputation, which gives the same to the bit, and with accumulation', async () => {
    const s = pipe(stage({ lossScale: {} }), rewriteForward(half()), derive)
    const before = await run(right(s.program), 2)
    const apply = new Map([['hyper.apply', Float32Array.of(1)]])
    const [again, micro] = [
      await run(right(rewriteStep(remat())(s).program), 2),
      await run(right(accumulate({ steps: 1 })(s).program), 2, {}, apply),
    ]
    for (const [path, v] of before.state) {
      expect(again.state.get(path), path).toEqual(v)
      expect(micro.state.get(path), path).toEqual(v)
    }
  })
  it('are asked for once, and where there are blocks', () => {
    expect(E.isLeft(strategies([half(), half()])(plain())) && 'left').toBe('left')
    expect(left(half({ chosen: () => false })(plain())).remedy).toContain('regions that the network has')
  })
})

test('a target without f16 says so, and does not run', async () => {
  const p = stored(noStrategy)
  expect(nodesOf(p.graph).some((e) => e.type.dtype === 'f16')).toBe(true)
  const device = right(await openTarget('gpujs:webasm')())
  right(await writeResidents(device, p.residents)(firstValues(p))())
  const f = left(await device.compile(p.graph)())
  expect(showFault(f)).toContain('f16')
  device.close()
})

test('a target with f16 agrees with the reference', async (context) => {
  const opened = await openTarget('native')()
  if (E.isLeft(opened)) {
    context.skip(`native is not tested here: ${showFault(opened.left)}`)
    return
  }
  const device = opened.right
  device.close()
  for (const p of [stored(noStrategy), right(pipe(stage({ lossScale: {} }), rewriteForward(half()), derive).program)]) {
    const own = right(await openTarget('native')())
    right(await writeResidents(own, p.residents)(firstValues(p))())
    const x = right(await own.compile(p.graph)())
    const losses: Array<number> = []
    for (let step = 0; step < 3; step++)
      losses.push(right(await x.run({ values: feed({}, 3 * step), seed: 1, step })()).get('loss')?.[0] ?? NaN)
    expectClose(
      losses,
      (await run(p, 3)).values.map((v) => v.get('loss')?.[0] ?? NaN),
      2e-3,
    )
    own.close()
  }
}, 120_000)

test('what is recomputed cannot be rounded too', () => {
  const s = pipe(stage(), derive, rewriteStep(remat()), rewriteStep(halfStorage()))
  expect(E.isLeft(s.program) ? s.program.left.remedy : '').toContain('one rewrite')
})
