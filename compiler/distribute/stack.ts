/**
 * The ranks of a distributed program side by side in one process: a program of one rank, which any target runs.
 *
 * ```
 * before  %y = exp(%x)        %s = allReduce {ranks 2} (%y)          of one rank, the other runs the same
 * after   %y0 = exp(%x0);  %y1 = exp(%x1);  %s = add(%y0, %y1)       %x0, %x1 the parts of %x
 * ```
 * Collectives get their meaning here: sums in order of ranks, parts joined and cut. What all ranks compute alike is one expression, as
 * expressions are shared. Leaves and states are whole again. Law, tested: `stack(N)(distribute(g))` computes what `g` computes.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Expr } from '../../core/expr.ts'
import { labelScope, leaf, mark, scopeOf } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { nodesOf } from '../../core/graph.ts'
import type { Graph } from '../../core/graph.ts'
import { apply } from '../../core/primitive.ts'
import { range, tensorType } from '../../core/type.ts'
import { verify } from '../../core/verify.ts'
import { collective } from '../../ops/collective.ts'
import { add, maximum } from '../../ops/elementwise.ts'
import type { Distributed } from './placement.ts'
import { cutOf, partOf, placedOf, wholeOf } from './placement.ts'

/** What a collective gives each rank, of what each has; nothing for other expressions. */
const together = (e: Expr, xs: ReadonlyArray<Expr>): ReadonlyArray<Expr> | undefined => {
  const reduced = collective.allReduce.match(e)
  if (O.isSome(reduced)) {
    const whole = xs.reduce((x, y) => (reduced.value.params.op === 'sum' ? add(x, y) : maximum(x, y)))
    return xs.map(() => whole)
  }
  const gathered = collective.allGather.match(e)
  if (O.isSome(gathered)) {
    const whole = wholeOf(gathered.value.params)(xs)
    return xs.map(() => whole)
  }
  const scattered = collective.reduceScatter.match(e)
  if (O.isSome(scattered)) {
    const { params } = scattered.value
    return xs.map((_, r) => xs.map(partOf(params, r)).reduce((x, y) => add(x, y)))
  }
  const cut = collective.shard.match(e)
  if (O.isSome(cut)) return xs.map((x, r) => partOf(cut.value.params, r)(x))
  const placed = collective.place.match(e)
  if (O.isSome(placed)) return xs.map((x, r) => placedOf(placed.value.params, r)(x))
  return O.isSome(collective.vary.match(e)) ? xs : undefined
}

/** All ranks in one graph, whose leaves and outputs are those of the graph that was distributed. */
export const stack = ({ graph, ranks, parts }: Distributed): Either<Fault, Graph> => {
  const all = range(ranks)
  const copies = new Map<Expr, ReadonlyArray<Expr>>()
  const of = (e: Expr): ReadonlyArray<Expr> => copies.get(e) ?? all.map(() => e)
  for (const e of nodesOf(graph)) {
    const since = mark()
    if (e._tag === 'Leaf') {
      const split = 'path' in e.source ? parts.get(e.source.path) : undefined
      if (split === undefined) continue
      const shape = e.type.shape.map((d, a) => (a === split.axis ? d * ranks : d))
      const whole = leaf(tensorType(e.type.dtype, shape), e.source)
      copies.set(
        e,
        all.map((r) => partOf(cutOf(ranks, split), r)(whole)),
      )
    } else if (e._tag === 'Apply') {
      const args = e.args.map(of)
      const made =
        together(e, args[0] ?? []) ??
        all.map((r) =>
          apply(
            e.op,
            args.map((a) => a[r]),
            e.region,
          ),
        )
      labelScope(scopeOf(e), since, made)
      copies.set(e, made)
    }
  }
  return E.chain(verify)(
    E.right({
      name: graph.name,
      outputs: graph.outputs.map((o) => {
        const split = o.role === 'state' ? parts.get(o.path) : undefined
        return { ...o, expr: split === undefined ? of(o.expr)[0] : wholeOf(cutOf(ranks, split))(of(o.expr)) }
      }),
    }),
  )
}
