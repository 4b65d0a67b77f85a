/** The printed forms of graphs of which few rows are read, before and after the others are left out. `vitest -u` rewrites them. */
import { expect, test } from 'vitest'
import { recogniseAttention } from '../../compiler/passes/attention.ts'
import { narrow } from '../../compiler/passes/narrow.ts'
import type { Expr } from '../../core/expr.ts'
import { leaf } from '../../core/expr.ts'
import { value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { print } from '../../core/print.ts'
import { trace } from '../../core/trace.ts'
import { tensorType } from '../../core/type.ts'
import { dot, linearMap } from '../../ops/contract.ts'
import { add, mul } from '../../ops/elementwise.ts'
import { gather } from '../../ops/gather.ts'
import { softmax } from '../../ops/nn.ts'
import { mean } from '../../ops/reduce.ts'
import { reshape } from '../../ops/reshape.ts'
import { pick, slice } from '../../ops/window.ts'
import { right } from '../data/either.ts'

const x = input('x', [2, 7, 4])
const layer = (y: Expr): Expr => mul(add(linearMap(y, input('w', [4, 4])), input('b', [4])), mean({ axes: [2], keep: true })(y))
const shown = (outputs: Readonly<Record<string, Expr>>): string => {
  const before = right(
    recogniseAttention.run(
      right(
        trace(
          'tokens',
          Object.entries(outputs).map(([k, e]) => value(k, e)),
        ),
      ),
    ),
  )
  return `${print(before)}${print(right(narrow.run(before)))}`
}

test('class tokens', async () => {
  await expect(shown({ cls: pick(1, 0)(layer(x)) })).toMatchFileSnapshot('narrow.class.ir')
})

test('one query', async () => {
  const heads = reshape([2, 7, 2, 2])(layer(x))
  const p = softmax(-1)(mul(dot({ leftBatch: [0, 2], rightBatch: [0, 2], left: [3], right: [3] })(heads, heads), 0.5))
  const mixed = dot({ leftBatch: [0, 1], rightBatch: [0, 2], left: [3], right: [1] })(p, heads)
  await expect(shown({ cls: pick(2, 0)(mixed) })).toMatchFileSnapshot('narrow.query.ir')
})

test('class tokens and listed patches', async () => {
  const all = layer(x)
  const patches = reshape([12, 4])(slice(1, 1)(all))
  await expect(
    shown({ cls: pick(1, 0)(all), listed: gather(0)(patches, leaf(tensorType('i32', [3]), { _tag: 'Input', path: 'list' })) }),
  ).toMatchFileSnapshot('narrow.listed.ir')
})

test('nothing, where half of the rows are read, or somebody reads all', async () => {
  const all = layer(x)
  await expect(
    shown({ some: slice(1, 0, 4)(all), cls: pick(1, 0)(layer(all)), whole: mean({ axes: [1] })(layer(all)) }),
  ).toMatchFileSnapshot('narrow.nothing.ir')
})
