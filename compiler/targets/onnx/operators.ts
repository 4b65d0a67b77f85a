/** What each primitive is in ONNX, opset 17. Does not compile while one is missing. */
import { pipe } from 'fp-ts/lib/function.js'
import * as R from 'fp-ts/lib/Record.js'
import { attending } from '../../../ops/attention.ts'
import { collective } from '../../../ops/collective.ts'
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
  ...pipe(
    attending,
    R.map(() => takenApart),
  ),
  ...pipe(
    collective,
    R.map(() => ofOneRank),
  ),
}

export const isKnown = (name: string): name is PrimitiveName => Object.hasOwn(operators, name)
