/** The road from a graph to what a target runs: take apart what it has no kernel for, simplify, fuse, pack, schedule. `npm run ir` prints every stage of it. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../core/fault.ts'
import type { Graph } from '../core/graph.ts'
import { roots } from '../core/graph.ts'
import { verify } from '../core/verify.ts'
import type { Limits } from './passes/fuse.ts'
import { fuse } from './passes/fuse.ts'
import { scalarOf } from './kernel/meaning.ts'
import { pack } from './passes/pack.ts'
import { takeApart } from './passes/apart.ts'
import { narrow } from './passes/narrow.ts'
import { simplify } from './passes/simplify.ts'
import type { Plan } from './schedule.ts'
import { residentBytes, schedule, totalsOf } from './schedule.ts'
import { sequence } from './sequence.ts'

export const planOf = (limits: Limits) => (g: Graph): E.Either<Fault, Plan> =>
  pipe(
    verify(g),
    E.chain(narrow.run),
    E.chain(takeApart((e) => limits.whole?.(scalarOf(e)) === true).run),
    E.chain(simplify.run),
    E.chain(verify),
    E.map((simple) => schedule(simple, sequence(roots(simple), pack(limits)(fuse(limits)(simple))))),
  )

/** What fusion may do where no target is named: the limits of a graphics processor through gpu.js. */
export const portable: Limits = { maxInputs: 7, maxOps: 120, scatter: false, transcendental: 12, launch: 4000, pack: true }

/** Bytes that a step is planned to take: temporaries and resident state. */
export const plannedBytes = (limits: Limits) => (g: Graph): E.Either<Fault, number> =>
  pipe(g, planOf(limits), E.map((p) => totalsOf(p).temporaryBytes + residentBytes(p.graph)))
