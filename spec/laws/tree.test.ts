/** Trees: mapping keeps the shape, identity is identity, and mapping twice is mapping the composition. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { flatten, join, mapTree } from '../../core/tree.ts'
import { declarations, leavesOf, param, zeros } from '../../core/model.ts'
import { runs } from '../support/arbitrary.ts'

const isNumber = (x: unknown): x is number => typeof x === 'number'

const key = fc.string({ minLength: 1, maxLength: 4 }).filter((k) => k !== '__proto__')
const trees = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.integer(),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(key, tie('tree'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).tree

describe('mapTree', () => {
  it('of identity is identity', () => {
    fc.assert(
      fc.property(trees, (t) => {
        expect(mapTree(isNumber, (x: number) => x, t)).toEqual(t)
      }),
      runs(200),
    )
  })
  it('of a composition is the composition of mapTrees', () => {
    const [f, g] = [(x: number): number => 2 * x, (x: number): number => x + 3]
    fc.assert(
      fc.property(trees, (t) => {
        const once: unknown = mapTree(isNumber, g, t)
        expect(mapTree(isNumber, f, once)).toEqual(mapTree(isNumber, (x: number) => f(g(x)), t))
      }),
      runs(200),
    )
  })
  it('hands every leaf its path, in the order in which flatten lists them', () => {
    fc.assert(
      fc.property(trees, (t) => {
        const seen: Array<readonly [string, number]> = []
        mapTree(
          isNumber,
          (x: number, path) => {
            seen.push([path, x])
          },
          t,
        )
        expect(seen).toEqual(flatten(isNumber)(t))
      }),
      runs(200),
    )
  })
})

describe('paths', () => {
  it('join keys and places with dots', () => {
    expect(flatten(isNumber)({ a: [1, { b: 2 }], c: 3 })).toEqual([
      ['a.0', 1],
      ['a.1.b', 2],
      ['c', 3],
    ])
    expect(join(join('', 'blocks'), 3)).toBe('blocks.3')
  })
  it('name the leaves of a model', () => {
    const params = { blocks: [{ w: param([2, 3], zeros) }], norm: { bias: param([3], zeros, false) } }
    const leaves = leavesOf('student', params)
    expect(leaves.blocks[0].w).toMatchObject({ source: { _tag: 'Param', path: 'student.blocks.0.w' } })
    expect(leaves.norm.bias.type).toEqual({ dtype: 'f32', shape: [3] })
    expect(declarations(params).map(([path]) => path)).toEqual(['blocks.0.w', 'norm.bias'])
  })
})
