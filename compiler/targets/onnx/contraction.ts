/** The general contraction as MatMul: shared axes first, then what is left of each side; several axes that do the same are one. */
import * as E from 'fp-ts/lib/Either.js'
import { range } from '../../../core/type.ts'
import { contracting } from '../../../ops/contract.ts'
import type { Builder, Value } from './builder.ts'
import { plainValue, reshaped, transposed } from './builder.ts'
import { fullArgs, operator } from './operator.ts'
import type { Size } from './size.ts'
import { product } from './size.ts'

/** `x` with its axes in order of three groups, each group after the shared ones merged to one axis. */
const grouped = (
  b: Builder,
  x: Value,
  shared: ReadonlyArray<number>,
  first: ReadonlyArray<number>,
  second: ReadonlyArray<number>,
): string => {
  const t = transposed(b, x, [...shared, ...first, ...second])
  if (first.length === 1 && second.length === 1) return t.name
  const of = (axes: ReadonlyArray<number>): Size => product(axes.map((a) => x.shape[a]))
  return reshaped(b, t.name, t.shape, [...shared.map((a) => x.shape[a]), of(first), of(second)])
}

export const contraction = {
  dot: operator(contracting.dot, (s) => {
    const [x, y] = fullArgs(s)
    const { leftBatch, rightBatch, left, right } = s.params
    const free = (v: Value, taken: ReadonlyArray<number>): ReadonlyArray<number> => range(v.shape.length).filter((a) => !taken.includes(a))
    const [freeX, freeY] = [free(x, [...leftBatch, ...left]), free(y, [...rightBatch, ...right])]
    // rows of any rank against one matrix: MatMul does it as it is
    const isRows = leftBatch.length === 0 && left.length === 1 && left[0] === x.shape.length - 1 && freeX.length > 0
    const a = isRows ? x.name : grouped(s.b, x, leftBatch, freeX, left)
    const c = grouped(s.b, y, rightBatch, right, freeY)
    const result = s.b.node('MatMul', [a, c])
    const isWhole = freeY.length === 1 && (isRows || freeX.length === 1)
    return E.right(plainValue(isWhole ? result : s.b.node('Reshape', [result, s.b.sizes(s.shape)]), s.dtype, s.shape))
  }),
}
