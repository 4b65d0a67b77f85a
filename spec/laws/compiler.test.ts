/** Laws of the compiler's rewrites and of its schedule, on random graphs. */
import fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { expect, test } from 'vitest'
import type { Limits } from '../../compiler/passes/fuse.ts'
import { planOf } from '../../compiler/plan.ts'
import { simplify } from '../../compiler/passes/simplify.ts'
import type { Place, Plan } from '../../compiler/schedule.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Fault } from '../../core/fault.ts'
import { showFault } from '../../core/fault.ts'
import { roots } from '../../core/graph.ts'
import { print } from '../../core/print.ts'
import { verify } from '../../core/verify.ts'
import { runs } from '../support/arbitrary.ts'
import { graphs } from '../support/graphs.ts'
import { expectClose, hostArray } from '../support/tensor.ts'

const right = <A>(e: E.Either<Fault, A>): A => (E.isRight(e) ? e.right : expect.fail(showFault(e.left)))

const limits: Limits = { maxInputs: 7, maxOps: 120, scatter: false, transcendental: 12, launch: 100, pack: true }

test('simplify preserves values, gives a verified graph, and has nothing left to do', () => {
  fc.assert(fc.property(graphs(), ({ graph, values }) => {
    const simple = right(verify(right(simplify.run(graph))))
    const host = new Map([...values].map(([path, t]) => [path, hostArray(t)] as const))
    const before = evaluate(roots(graph), host)
    const after = evaluate(roots(simple), host)
    before.forEach((b, i) => { expectClose(after[i], b, 1e-9, graph.outputs[i].path) })
    expect(print(right(simplify.run(simple)))).toBe(print(simple))
  }), runs(100))
})

/** What each place holds after every step; a read of what is no longer there is found out. */
const replay = (p: Plan): void => {
  const held = new Map<string, unknown>()
  const name = (x: Place): string => JSON.stringify(x._tag === 'Constant' ? { constant: x.expr.id } : x)
  for (const s of p.steps) {
    if (s._tag === 'Update') {
      held.set(name({ _tag: 'Resident', path: s.path }), `new ${s.path}`)
      continue
    }
    const k = p.kernels[s.fused]
    s.reads.forEach((place, i) => {
      const wanted = k.reads[i]
      if (place._tag === 'Temporary') expect(held.get(name(place))).toBe(wanted)
      if (place._tag === 'Resident') expect(held.get(name(place))).toBeUndefined()
      expect(name(place)).not.toBe(name(s.write))
    })
    held.set(name(s.write), k.writes[0])
  }
  for (const v of p.values) if (v.place._tag === 'Temporary') expect(held.get(name(v.place))).toBe(v.expr)
}

test('schedule: every read finds its tensor, old states are read before they are replaced, no launch reads what it writes', () => {
  fc.assert(fc.property(graphs(), ({ graph }) => { replay(right(planOf(limits)(graph))) }), runs(200))
})

test('fuse respects what a target can take', () => {
  fc.assert(fc.property(graphs(), fc.integer({ min: 3, max: 8 }), ({ graph }, maxInputs) => {
    const p = right(planOf({ ...limits, maxInputs })(graph))
    for (const k of p.kernels) expect(k.kernel.reads.length).toBeLessThanOrEqual(Math.max(maxInputs, 3))
  }), runs(100))
})
