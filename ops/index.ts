/** `dinograph/ops`. The vocabulary: what programs are written in. Ops broadcast as NumPy's do. */

// Element by element.
export type { Operand } from './elementwise.ts'
export {
  neg,
  exp,
  log,
  sqrt,
  rsqrt,
  tanh,
  erf,
  sin,
  cos,
  abs,
  floor,
  not,
  stopGradient,
  cast,
  add,
  sub,
  mul,
  div,
  minimum,
  maximum,
  mod,
  square,
  sign,
  where,
  less,
  lessEqual,
  greater,
  greaterEqual,
  equal,
  notEqual,
  and,
  or,
  xor,
  shiftLeft,
  shiftRight,
  floorDiv,
} from './elementwise.ts'

// Contractions.
export { dot, matmul, einsum } from './contract.ts'

// Reductions.
export type { ReduceOptions } from './reduce.ts'
export { sum, max, mean, argmax } from './reduce.ts'

// Shapes.
export { reshape, transpose, expandDims } from './reshape.ts'
export { broadcastTo } from './broadcast.ts'
export { slice, pick, pad, concat, flip, runs } from './window.ts'

// By index.
export { gather, scatterAdd, iota } from './gather.ts'

// Of networks.
export {
  linear,
  softmax,
  logSoftmax,
  logSumExp,
  layerNorm,
  rmsNorm,
  gelu,
  sigmoid,
  silu,
  relu,
  l2Normalize,
  oneHot,
  crossEntropy,
  topK,
} from './nn.ts'

// Of images.
export type { Taps, Border } from './image.ts'
export { resample, resampleBoth, convolve } from './image.ts'

// Of several ranks.
export type { Cut } from './collective.ts'
export { allReduce, vary, allGather, reduceScatter, shard, place } from './collective.ts'

// Draws.
export { uniform, bernoulli, normal } from './random.ts'

// Every primitive by its name.
export type { PrimitiveName } from './vocabulary.ts'
export { vocabulary, loadOp } from './vocabulary.ts'
