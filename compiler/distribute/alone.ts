/** Targets of one rank run programs of one rank: a program of several says what it needs. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { scopeOf } from '../../core/expr.ts'
import type { Expr } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf } from '../../core/graph.ts'
import { collective } from '../../ops/collective.ts'

const primitives = Object.values(collective)

/** How many ranks an expression speaks to, 0 where it is no collective. */
export const ranksOf = (e: Expr): number => {
  for (const p of primitives) {
    const m = p.match(e)
    if (m._tag === 'Some') return m.value.params.ranks
  }
  return 0
}

/** The graph itself, where each of its collectives is among one rank alone, itself. */
export const alone = (g: Graph): Either<Fault, Graph> => {
  const e = nodesOf(g).find((x) => ranksOf(x) > 1)
  if (e?._tag !== 'Apply') return E.right(g)
  const scope = scopeOf(e)
  return E.left(
    fault('target', {
      place: scope === '' ? e.op.name : `${e.op.name} in ${scope}`,
      found: `a program of ${ranksOf(e)} ranks on a target of one`,
      allowed: 'a program of one rank, which speaks to no other',
      remedy: 'put the ranks side by side in one program with `stack`, or do not distribute it',
    }),
  )
}
