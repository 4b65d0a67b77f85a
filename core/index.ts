/** `dinograph/core`. The language: types, expressions, graphs and what is said of them. */

// Faults: bad input explained.
export type { Fault, FaultKind } from './fault.ts'
export { fault, faultsOf, showFault, together, exitCode } from './fault.ts'

// Types.
export type { DType, Shape, TensorType } from './type.ts'
export { dtypes, tensorType, sizeOf, bytesOf, equalShape, equalType, showShape, showType } from './type.ts'

// Leaves of a graph: what a program is given, what it keeps, what it draws.
export { input, hyper, parameter, resident, random } from './leaves.ts'

// Graphs, and how a program becomes one.
export type { Graph, Output, NamedLeaf, NamedSource } from './graph.ts'
export { value, state, roots, nodesOf, leavesOfGraph } from './graph.ts'
export { trace } from './trace.ts'
export { print } from './print.ts'
export { verify } from './verify.ts'
export type { LoadOp } from './serialize.ts'
export { save, load } from './serialize.ts'

// Models: trees of declarations and a pure function.
export type { Init, Declaration, Exprs, Context, Model } from './model.ts'
export {
  constantInit,
  zeros,
  ones,
  normal,
  truncNormal,
  uniform,
  param,
  declarations,
  expressions,
  leavesOf,
  context,
  inScope,
  call,
} from './model.ts'
export type { Tree } from './tree.ts'

// Expressions, and a new primitive as one record.
export type { Expr, Leaf, Apply, Invalid, Op, Json, Misuse, Pull, Distribution } from './expr.ts'
export { table, fill, scopeOf } from './expr.ts'
export type { Rules, Primitive } from './primitive.ts'
export { primitive, apply, misuse } from './primitive.ts'
export type { Scalar, Scatter } from './scalar.ts'
export { num, int, axis, bound, read, cast, select, unary, binary, reduce, iadd, isub, imul, axesOf } from './scalar.ts'

// Rewrites of graphs.
export type { Stage, Rewrite, Rule } from './rewrite.ts'
export { getMonoid, firstOf, rewriteBottomUp, substitute } from './rewrite.ts'

// Random streams: draws are functions of seed, path and step.
export type { Stream } from './random.ts'
export { stream, permutation, draw } from './random.ts'
