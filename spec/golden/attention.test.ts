/** The printed forms of attention before and after it is found, differentiated, and taken apart again. `vitest -u` rewrites them. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { expect, test } from 'vitest'
import { grad } from '../../compiler/grad.ts'
import { takeApart } from '../../compiler/passes/apart.ts'
import { recogniseAttention } from '../../compiler/passes/attention.ts'
import { simplify } from '../../compiler/passes/simplify.ts'
import { value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { print } from '../../core/print.ts'
import { trace } from '../../core/trace.ts'
import { dot } from '../../ops/contract.ts'
import { mul } from '../../ops/elementwise.ts'
import { softmax } from '../../ops/nn.ts'
import { sum } from '../../ops/reduce.ts'
import { reshape, transpose } from '../../ops/reshape.ts'
import { pick } from '../../ops/window.ts'
import { right } from '../data/either.ts'

const qkv = input('qkv', [2, 5, 24])
const three = reshape([2, 5, 3, 2, 4])(qkv)
const [q, k, v] = [0, 1, 2].map((i) => pick(2, i)(three))
const scores = mul(dot({ leftBatch: [0, 2], rightBatch: [0, 2], left: [3], right: [3] })(q, k), 0.5)
const mixed = dot({ leftBatch: [0, 1], rightBatch: [0, 2], left: [3], right: [1] })(softmax(-1)(scores), v)
const before = right(trace('heads', [value('y', reshape([2, 5, 8])(transpose([0, 2, 1, 3])(mixed)))]))
const after = right(recogniseAttention.run(before))

test('attention is found, whatever lays out queries, keys and values', async () => {
  await expect(`${print(before)}${print(after)}`).toMatchFileSnapshot('attention.found.ir')
})

test('its gradient is one tensor, laid out as the projection is, and is taken apart into products that share the probabilities', async () => {
  const [y] = after.outputs.map((o) => o.expr)
  const [d] = grad(sum()(mul(y, input('w', [2, 5, 8]))), [qkv])
  const gradient = right(pipe(trace('gradient', [value('d', d)]), E.chain(simplify.run)))
  const apart = right(pipe(takeApart(() => false).run(gradient), E.chain(simplify.run)))
  await expect(`${print(gradient)}${print(apart)}`).toMatchFileSnapshot('attention.gradient.ir')
})
