/** What a sample of a primitive is: arbitrary cases, each an op with arguments and a formula of its result. */
import type fc from 'fast-check'
import type { Json, Op } from '../../core/expr.ts'
import type { Get, Tensor } from '../support/tensor.ts'

/** What the element at `index` of the result is, said plainly. */
export type Formula = (args: ReadonlyArray<Get>, index: ReadonlyArray<number>) => number

export interface Case {
  readonly op: Op
  readonly args: ReadonlyArray<Tensor>
  readonly formula: Formula
}

export interface Sample {
  readonly cases: fc.Arbitrary<Case>
  /** False where the gradient is zero by decree, whatever differences say. */
  readonly differentiable: boolean
}

/** A case before its primitive is known. */
export interface Draft<P extends Json> {
  readonly params: P
  readonly args: ReadonlyArray<Tensor>
  readonly formula: Formula
}
