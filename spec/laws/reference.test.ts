/** The reference as a device: state lives between runs, draws are functions of seed and step, faults name the path. */
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { evaluate, reference } from '../../compiler/targets/reference.ts'
import type { Device, HostValues } from '../../compiler/target.ts'
import { fill, leaf, table } from '../../core/expr.ts'
import type { Output } from '../../core/graph.ts'
import { state, value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import { tensorType } from '../../core/type.ts'
import { add, cast, less, mul, where } from '../../ops/elementwise.ts'
import { gather } from '../../ops/gather.ts'
import { sum } from '../../ops/reduce.ts'
import { must } from '../rules/agreement.ts'
import { input } from '../support/tensor.ts'

const two = tensorType('f32', [2])
const count = leaf(two, { _tag: 'State', path: 'count' })
const noise = leaf(two, { _tag: 'Draw', path: 'noise', distribution: { _tag: 'Uniform', low: 0, high: 1 } })

const run = async (d: Device, outputs: ReadonlyArray<Output>, values: Record<string, Float32Array> = {}, at = {}): Promise<HostValues> => {
  const graph = trace('g', outputs)
  const program = await must(() => Promise.resolve(graph))
  return must((await must(d.compile(program))).run({ values: new Map(Object.entries(values)), ...at }))
}

describe('the reference device', () => {
  it('replaces state after a run, and every output sees the old one', async () => {
    const d = await must(reference.open)
    await must(d.write('count', two, Float32Array.of(1, 2)))
    const outputs = [state('count', add(count, input('by', [2]))), value('old', count), value('total', sum()(count))]
    expect([...((await run(d, outputs, { by: Float32Array.of(10, 20) })).get('old') ?? [])]).toEqual([1, 2])
    const second = await run(d, outputs, { by: Float32Array.of(10, 20) })
    expect([second.get('old'), second.get('total')]).toEqual([Float64Array.of(11, 22), Float64Array.of(33)])
    expect(await must(d.read('count'))).toEqual(Float64Array.of(21, 42))
    expect(d.resident()).toEqual(new Map([['count', two]]))
    d.close()
  })
  it('swaps two states at once', async () => {
    const d = await must(reference.open)
    const other = leaf(two, { _tag: 'State', path: 'other' })
    await must(d.write('count', two, Float32Array.of(1, 2)))
    await must(d.write('other', two, Float32Array.of(3, 4)))
    await run(d, [state('count', other), state('other', count)])
    expect([await must(d.read('count')), await must(d.read('other'))]).toEqual([Float64Array.of(3, 4), Float64Array.of(1, 2)])
  })
  it('hands out copies: nobody outside can change what it holds', async () => {
    const d = await must(reference.open)
    const data = Float32Array.of(1, 2)
    await must(d.write('count', two, data))
    data[0] = 9
    ;(await must(d.read('count')))[1] = 9
    expect(await must(d.read('count'))).toEqual(Float64Array.of(1, 2))
  })
  it('draws by seed and step', async () => {
    const d = await must(reference.open)
    const drawn = async (at: object): Promise<string> => String(await run(d, [value('n', noise)], {}, at).then((r) => r.get('n')))
    expect(await drawn({ seed: 3, step: 4 })).toBe(await drawn({ seed: 3, step: 4 }))
    expect(new Set([await drawn({ seed: 3, step: 4 }), await drawn({ seed: 3, step: 5 }), await drawn({ seed: 4, step: 4 })]).size).toBe(3)
  })
  it('explains what is missing', async () => {
    const d = await must(reference.open)
    const program = await must(d.compile({ name: 'g', outputs: [value('y', add(count, input('x', [2])))] }))
    const found = async (values: Record<string, Float32Array>): Promise<string> => {
      const r = await program.run({ values: new Map(Object.entries(values)) })()
      return E.isLeft(r) ? `${r.left.place}: ${r.left.found}` : 'nothing'
    }
    expect(await found({ x: Float32Array.of(1, 2) })).toBe('state count: a resident tensor that was never written')
    await must(d.write('count', two, Float32Array.of(1, 2)))
    expect(await found({})).toBe('input x: no value')
    expect(await found({ x: Float32Array.of(1) })).toBe('input x: 1 elements')
    expect(await found({ x: Float32Array.of(1, 1) })).toBe('nothing')
    expect(E.isLeft(await d.write('count', tensorType('f32', [3]), new Float32Array(3))())).toBe(true)
    expect(E.isLeft(await d.read('nowhere')())).toBe(true)
  })
})

describe('evaluation', () => {
  it('reads out of range only where the other side is chosen', () => {
    const index = table('i32', [3], [0, 5, 1])
    const safe = where(less(index, 2), gather(0)(input('x', [2]), index), -1)
    expect([...evaluate([safe], new Map([['x', Float64Array.of(7, 8)]]))[0]]).toEqual([7, -1, 8])
  })
  it('rounds half precision, wraps whole numbers, and leaves f32 in float64', () => {
    const third = fill('f32', [], 1 / 3)
    const big = fill('i32', [], 2147483647)
    expect(evaluate([third, cast('f16')(third), cast('bf16')(third), add(big, big), mul(big, big)]).map((v) => v[0])).toEqual([
      1 / 3,
      0.333251953125,
      0.333984375,
      -2,
      1,
    ])
  })
})
