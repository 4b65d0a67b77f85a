/**
 * Reductions that need not wait for each other, as one: gradients in buckets, and the numbers of a step.
 *
 * ```
 * before  %a = allReduce (%x) [M, N];  %b = allReduce (%y) [K]
 * after   %s = allReduce (concat(reshape [M N] (%x), %y));  %a = reshape [M, N] (slice (%s));  %b = slice (%s)
 * ```
 * A message has a price whatever it holds. What is in one bucket is of one kind, in order of the graph, and no part of it depends on
 * another. Sums are the same to the bit.
 */
import type { Either } from 'fp-ts/lib/Either.js'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Expr } from '../../core/expr.ts'
import { labelScope, mark } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { nodesOf } from '../../core/graph.ts'
import { apply } from '../../core/primitive.ts'
import { scopeOf } from '../../core/expr.ts'
import { bytesOf, sizeOf } from '../../core/type.ts'
import { verify } from '../../core/verify.ts'
import { allReduce, collective } from '../../ops/collective.ts'
import { reshape } from '../../ops/reshape.ts'
import { concat, slice } from '../../ops/window.ts'
import type { Distributed } from './placement.ts'

/** Bytes of a bucket, as in PyTorch. */
const full = 25 * 2 ** 20

interface Bucket {
  readonly members: Array<Expr>
  bytes: number
}

/** How many reductions stand one after the other before each expression, itself included. */
const levels = (order: ReadonlyArray<Expr>): ReadonlyMap<Expr, number> => {
  const level = new Map<Expr, number>()
  for (const e of order)
    if (e._tag === 'Apply') {
      const below = e.args.reduce((n, a) => Math.max(n, level.get(a) ?? 0), 0)
      level.set(e, below + (O.isSome(collective.allReduce.match(e)) ? 1 : 0))
    }
  return level
}

const bucketsOf = (order: ReadonlyArray<Expr>, most: number): ReadonlyMap<Expr, Bucket> => {
  const level = levels(order)
  const open = new Map<string, Bucket>()
  const of = new Map<Expr, Bucket>()
  for (const e of order) {
    const m = collective.allReduce.match(e)
    if (O.isNone(m) || (e._tag === 'Apply' && O.isSome(e.region))) continue
    const bytes = sizeOf(e.type.shape) * bytesOf(e.type.dtype)
    const key = `${level.get(e) ?? 0} ${m.value.params.op} ${e.type.dtype}`
    const last = open.get(key)
    const bucket = last !== undefined && last.bytes + bytes <= most ? last : { members: [], bytes: 0 }
    bucket.members.push(e)
    bucket.bytes += bytes
    open.set(key, bucket)
    of.set(e, bucket)
  }
  return of
}

/** Law, tested: `stack` gives the same values, to the bit. */
export const bucketed =
  (most = full) =>
  (d: Distributed): Either<Fault, Distributed> => {
    const order = nodesOf(d.graph)
    const buckets = bucketsOf(order, most)
    const done = new Map<Expr, Expr>()
    const of = (e: Expr): Expr => done.get(e) ?? e
    const level = levels(order)
    // members of one bucket may stand anywhere among what comes before the next level
    for (const e of [...order].sort((a, b) => (level.get(a) ?? 0) - (level.get(b) ?? 0))) {
      if (e._tag !== 'Apply' || done.has(e)) continue
      const bucket = buckets.get(e)
      const since = mark()
      if (bucket === undefined || bucket.members.length === 1) {
        if (e.args.every((a) => of(a) === a)) continue
        const now = apply(e.op, e.args.map(of), e.region)
        labelScope(scopeOf(e), since, [now])
        done.set(e, now)
        continue
      }
      const m = collective.allReduce.match(e)
      const [op, args] = [O.isSome(m) ? m.value.params.op : 'sum', bucket.members.map((x) => (x._tag === 'Apply' ? of(x.args[0]) : x))]
      const all = allReduce(d.ranks, op)(concat(0)(args.map(reshape([-1]))))
      let at = 0
      for (const x of bucket.members) {
        const n = sizeOf(x.type.shape)
        done.set(x, reshape(x.type.shape)(slice(0, at, at + n)(all)))
        at += n
      }
      labelScope('bucket', since, bucket.members.map(of))
    }
    return E.map((graph: Distributed['graph']): Distributed => ({ ...d, graph }))(
      verify({ name: d.graph.name, outputs: d.graph.outputs.map((o) => ({ ...o, expr: of(o.expr) })) }),
    )
  }
