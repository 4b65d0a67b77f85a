/** Any target against the oracle, on the samples of the primitives: one graph of several cases for each primitive. */
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import fc from 'fast-check'
import { expect } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Device } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import { showFault } from '../../core/fault.ts'
import type { Expr } from '../../core/expr.ts'
import { value } from '../../core/graph.ts'
import { apply, showArgs } from '../../core/primitive.ts'
import { trace } from '../../core/trace.ts'
import type { HalfType } from '../../core/type.ts'
import { isFloat, isHalf } from '../../core/type.ts'
import { runs } from '../support/arbitrary.ts'
import { expectClose, hostArray, input } from '../support/tensor.ts'
import type { Case, Sample } from './sample.ts'

/** The value of a task that must not fail. */
export const must = async <A>(task: TaskEither<Fault, A>): Promise<A> => {
  const r = await task()
  return E.isRight(r) ? r.right : expect.fail(showFault(r.left))
}

/** Two places of the last bit: what is rounded may be rounded the other way. */
const precisions: { readonly [D in HalfType]: number } = { f16: 2e-3, bf16: 16e-3 }

/**
 * Runs `count` cases of a sample on a device and on the oracle. Floats agree within `tolerance` of 1 + |expected|,
 * whole numbers and bools exactly. `half`: whether the device takes f16 and bf16; it is asked for nothing else where it does not.
 */
export const agreesWithReference = async (
  device: Device,
  sample: Sample,
  { count = 8, tolerance = 1e-5, half = true } = {},
): Promise<void> => {
  const applied = (c: Case, n: number): { readonly leaves: ReadonlyArray<Expr>; readonly args: Case['args']; readonly expr: Expr } => {
    const leaves = c.args.map((a, k) => input(`${n}.${k}`, a.type.shape, a.type.dtype))
    return { leaves, args: c.args, expr: apply(c.op, leaves) }
  }
  const isTaken = (c: Case): boolean => {
    const { leaves, expr } = applied(c, 0)
    return half || [expr, ...leaves].every((e) => !isHalf(e.type.dtype))
  }
  const cases = fc.sample(sample.cases.filter(isTaken), runs(count)).map(applied)
  const values = new Map(cases.flatMap((c, n) => c.args.map((a, k) => [`${n}.${k}`, hostArray(a)] as const)))
  const expected = evaluate(
    cases.map((c) => c.expr),
    values,
  )
  const graph = await must(() =>
    Promise.resolve(
      trace(
        'samples',
        cases.map((c, n) => value(`${n}`, c.expr)),
      ),
    ),
  )
  const results = await must((await must(device.compile(graph))).run({ values }))
  cases.forEach((c, n) => {
    const what = `${c.expr._tag === 'Apply' ? c.expr.op.key : c.expr._tag} (${showArgs(c.leaves)}) on ${device.name}`
    const { dtype } = c.expr.type
    const allowed = isHalf(dtype) ? Math.max(tolerance, precisions[dtype]) : isFloat(dtype) ? tolerance : 0
    expectClose(results.get(`${n}`) ?? [], expected[n], allowed, what)
  })
}
