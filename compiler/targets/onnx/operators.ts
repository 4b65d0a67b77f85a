/** What each primitive is in ONNX, opset 17. Does not compile while one is missing. */
import type { PrimitiveName } from '../../../ops/vocabulary.ts'
import { arithmetic } from './arithmetic.ts'
import { contraction } from './contraction.ts'
import { movement } from './movement.ts'
import type { Operator } from './operator.ts'
import { ofOneRank, takenApart } from './operator.ts'

export const operators: Readonly<Record<PrimitiveName, Operator>> = {
  ...arithmetic,
  ...movement,
  ...contraction,
  attention: takenApart,
  attentionRows: takenApart,
  attentionGradient: takenApart,
  allReduce: ofOneRank,
  vary: ofOneRank,
  allGather: ofOneRank,
  reduceScatter: ofOneRank,
  shard: ofOneRank,
  place: ofOneRank,
}

export const isKnown = (name: string): name is PrimitiveName => Object.hasOwn(operators, name)
