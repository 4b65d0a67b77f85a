/** The road from a graph to what a target runs: simplify, fuse, pack, schedule. `npm run ir` prints every stage of it. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../core/fault.ts'
import type { Graph } from '../core/graph.ts'
import { roots } from '../core/graph.ts'
import { verify } from '../core/verify.ts'
import type { Limits } from './fuse.ts'
import { fuse } from './fuse.ts'
import { pack } from './pack.ts'
import { simplify } from './rewrites/simplify.ts'
import type { Plan } from './schedule.ts'
import { schedule } from './schedule.ts'
import { sequence } from './sequence.ts'

export const planOf = (limits: Limits) => (g: Graph): E.Either<Fault, Plan> =>
  pipe(
    verify(g),
    E.chain(simplify.run),
    E.chain(verify),
    E.map((simple) => schedule(simple, sequence(roots(simple), pack(limits)(fuse(limits)(simple))))),
  )
