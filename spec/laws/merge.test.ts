/** What merging must not do, each on the smallest graph where it could: see the conditions of passes/merge.ts. */
import { expect, test } from 'vitest'
import type { Fused, Kernels } from '../../compiler/kernel/fused.ts'
import { pointsOf } from '../../compiler/kernel/kernel.ts'
import { termsOf } from '../../compiler/kernel/term.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import { add, exp, mul, sin, sub } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { reshape, transpose } from '../../ops/reshape.ts'
import { flip, slice } from '../../ops/window.ts'
import { around } from '../support/passes.ts'
import { input, waves } from '../support/tensor.ts'
import { hostArrays } from '../support/values.ts'

const x = input('x', [32, 24])
const given = hostArrays(new Map([['x', waves([32, 24], 1)]]))

const merged = around(nativeRoad(), 'merge', given)

/** How often exponentials are computed. */
const exponentials = ({ kernels }: Kernels): number =>
  kernels.reduce(
    (n, { kernel }) =>
      n + pointsOf(kernel) * termsOf(kernel.writes.map((w) => w.value)).filter((t) => t._tag === 'Unary' && t.op === 'exp').length,
    0,
  )

/** Whether each write runs in the kernel's outer loops. */
const runsInOuterLoops = ({ kernel }: Fused): boolean =>
  kernel.writes.every((w) => {
    const mine = kernel.loops.map((v) => (w.offset.vars & v.vars) !== 0)
    return mine.every((m, i) => !m || i === 0 || mine[i - 1])
  })

const p = exp(x)

test('what the graph hands on is written, also where one reader takes it in', () => {
  const { before, after } = merged([p, add(mul(p, 3), x)])
  expect([before.kernels.length, after.kernels.length]).toEqual([2, 1])
})

test('what is read at two places for each point is not computed twice', () => {
  const { before, after } = merged([p, add(p, flip([0])(p))])
  expect(exponentials(after)).toBe(exponentials(before))
})

test('what is read in part is computed whole', () => {
  const part = slice(0, 0, 8)
  merged([p, add(part(p), part(x))])
  merged([p, add(slice(0, 0, 8)(reshape([64, 12])(p)), slice(0, 4, 12)(reshape([64, 12])(x)))])
})

test('several outputs of one kernel are read at one point, or stay apart', () => {
  const square = slice(1, 0, 8)(slice(0, 0, 8)(x))
  const a = exp(square)
  const b = sin(a)
  merged([a, b, add(a, transpose([1, 0])(b))])
  merged([a, b, add(transpose([1, 0])(a), b)])
})

test('a write runs in outer loops, so that each thread has its own part of it', () => {
  const m = sum({ axes: [1] })(x)
  const y = sub(x, reshape([32, 1])(m))
  const { before, after } = merged([m, y, add(transpose([1, 0])(y), 1)])
  expect([before, after].flatMap((k) => k.kernels.filter((f) => !runsInOuterLoops(f)).map((f) => f.kernel.name))).toEqual([])
})

test('a kernel is merged into its reader only where what the reader waits for is there', () => {
  const { after } = merged([p, mul(p, sum()(p))])
  expect(after.kernels).toHaveLength(3)
})

test('what a reader reads is kept where it reads it, in rows of another length too', () => {
  const rows = transpose([1, 0])(p)
  merged([rows, add(reshape([16, 48])(rows), reshape([16, 48])(x))])
  merged([p, rows, add(reshape([16, 48])(rows), 2)])
})
