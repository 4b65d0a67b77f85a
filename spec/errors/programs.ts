/**
 * Programs as users get them wrong, one misuse each. The line of the misuse ends in `// !`, so that the tests can see
 * that a fault names this very line.
 */
import * as E from 'fp-ts/lib/Either.js'
import { grad } from '../../compiler/grad.ts'
import type { Expr } from '../../core/expr.ts'
import { leaf, table } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import type { Graph, Output } from '../../core/graph.ts'
import { state, value } from '../../core/graph.ts'
import type { Context, Declaration, Model } from '../../core/model.ts'
import { call, context, inScope, leavesOf, normal, param, zeros } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { tensorType } from '../../core/type.ts'
import { broadcastTo } from '../../ops/broadcast.ts'
import { einsum, matmul } from '../../ops/contract.ts'
import { add, and, cast, exp, mul, tanh, where } from '../../ops/elementwise.ts'
import { gather, scatterAdd } from '../../ops/gather.ts'
import { crossEntropy, layerNorm, linear, oneHot, softmax, topK } from '../../ops/nn.ts'
import { mean, sum } from '../../ops/reduce.ts'
import { expandDims, reshape, transpose } from '../../ops/reshape.ts'
import { concat, pad, slice } from '../../ops/window.ts'
import { input } from '../support/tensor.ts'

const x = input('x', [2, 3])
const y = input('y', [4, 5])
const labels = input('labels', [2], 'i32')

type Program = () => E.Either<Fault, Graph>

const program =
  (body: () => Expr): Program =>
  () =>
    trace('program', [value('out', tanh(body()))])
const outputs =
  (body: () => ReadonlyArray<Output>): Program =>
  () =>
    trace('program', body())

interface Linear {
  readonly weight: Declaration
  readonly bias: Declaration
}

const dense = (i: number, o: number): Model<Linear, Expr, Expr> => ({
  params: { weight: param([o, i], normal(0.02)), bias: param([o], zeros) },
  apply: (_, p) => (h) => linear(h, p.weight, p.bias), // !
})

interface Block {
  readonly attn: { readonly qkv: Linear }
}

/** A block whose projection was made for another width than the features have. */
const block = (width: number): Model<Block, Expr, Expr> => {
  const qkv = dense(width, 3 * width)
  return {
    params: { attn: { qkv: qkv.params } },
    apply: (c, p) => (h) => inScope(c, 'attn', (inner) => call(qkv, inner, 'qkv', p.attn.qkv, h)),
  }
}

const nested = (c: Context, depth: number): Expr => (depth === 0 ? add(x, y) : inScope(c, depth, (inner) => nested(inner, depth - 1))) // !

export const programs = {
  'add: shapes': program(() => add(x, y)), // !
  'add: dtypes': program(() => add(x, reshape([2, 1])(labels))), // !
  'add: a fraction to whole numbers': program(() => add(labels, 0.5)), // !
  'and: floats': program(() => and(x, x)), // !
  'exp: whole numbers': program(() => exp(labels)), // !
  'where: a condition of numbers': program(() => where(x, x, 0)), // !
  'where: shapes': program(() => where(input('c', [7], 'bool'), x, 0)), // !
  'matmul: inner sizes': program(() => matmul(x, y)), // !
  'matmul: batch sizes': program(() => matmul(input('a', [2, 3, 4]), input('b', [5, 4, 6]))), // !
  'linear: width': program(() => linear(x, input('weight', [8, 4]))), // !
  'linear: bias': program(() => linear(x, input('weight', [8, 3]), input('bias', [7]))), // !
  'layerNorm: width': program(() => layerNorm(1e-6)(x, input('weight', [4]), input('bias', [4]))), // !
  'einsum: letters': program(() => einsum('ij,jk->il')(x, y)), // !
  'einsum: sizes': program(() => einsum('ij,jk->ik')(x, y)), // !
  'reshape: elements': program(() => reshape([4, 2])(x)), // !
  'reshape: two unknowns': program(() => reshape([-1, -1])(x)), // !
  'transpose: axes': program(() => transpose([0, 2, 1])(x)), // !
  'expandDims: place': program(() => expandDims(4)(x)), // !
  'broadcastTo: shape': program(() => broadcastTo([3, 2])(x)), // !
  'concat: shapes': program(() => concat(0)([x, y])), // !
  'concat: axis': program(() => concat(2)([x, x])), // !
  'concat: nothing': program(() => concat(0)([])), // !
  'slice: range': program(() => slice(1, 2, 7)(x)), // !
  'slice: axis': program(() => slice(2, 0, 1)(x)), // !
  'pad: axis': program(() => pad(-3, 1, 1)(x)), // !
  'gather: index dtype': program(() => gather(0)(x, input('index', [4]))), // !
  'gather: batch': program(() => gather(1, 1)(x, input('index', [5, 4], 'i32'))), // !
  'scatterAdd: rows': program(() => scatterAdd(0, 8)(x, input('index', [3], 'i32'))), // !
  'sum: axes': program(() => sum({ axes: [2] })(x)), // !
  'sum: an axis twice': program(() => sum({ axes: [1, -1] })(x)), // !
  'mean: whole numbers': program(() => mean()(labels)), // !
  'softmax: axis': program(() => softmax(2)(x)), // !
  'oneHot: float labels': program(() => oneHot(3)(x)), // !
  'crossEntropy: classes': program(() => crossEntropy(x, oneHot(10)(labels))), // !
  'topK: more than there are': program(() => topK(4)(x).values), // !
  'grad: not a scalar': program(() => grad(mul(x, x), [x])[0]), // !
  'a model in scopes': program(() => call(block(4), context('train', 'blocks'), 3, leavesOf('student.blocks.3', block(4).params), x)),
  'thirty scopes deep': program(() => nested(context('eval', 'deep'), 30)),
  'the first of two misuses': program(() => add(matmul(x, y), reshape([7])(x))), // !
  'a leaf without elements': program(() => input('empty', [2, 0])),
  'a table of another length': program(() => table('f32', [3], [1, 2])),
  'a table of other numbers': program(() => cast('f32')(mul(table('i32', [2], [1, 2.5]), labels))),
  'two leaves of one path': program(() => add(sum()(x), sum()(input('x', [3])))),
  'state of another type': outputs(() => {
    const centre = leaf(tensorType('f32', [3]), { _tag: 'State', path: 'centre' })
    return [state('centre', mean({ axes: [0], keep: true })(add(x, centre)))]
  }),
  'two outputs of one path': outputs(() => [value('loss', x), value('loss', y)]),
}

export type ProgramName = keyof typeof programs
