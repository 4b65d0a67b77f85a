/**
 * Random well-typed graphs that mix every kind of primitive. A graph is grown from a list of steps, each of which picks
 * what it works on by number, so that a failing graph shrinks to a short list.
 *
 * Values stay of the order of 1. What jumps (comparisons, floor, argmax, kinks of gradients) is only asked of values that
 * every precision holds exactly, so that two targets never differ by a jump.
 */
import fc from 'fast-check'
import type { Expr } from '../../core/expr.ts'
import { leaf, table } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { state, value } from '../../core/graph.ts'
import { range, sizeOf, tensorType } from '../../core/type.ts'
import * as e from '../../ops/elementwise.ts'
import { iota } from '../../ops/gather.ts'
import { mean } from '../../ops/reduce.ts'
import { bools, exact, ints, smooth, trimmed } from './growths.ts'
import type { Pool, Supply } from './supply.ts'
import { supply } from './supply.ts'
import type { Tensor } from './tensor.ts'
import { input, tensor, waves } from './tensor.ts'

export interface RandomGraph {
  readonly graph: Graph
  /** The float inputs and params, to differentiate by. */
  readonly floats: ReadonlyArray<Expr>
  /** Values of all inputs and params by path. */
  readonly values: ReadonlyMap<string, Tensor>
}

/** Values in 256ths, which f16 holds; no two of one tensor, nor of two phases, are equal. */
const grid = (shape: ReadonlyArray<number>, phase: number): Tensor =>
  tensor(
    'f32',
    shape,
    range(sizeOf(shape)).map((i) => (2 * ((i * 37 + phase * 11) % 127) - 127) / 64 + phase / 256),
  )

const leaves: ReadonlyArray<readonly [string, Tensor]> = [
  ['x', grid([3, 4], 0)],
  ['y', grid([4], 1)],
  ['z', grid([2, 3, 4], 2)],
  ['c', grid([], 3)],
]
const weight = leaf(tensorType('f32', [4, 3]), { _tag: 'Param', path: 'w' })
const noise = leaf(tensorType('f32', [3, 4]), { _tag: 'Draw', path: 'noise', distribution: { _tag: 'Normal', mean: 0, std: 1 } })

const start: Pool = {
  smooth: [weight, noise],
  exact: leaves.map(([path, t]) => input(path, t.type.shape)),
  ints: [input('i', [3], 'i32'), iota([4]), table('i32', [2], [7, -2147483648])],
  bools: [input('b', [3, 1], 'bool')],
}

const grown = (p: Pool, [kind, which, ...choices]: ReadonlyArray<number>): Pool => {
  const s = supply(p, choices)
  const make = (kinds: ReadonlyArray<(s: Supply) => Expr>): Expr => trimmed(kinds[which % kinds.length](s))
  switch (kind % 6) {
    case 0:
      return { ...p, ints: [...p.ints, make(ints)] }
    case 1:
      return { ...p, bools: [...p.bools, make(bools)] }
    case 2:
      return { ...p, exact: [...p.exact, make(exact)] }
    default:
      return { ...p, smooth: [...p.smooth, make(smooth)] }
  }
}

/** A list of steps: what to make, and the choices to make it by. */
export type Steps = ReadonlyArray<ReadonlyArray<number>>

export const steps = (size = 24): fc.Arbitrary<Steps> =>
  fc.array(fc.array(fc.nat(1000), { minLength: 8, maxLength: 8 }), { maxLength: size, size: 'max' })

/** The graph of a list of steps: what was made last of each kind is handed out, and the param is replaced. */
export const graphOf = (list: Steps): RandomGraph => {
  const p = list.reduce(grown, start)
  const lastOf = (xs: ReadonlyArray<Expr>): Expr => xs[xs.length - 1]
  const update = e.sub(weight, e.mul(mean()(lastOf(p.smooth)), 0.1))
  return {
    graph: {
      name: 'random',
      outputs: [
        value('smooth', lastOf(p.smooth)),
        value('before', p.smooth[p.smooth.length - 2]),
        value('exact', lastOf(p.exact)),
        value('ints', lastOf(p.ints)),
        value('bools', lastOf(p.bools)),
        state('w', update),
      ],
    },
    floats: [weight, ...start.exact],
    values: new Map([
      ...leaves,
      ['w', waves([4, 3], 5)],
      ['i', tensor('i32', [3], [-5, 2147483647, 12])],
      ['b', tensor('bool', [3, 1], [1, 0, 1])],
    ]),
  }
}

/** Random graphs of up to `size` steps. */
export const graphs = (size = 24): fc.Arbitrary<RandomGraph> => steps(size).map(graphOf)
