/** What an op is asked for is shown as it was typed, also where it is of another type: tsx checks none. */
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it, test } from 'vitest'
import { showAsked } from '../../core/asked.ts'
import { showFault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { isExpr } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import * as ops from '../../ops/index.ts'
import { input } from '../support/tensor.ts'

const x = input('x', [64, 32])

/** Calls an op as JavaScript does: with anything. */
const called = (f: unknown, ...words: ReadonlyArray<unknown>): unknown =>
  typeof f === 'function' ? Reflect.apply(f, undefined, [...words]) : undefined

const faultOf = (made: unknown): string => {
  const traced = isExpr(made) ? trace('asked', [value('y', made)]) : undefined
  return traced !== undefined && E.isLeft(traced) ? showFault(traced.left) : 'no fault'
}

describe('an op that takes one axis', () => {
  test.each([
    ['softmax', []],
    ['logSoftmax', []],
    ['logSumExp', []],
    ['l2Normalize', []],
    ['slice', [0, 1]],
    ['pick', [0]],
    ['pad', [1, 1]],
    ['runs', [2]],
    ['expandDims', []],
  ] as const)('%s says so where it is given { axes }, a list or a text', (name, more) => {
    const said = (asked: unknown): string => faultOf(called(called(ops[name], asked, ...more), x))
    expect(said({ axes: [1] })).toContain('(asked: { axes: [1] })')
    expect(said([1])).toContain('(asked: [1])')
    expect(said({ axes: [1] })).toContain(`${name === 'pick' ? 'slice' : name} takes the axis itself: 1`)
    expect(said('1')).toContain('(asked: "1")')
  })

  it('names what to write in its place', () => {
    const said = faultOf(called(called(ops.logSumExp, { axes: [1] }), x))
    expect(said.replace(/ \(.*asked\.test\.ts:\d+:\d+\)/, '')).toMatchInlineSnapshot(`
      "type fault at logSumExp
        found:   f32[64, 32]
        allowed: an axis of [64, 32] (asked: { axes: [1] })
        remedy:  logSumExp takes the axis itself: 1 in place of { axes: [1] }"
    `)
    expect(faultOf(called(called(ops.softmax, [0, 1]), x))).toContain('softmax takes the axis itself: one number in place of [0, 1]')
    expect(faultOf(called(called(ops.concat, { axes: 1 }), [x, x]))).toContain('concat takes the axis itself: 1 in place of { axes: 1 }')
    const index = input('i', [3], 'i32')
    expect(faultOf(called(called(ops.gather, { axes: [1] }), x, index))).toContain('gather takes the axis itself: 1 in place of')
  })
})

test('a reduction that is given no { axes, keep } says how it is written', () => {
  for (const asked of [1, [1], { axis: 1 }, { axes: 1 }, '1'])
    for (const name of ['sum', 'mean', 'max', 'argmax'] as const) {
      const said = faultOf(called(called(ops[name], asked), x))
      expect(said).toContain(`(asked: ${showAsked(asked)})`)
      expect(said).toContain(`write ${name}({ axes: [1] })(x) for axis 1`)
    }
})

test('what is shown is as short as a person reads, whatever it is', () => {
  expect([1, -1, NaN, undefined, null, 'a"b', [1, [2]], {}, { a: { b: 1 } }, x, Math.max].map(showAsked)).toEqual([
    '1',
    '-1',
    'NaN',
    'undefined',
    'null',
    '"a\\"b"',
    '[1, [2]]',
    '{}',
    '{ a: { b: 1 } }',
    'a tensor f32[64, 32]',
    'a function',
  ])
  const round: Record<string, unknown> = {}
  round['again'] = round
  expect(showAsked(round)).toBe('{ again: { again: { again: … } } }')
  expect(showAsked(Array.from({ length: 1000 }, (_, i) => i)).length).toBeLessThan(130)
})
