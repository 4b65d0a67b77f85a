/** Packing: what is copied, and that what is read of a copy is what was read before. */
import { expect, test } from 'vitest'
import type { Kernels } from '../../compiler/kernel/fused.ts'
import { followGraph } from '../../compiler/road.ts'
import { gpujsRoad } from '../../compiler/targets/gpujs/road.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { roots, value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import { einsum } from '../../ops/contract.ts'
import { broadcastTo } from '../../ops/broadcast.ts'
import { reshape, transpose } from '../../ops/reshape.ts'
import { pick, slice } from '../../ops/window.ts'
import { right } from '../data/either.ts'
import { interpreted } from '../support/kernels.ts'
import { expectClose, input, waves } from '../support/tensor.ts'
import { hostArrays } from '../support/values.ts'

const x = input('x', [16, 24])
const w = input('w', [3, 12, 24])
const given = hostArrays(
  new Map([
    ['x', waves([16, 24], 1)],
    ['w', waves([3, 12, 24], 2)],
  ]),
)

/** The number of copies that packing makes; values stay. */
const copies = (outputs: ReadonlyArray<Expr>): number => {
  const road = gpujsRoad({ maxInputs: 7, packs: true })
  const graph = right(
    followGraph(road)(
      right(
        trace(
          'packing',
          outputs.map((e, i) => value(`${i}`, e)),
        ),
      ),
    ),
  )
  const fused = right(road.fuse.run(graph))
  const pass = road.kernels.find((p) => p.name === 'pack')
  const packed: Kernels = right(pass?.run(fused) ?? expect.fail('the road packs'))
  const expected = evaluate(roots(graph), given)
  interpreted(packed, given).forEach((got, i) => {
    expectClose(got, expected[i], 1e-9, `${i}`)
  })
  return packed.kernels.length - fused.kernels.length
}

const times = (b: Expr): Expr => einsum('mk,nk->mn')(x, b)

test('an operand is copied once for all that want it in one layout', () => {
  expect(copies([times(pick(0, 1)(w)), einsum('mk,nk->mn')(reshape([16, 24])(transpose([1, 0])(x)), pick(0, 1)(w))])).toBe(1)
})

test('parts of a tensor that lie elsewhere are copies of their own', () => {
  expect(copies([times(pick(0, 0)(w)), times(pick(0, 1)(w)), times(pick(0, 2)(w))])).toBe(3)
})

test('what is not read at plain strides is read where it is', () => {
  // so small that the repeated columns are read at k mod 2 instead of being written
  const repeated = reshape([4, 4])(broadcastTo([4, 2, 2])(reshape([4, 1, 2])(slice(1, 0, 2)(slice(0, 0, 4)(pick(0, 1)(w))))))
  expect(copies([einsum('mk,nk->mn')(slice(1, 0, 4)(slice(0, 0, 2)(x)), repeated)])).toBe(0)
})
