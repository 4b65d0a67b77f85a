/**
 * Tensors that two networks have in common: what the student does not train is one tensor for both, and what both compute from it
 * is computed once.
 *
 * ```
 * before  dot(x, param student.w), dot(x, param teacher.w)      teacher.w: shared
 * after   dot(x, param student.w)
 * ```
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Expr } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { leavesOfGraph } from '../../core/graph.ts'
import { substitute } from '../../core/rewrite.ts'
import { verify } from '../../core/verify.ts'
import type { Objective, Resident, View } from './objective.ts'
import { leafOf } from './objective.ts'

/** The student's tensor of the same name. */
export const ownerOf = (path: string): string => path.replace(/^[^.]+/, 'student')

/** The graph with every shared tensor's leaf replaced by its owner's. */
const owned =
  (owners: ReadonlyMap<string, Resident>): View =>
  (g: Graph) => {
    const replaced = new Map<Expr, Expr>(
      leavesOfGraph(g).flatMap((l) => {
        const owner = owners.get(l.path)
        return owner === undefined ? [] : [[l.leaf, leafOf(owner)] as const]
      }),
    )
    return replaced.size === 0 ? E.right(g) : verify(substitute(replaced)(g))
  }

/** The objective without its shared tensors. Fault: one whose owner changes, or is not there. */
export const shared = (o: Objective): Either<Fault, { readonly objective: Objective; readonly view: View }> => {
  const byPath = new Map(o.residents.map((r) => [r.path, r]))
  const owners = new Map<string, Resident>()
  for (const r of o.residents) {
    if (r.role !== 'shared') continue
    const owner = byPath.get(ownerOf(r.path))
    if (owner?.role !== 'fixed')
      return E.left(
        fault('graph', {
          place: r.path,
          found: owner === undefined ? 'no tensor of the student to share' : `a share in a tensor that is ${owner.role}`,
          allowed: 'a share in a tensor of the student that is fixed',
          remedy: 'let the teacher average what the student trains',
        }),
      )
    owners.set(r.path, owner)
  }
  const view: View = (g) => pipe(o.view === undefined ? E.right(g) : o.view(g), E.chain(owned(owners)))
  return pipe(
    owned(owners)(o.graph),
    E.map((graph) => ({ objective: { ...o, graph, residents: o.residents.filter((r) => r.role !== 'shared') }, view })),
  )
}
