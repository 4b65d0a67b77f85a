/** Rotary positions: periods, what they leave alone, and their augmentation in training. */
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { leavesOfGraph, value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { call, context, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { behindPrefix, ropePeriods, ropeTables, rotate } from '../../models/rope.ts'
import { vit } from '../../models/vit.ts'
import { dot } from '../../ops/contract.ts'
import { left, right } from '../data/either.ts'
import { expectClose, wave } from '../support/tensor.ts'

const draws = (e: Expr): ReadonlyArray<string> =>
  leavesOfGraph(right(trace('rope', [value('y', e)])))
    .filter((l) => l.source._tag === 'Draw')
    .map((l) => l.path)

describe('periods', () => {
  it('are those of the released models', () => {
    const t = ropePeriods({}, 64)
    expect(t.length).toBe(16)
    expectClose([t[0], t[1], t[2], t[3], t[15]], [1, 1.3335, 1.7783, 2.3714, 74.9894], 1e-4)
  })
  it('run from a smallest to a largest, both included', () => {
    expectClose(ropePeriods({ periods: { min: 0.25, max: 32 } }, 24), [0.25, 0.6598, 1.7411, 4.5948, 12.1257, 32], 1e-4)
    expect(ropePeriods({ periods: { min: 2, max: 32 } }, 4)).toEqual([2])
  })
})

describe('rotation', () => {
  const x = input('x', [1, 5, 1, 8])
  const tables = behindPrefix(1, ropeTables({}, 8, [2, 2], context('eval')))
  const run = (e: Expr): Float64Array => evaluate([e], new Map([['x', Float64Array.from(wave(40, 1))]]))[0]
  const turned = rotate(tables)(x)
  it('leaves what stands before the patches alone', () => {
    expect([...run(turned)].slice(0, 8)).toEqual([...wave(40, 1)].slice(0, 8))
  })
  it('keeps lengths', () => {
    const norms = (e: Expr): ReadonlyArray<number> => [
      ...run(dot({ leftBatch: [0, 1, 2], rightBatch: [0, 1, 2], left: [3], right: [3] })(e, e)),
    ]
    expectClose(norms(turned), norms(x), 1e-12)
  })
})

describe('augmentation', () => {
  const o = { shift: 0.5, jitter: 1.2, rescale: 2 }
  it('is drawn in training alone', () => {
    expect(draws(ropeTables(o, 8, [2, 3], context('train', 'b')).sin)).toEqual(['b.rope.shift', 'b.rope.jitter', 'b.rope.rescale'])
    expect(draws(ropeTables(o, 8, [2, 3], context('eval', 'b')).sin)).toEqual([])
    expect(draws(ropeTables({}, 8, [2, 3], context('train', 'b')).sin)).toEqual([])
  })
  it('is drawn anew by every block, once for the whole batch', () => {
    const m = vit({ patch: 4, width: 8, depth: 2, heads: 2, position: { kind: 'rope', rescale: 2 } })
    expect(draws(call(m, context('train'), 'm', leavesOf('m', m.params), input('x', [3, 3, 8, 8])).cls)).toEqual([
      'm.blocks.0.rope.rescale',
      'm.blocks.1.rope.rescale',
    ])
  })
  it('moves, stretches each axis, then both', () => {
    const { sin } = ropeTables(o, 4, [1, 2], context('train', 'b'))
    const [y] = evaluate(
      [sin],
      new Map([
        ['b.rope.shift', Float64Array.of(0.1, 0.2)],
        ['b.rope.jitter', Float64Array.of(0.01, 0.02)],
        ['b.rope.rescale', Float64Array.of(0.3)],
      ]),
    )
    const at = (place: number, shift: number, jitter: number): number =>
      Math.sin(2 * Math.PI * (place + shift) * Math.exp(jitter) * Math.exp(0.3))
    const row = (x: number): ReadonlyArray<number> => [at(0, 0.1, 0.01), at(x, 0.2, 0.02)]
    expectClose([...y], [...row(-0.5), ...row(-0.5), ...row(0.5), ...row(0.5)], 1e-6)
  })
})

describe('misuse', () => {
  it.each([
    ['a head width that 4 does not divide', { kind: 'rope' as const }, 12],
    ['a period of 0', { kind: 'rope' as const, periods: { min: 0, max: 3 } }, 8],
    ['a rescale below 1', { kind: 'rope' as const, rescale: 0.5 }, 8],
  ])('names %s', (_, position, width) => {
    const m = vit({ patch: 4, width, depth: 1, heads: 2, position })
    const f = left(trace('m', [value('y', call(m, context('eval'), 'm', leavesOf('m', m.params), input('x', [1, 3, 8, 8])).cls)]))
    expect(f.place).toMatch(/^rope .* in m\.blocks\.0$/)
    expect(f.allowed).toContain(`width ${width / 2}`)
  })
})
