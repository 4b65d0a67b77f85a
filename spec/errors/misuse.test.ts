/** The exact text that a user sees for each misuse; `npx vitest run spec/errors -u` writes it anew. */
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { showFault } from '../../core/fault.ts'
import type { ProgramName } from './programs.ts'
import { programs } from './programs.ts'

const here = import.meta.dirname

/** What a user reads, but for the folder in which the program lies. */
const explained = (name: ProgramName): string => {
  const traced = programs[name]()
  return E.isLeft(traced) ? showFault(traced.left).replaceAll(`${here}/`, '') : 'no fault'
}

describe('the text of a misuse', () => {
  it('add: shapes', () => {
    expect(explained('add: shapes')).toMatchInlineSnapshot(`
      "type fault at add (programs.ts:67:32)
        found:   f32[2, 3], f32[4, 5]
        allowed: shapes that broadcast: counted from the right, equal or 1
        remedy:  reshape or transpose an argument so that its axes line up"
    `)
  })
  it('add: dtypes', () => {
    expect(explained('add: dtypes')).toMatchInlineSnapshot(`
      "type fault at add (programs.ts:68:32)
        found:   f32[2, 3], i32[2, 1]
        allowed: two tensors of one dtype
        remedy:  cast one of them, say with cast('f32')"
    `)
  })
  it('add: a fraction to whole numbers', () => {
    expect(explained('add: a fraction to whole numbers')).toMatchInlineSnapshot(`
      "type fault at add (programs.ts:69:53)
        found:   i32[2]
        allowed: beside it, numbers that i32 can hold (asked: 0.5)
        remedy:  cast the tensor to f32 first"
    `)
  })
  it('and: floats', () => {
    expect(explained('and: floats')).toMatchInlineSnapshot(`
      "type fault at and (programs.ts:70:32)
        found:   f32[2, 3], f32[2, 3]
        allowed: two tensors of one shape, both of i32 or bool
        remedy:  cast or reshape the arguments so that they agree"
    `)
  })
  it('exp: whole numbers', () => {
    expect(explained('exp: whole numbers')).toMatchInlineSnapshot(`
      "type fault at exp (programs.ts:71:39)
        found:   i32[2]
        allowed: a tensor of f32, f16 or bf16
        remedy:  cast it first"
    `)
  })
  it('where: a condition of numbers', () => {
    expect(explained('where: a condition of numbers')).toMatchInlineSnapshot(`
      "type fault at where (programs.ts:72:50)
        found:   f32[2, 3], f32[2, 3], f32[2, 3]
        allowed: a bool condition and two values of one dtype
        remedy:  compare to get a bool, and cast one of the values"
    `)
  })
  it('where: shapes', () => {
    expect(explained('where: shapes')).toMatchInlineSnapshot(`
      "type fault at where (programs.ts:73:34)
        found:   bool[7], f32[2, 3], f32[7]
        allowed: three shapes that broadcast together
        remedy:  reshape the condition or the values so that their axes line up"
    `)
  })
  it('matmul: inner sizes', () => {
    expect(explained('matmul: inner sizes')).toMatchInlineSnapshot(`
      "type fault at matmul (programs.ts:74:40)
        found:   f32[2, 3], f32[4, 5]
        allowed: [..., M, K] and [..., K, N] with one K, and leading axes that broadcast
        remedy:  transpose an argument, or check the width of the layer before"
    `)
  })
  it('matmul: batch sizes', () => {
    expect(explained('matmul: batch sizes')).toMatchInlineSnapshot(`
      "type fault at matmul (programs.ts:75:40)
        found:   f32[2, 3, 4], f32[5, 4, 6]
        allowed: [..., M, K] and [..., K, N] with one K, and leading axes that broadcast
        remedy:  transpose an argument, or check the width of the layer before"
    `)
  })
  it('linear: width', () => {
    expect(explained('linear: width')).toMatchInlineSnapshot(`
      "type fault at linear (programs.ts:76:34)
        found:   f32[2, 3], f32[8, 4]
        allowed: x [..., I] and a weight [O, I] with one I
        remedy:  check the width of the layer before"
    `)
  })
  it('linear: bias', () => {
    expect(explained('linear: bias')).toMatchInlineSnapshot(`
      "type fault at linear (programs.ts:77:33)
        found:   f32[2, 3], f32[8, 3], f32[7]
        allowed: x [..., I], a weight [O, I] and a bias [O]
        remedy:  make the bias as long as the weight has rows"
    `)
  })
  it('layerNorm: width', () => {
    expect(explained('layerNorm: width')).toMatchInlineSnapshot(`
      "type fault at layerNorm (programs.ts:78:52)
        found:   f32[2, 3], f32[4], f32[4]
        allowed: x [..., D] and parameters of shape [D]
        remedy:  check the width of the layer before"
    `)
  })
  it('einsum: letters', () => {
    expect(explained('einsum: letters')).toMatchInlineSnapshot(`
      "type fault at einsum (programs.ts:79:55)
        found:   f32[2, 3], f32[4, 5]
        allowed: two inputs and one output with a letter for each axis (asked: ij,jk->il)
        remedy:  name each axis once per tensor; a letter of one input alone must be in the output"
    `)
  })
  it('einsum: sizes', () => {
    expect(explained('einsum: sizes')).toMatchInlineSnapshot(`
      "type fault at einsum (programs.ts:80:53)
        found:   f32[2, 3], f32[4, 5]
        allowed: one size for each letter (asked: ij,jk->ik)
        remedy:  check the letters, or the width of the layer before"
    `)
  })
  it('reshape: elements', () => {
    expect(explained('reshape: elements')).toMatchInlineSnapshot(`
      "type fault at reshape (programs.ts:81:53)
        found:   f32[2, 3]
        allowed: a tensor of 8 elements for [4, 2]
        remedy:  give a shape with as many elements as the tensor has"
    `)
  })
  it('reshape: two unknowns', () => {
    expect(explained('reshape: two unknowns')).toMatchInlineSnapshot(`
      "type fault at reshape (programs.ts:82:59)
        found:   f32[2, 3]
        allowed: whole dimensions, at most one of them -1, that hold 6 elements (asked: [-1, -1])
        remedy:  give a shape with as many elements as the tensor has"
    `)
  })
  it('transpose: axes', () => {
    expect(explained('transpose: axes')).toMatchInlineSnapshot(`
      "type fault at transpose (programs.ts:83:56)
        found:   f32[2, 3]
        allowed: a tensor of rank 3 and a permutation of its axes
        remedy:  name every axis exactly once"
    `)
  })
  it('expandDims: place', () => {
    expect(explained('expandDims: place')).toMatchInlineSnapshot(`
      "type fault at expandDims (programs.ts:84:51)
        found:   f32[2, 3]
        allowed: a place from -3 to 2 (asked: 4)
        remedy:  name a place among the axes, or behind them"
    `)
  })
  it('broadcastTo: shape', () => {
    expect(explained('broadcastTo: shape')).toMatchInlineSnapshot(`
      "type fault at broadcastTo (programs.ts:85:58)
        found:   f32[2, 3]
        allowed: a shape that broadcasts to [3, 2]: counted from the right, equal or 1
        remedy:  reshape it so that its axes line up"
    `)
  })
  it('concat: shapes', () => {
    expect(explained('concat: shapes')).toMatchInlineSnapshot(`
      "type fault at concat (programs.ts:86:44)
        found:   f32[2, 3], f32[4, 5]
        allowed: one or more tensors of one dtype that have the axis 0 and differ on no other
        remedy:  cast or reshape the arguments so that they agree"
    `)
  })
  it('concat: axis', () => {
    expect(explained('concat: axis')).toMatchInlineSnapshot(`
      "type fault at concat (programs.ts:87:42)
        found:   f32[2, 3], f32[2, 3]
        allowed: an axis of [2, 3] (asked: 2)
        remedy:  name an existing axis"
    `)
  })
  it('concat: nothing', () => {
    expect(explained('concat: nothing')).toMatchInlineSnapshot(`
      "type fault at concat (programs.ts:88:45)
        found:   no arguments
        allowed: one or more tensors of one dtype that have the axis 0 and differ on no other
        remedy:  cast or reshape the arguments so that they agree"
    `)
  })
  it('slice: range', () => {
    expect(explained('slice: range')).toMatchInlineSnapshot(`
      "type fault at slice (programs.ts:89:47)
        found:   f32[2, 3]
        allowed: a tensor that holds the box of [2, 5] at [0, 2]
        remedy:  keep start + size within the shape on every axis"
    `)
  })
  it('slice: axis', () => {
    expect(explained('slice: axis')).toMatchInlineSnapshot(`
      "type fault at slice (programs.ts:90:46)
        found:   f32[2, 3]
        allowed: an axis of [2, 3] (asked: 2)
        remedy:  name an existing axis"
    `)
  })
  it('pad: axis', () => {
    expect(explained('pad: axis')).toMatchInlineSnapshot(`
      "type fault at pad (programs.ts:91:43)
        found:   f32[2, 3]
        allowed: an axis of [2, 3] (asked: -3)
        remedy:  name an existing axis"
    `)
  })
  it('gather: index dtype', () => {
    expect(explained('gather: index dtype')).toMatchInlineSnapshot(`
      "type fault at gather (programs.ts:92:49)
        found:   f32[2, 3], f32[4]
        allowed: a tensor with axis 0 and an i32 list that shares its first 0 axes
        remedy:  cast the list to i32 and make the leading axes equal"
    `)
  })
  it('gather: batch', () => {
    expect(explained('gather: batch')).toMatchInlineSnapshot(`
      "type fault at gather (programs.ts:93:46)
        found:   f32[2, 3], i32[5, 4]
        allowed: a tensor with axis 1 and an i32 list that shares its first 1 axes
        remedy:  cast the list to i32 and make the leading axes equal"
    `)
  })
  it('scatterAdd: rows', () => {
    expect(explained('scatterAdd: rows')).toMatchInlineSnapshot(`
      "type fault at scatterAdd (programs.ts:94:53)
        found:   f32[2, 3], i32[3]
        allowed: values shaped as gather(axis 0, batch 0) would give them, and the i32 list
        remedy:  give the values one row for each entry of the list; cast bools first"
    `)
  })
  it('sum: axes', () => {
    expect(explained('sum: axes')).toMatchInlineSnapshot(`
      "type fault at sum (programs.ts:95:48)
        found:   f32[2, 3]
        allowed: axes of [2, 3], once each (asked: [2])
        remedy:  name existing axes; negative ones count from the end"
    `)
  })
  it('sum: an axis twice', () => {
    expect(explained('sum: an axis twice')).toMatchInlineSnapshot(`
      "type fault at sum (programs.ts:96:61)
        found:   f32[2, 3]
        allowed: axes of [2, 3], once each (asked: [1, -1])
        remedy:  name existing axes; negative ones count from the end"
    `)
  })
  it('mean: whole numbers', () => {
    expect(explained('mean: whole numbers')).toMatchInlineSnapshot(`
      "type fault at mean (programs.ts:97:46)
        found:   i32[2]
        allowed: a tensor of f32, f16 or bf16
        remedy:  cast it first"
    `)
  })
  it('softmax: axis', () => {
    expect(explained('softmax: axis')).toMatchInlineSnapshot(`
      "type fault at softmax (programs.ts:98:44)
        found:   f32[2, 3]
        allowed: an axis of [2, 3] (asked: 2)
        remedy:  name an existing axis; negative ones count from the end"
    `)
  })
  it('oneHot: float labels', () => {
    expect(explained('oneHot: float labels')).toMatchInlineSnapshot(`
      "type fault at oneHot (programs.ts:99:50)
        found:   f32[2, 3]
        allowed: labels of i32
        remedy:  cast them with cast('i32')"
    `)
  })
  it('crossEntropy: classes', () => {
    expect(explained('crossEntropy: classes')).toMatchInlineSnapshot(`
      "type fault at crossEntropy (programs.ts:100:42)
        found:   f32[2, 3], f32[2, 10]
        allowed: logits [..., K] and a target [..., K] with one K
        remedy:  make the target as wide as the logits; oneHot makes one of labels"
    `)
  })
  it('topK: more than there are', () => {
    expect(explained('topK: more than there are')).toMatchInlineSnapshot(`
      "type fault at topK (programs.ts:101:53)
        found:   f32[2, 3]
        allowed: k from 1 to the last axis of [2, 3] (asked: 4)
        remedy:  ask for fewer"
    `)
  })
  it('grad: not a scalar', () => {
    expect(explained('grad: not a scalar')).toMatchInlineSnapshot(`
      "type fault at grad (programs.ts:102:39)
        found:   f32[2, 3]
        allowed: a float scalar of shape [] to differentiate
        remedy:  reduce the loss [2, 3] with sum or mean first"
    `)
  })
  it('a model in scopes', () => {
    expect(explained('a model in scopes')).toMatchInlineSnapshot(`
      "type fault at linear (programs.ts:48:27) in blocks.3.attn.qkv
        found:   f32[2, 3], f32[12, 4]
        allowed: x [..., I] and a weight [O, I] with one I
        remedy:  check the width of the layer before"
    `)
  })
  it('thirty scopes deep', () => {
    expect(explained('thirty scopes deep')).toMatchInlineSnapshot(`
      "type fault at add (programs.ts:64:68) in deep.30.29.28.27.26.25.24.23.22.21.20.19.18.17.16.15.14.13.12.11.10.9.8.7.6.5.4.3.2.1
        found:   f32[2, 3], f32[4, 5]
        allowed: shapes that broadcast: counted from the right, equal or 1
        remedy:  reshape or transpose an argument so that its axes line up"
    `)
  })
  it('the first of two misuses', () => {
    expect(explained('the first of two misuses')).toMatchInlineSnapshot(`
      "type fault at matmul (programs.ts:105:49)
        found:   f32[2, 3], f32[4, 5]
        allowed: [..., M, K] and [..., K, N] with one K, and leading axes that broadcast
        remedy:  transpose an argument, or check the width of the layer before"
    `)
  })
  it('a leaf without elements', () => {
    expect(explained('a leaf without elements')).toMatchInlineSnapshot(`
    "graph fault at empty
      found:   f32[2, 0]
      allowed: dimensions that are whole numbers of at least 1
      remedy:  give the leaf a non-empty static shape"
  `)
  })
  it('a table of another length', () => {
    expect(explained('a table of another length')).toMatchInlineSnapshot(`
    "graph fault at a table constant
      found:   2 values for f32[3]
      allowed: 3 values
      remedy:  make the list as long as the shape says"
  `)
  })
  it('a table of other numbers', () => {
    expect(explained('a table of other numbers')).toMatchInlineSnapshot(`
    "graph fault at a table constant
      found:   the value 2.5 in i32[2]
      allowed: for i32 whole numbers of 32 bits, for bool 0 and 1
      remedy:  round the value, or give the constant a float type"
  `)
  })
  it('two leaves of one path', () => {
    expect(explained('two leaves of one path')).toMatchInlineSnapshot(`
    "graph fault at x
      found:   input f32[3] beside input f32[2, 3]
      allowed: one role and one type for each path
      remedy:  give the leaves different paths"
  `)
  })
  it('state of another type', () => {
    expect(explained('state of another type')).toMatchInlineSnapshot(`
    "graph fault at centre
      found:   a new state f32[1, 3]
      allowed: the state's own type f32[3]
      remedy:  return a state of the type it was declared with"
  `)
  })
  it('two outputs of one path', () => {
    expect(explained('two outputs of one path')).toMatchInlineSnapshot(`
    "graph fault at loss
      found:   two value outputs of this path
      allowed: one
      remedy:  rename one of them"
  `)
  })
})
