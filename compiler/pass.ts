/** A pass: one step of a target's road. What it may change, and what it keeps, is said where it stands (passes/, memory/). */
import * as E from 'fp-ts/lib/Either.js'
import type { Fault } from '../core/fault.ts'
import type { Graph } from '../core/graph.ts'
import type { Rewrite, Stage } from '../core/rewrite.ts'
import type { Kernels } from './kernel/fused.ts'
import { showGraph, showKernels } from './show.ts'

export interface Pass<A, B = A> {
  readonly name: string
  readonly run: (a: A) => E.Either<Fault, B>
  /** What it gives, as text. */
  readonly show: (b: B) => string
}

/** A rewrite as a pass. */
export const graphPass = (r: Rewrite<Stage>): Pass<Graph> => ({ name: r.name, run: r.run, show: showGraph })

export const kernelPass = (name: string, change: (k: Kernels) => Kernels): Pass<Kernels> => ({
  name,
  run: (k) => E.right(change(k)),
  show: showKernels,
})
