/** Packing: what is copied, and that what is read of a copy is what was read before. */
import { expect, test } from 'vitest'
import { gpujsRoad } from '../../compiler/targets/gpujs/road.ts'
import type { Expr } from '../../core/expr.ts'
import { einsum } from '../../ops/contract.ts'
import { broadcastTo } from '../../ops/broadcast.ts'
import { reshape, transpose } from '../../ops/reshape.ts'
import { pick, slice } from '../../ops/window.ts'
import { around } from '../support/passes.ts'
import { input, waves } from '../support/tensor.ts'
import { hostArrays } from '../support/values.ts'

const x = input('x', [16, 24])
const w = input('w', [3, 12, 24])
const given = hostArrays(
  new Map([
    ['x', waves([16, 24], 1)],
    ['w', waves([3, 12, 24], 2)],
  ]),
)

const packed = around(gpujsRoad({ maxInputs: 7, packs: true }), 'pack', given)

/** The number of copies that packing makes. */
const copies = (outputs: ReadonlyArray<Expr>): number => {
  const { before, after } = packed(outputs)
  return after.kernels.length - before.kernels.length
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
