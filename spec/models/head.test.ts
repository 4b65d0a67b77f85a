/** The head: official names for any number of layers, unit bottleneck, and normalised prototypes. */
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { showFault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { call, context, declarations, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { sizeOf } from '../../core/type.ts'
import type { HeadOptions, Projected } from '../../models/head.ts'
import { head, weightNorm } from '../../models/head.ts'
import { expectClose, wave } from '../support/tensor.ts'

const small: HeadOptions = { in: 6, prototypes: 5, hidden: 7, bottleneck: 3 }

const apply = (o: HeadOptions): Projected => {
  const m = head(o)
  return call(m, context('eval'), 'head', leavesOf('head', m.params), input('x', [4, o.in]))
}

const namesOf = (o: HeadOptions): ReadonlyArray<string> => declarations(head(o).params).map(([path]) => path)

const values = (o: HeadOptions): ReadonlyMap<string, Float64Array> =>
  new Map([
    ['x', Float64Array.from(wave(4 * o.in))],
    ...declarations(head(o).params).map(([path, d], i) => [`head.${path}`, Float64Array.from(wave(sizeOf(d.shape), i + 1))] as const),
  ])

describe('names', () => {
  it('are places in a Sequential', () => {
    expect(namesOf(small)).toEqual([
      'mlp.0.weight',
      'mlp.0.bias',
      'mlp.2.weight',
      'mlp.2.bias',
      'mlp.4.weight',
      'mlp.4.bias',
      'last_layer.weight_g',
      'last_layer.weight_v',
    ])
    expect(namesOf({ ...small, layers: 2 })).toEqual([
      'mlp.0.weight',
      'mlp.0.bias',
      'mlp.2.weight',
      'mlp.2.bias',
      'last_layer.weight_g',
      'last_layer.weight_v',
    ])
    expect(namesOf({ ...small, layers: 7 }).filter((n) => n.endsWith('.weight'))).toEqual(
      [0, 2, 4, 6, 8, 10, 12].map((i) => `mlp.${i}.weight`),
    )
  })
  it('of a single layer have no place', () => {
    expect(namesOf({ ...small, layers: 1 })).toEqual(['mlp.weight', 'mlp.bias', 'last_layer.weight_g', 'last_layer.weight_v'])
  })
})

describe('the head', () => {
  it.each([1, 2, 3, 5])('of %i layers has a unit bottleneck, whose cosines with the prototypes are the logits', (layers) => {
    const o = { ...small, layers }
    const { bottleneck, logits } = apply(o)
    const given = new Map([...values(o), ['head.last_layer.weight_g', new Float64Array(5).fill(1)]])
    const [b, z] = evaluate([bottleneck, logits], given)
    const v = given.get('head.last_layer.weight_v') ?? new Float64Array()
    for (let r = 0; r < 4; r++) {
      const row = b.slice(r * 3, r * 3 + 3)
      expectClose([Math.hypot(...row)], [1], 1e-12)
      for (let k = 0; k < 5; k++) {
        const p = v.slice(k * 3, k * 3 + 3)
        expectClose([z[r * 5 + k]], [row.reduce((s, x, i) => s + x * p[i], 0) / Math.hypot(...p)], 1e-12)
      }
    }
  })
  it('trains the norms of its prototypes only when told to', () => {
    const trained = (o: HeadOptions): boolean => head(o).params.last_layer.weight_g.trainable
    expect([trained(small), trained({ ...small, normLastLayer: true }), trained({ ...small, normLastLayer: false })]).toEqual([
      false,
      false,
      true,
    ])
  })
  it('gives prototypes the norm g whatever the length of v', () => {
    const [w] = evaluate(
      [weightNorm(input('g', [2, 1]), input('v', [2, 2]))],
      new Map([
        ['g', Float64Array.of(2, 3)],
        ['v', Float64Array.of(3, 4, -30, 40)],
      ]),
    )
    expectClose(w, [1.2, 1.6, -1.8, 2.4], 1e-12)
  })
  it('without layers is a misuse', () => {
    const t = trace('head', [value('y', apply({ ...small, layers: 0 }).logits)])
    expect(E.isLeft(t) ? showFault(t.left) : '').toMatch(/head .* in head\n.*\n.*asked: 0/)
  })
})
