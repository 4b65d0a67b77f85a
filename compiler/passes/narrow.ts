/**
 * Rows that are not read are not computed.
 *
 * ```
 * before  %y = f(%x) [B, T, D];  %c = slice {rows from..to of T} (%y)                   and nothing else reads %y
 * after   %c = f(slice {rows from..to of T} (%x))
 *
 * before  %y = f(%x) [B, T, D];  %c = slice {row 0} (%y);  %p = gather(reshape [B (T - 1), D] (slice {rows 1..} (%y)), %list)
 * after   %z = f(gather(reshape [B T, D] (%x), rows 0 of each image, then %list)) [1, B + M, D];  %c, %p = slices of %z
 * ```
 * A loss reads class tokens, and some patches: of a network's last block then all but keys and values is for few rows, forward and
 * backward. Rows are followed through every op whose rows are made of the same rows of its arguments (passage.ts), down to what something
 * needs whole.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Apply, Expr } from '../../core/expr.ts'
import { labelScope, mark, scopeOf } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf, roots } from '../../core/graph.ts'
import { apply } from '../../core/primitive.ts'
import type { Rewrite } from '../../core/rewrite.ts'
import type { Passage } from './passage.ts'
import { isRows, passage } from './passage.ts'
import type { Rows, Union } from './rows.ts'
import { areFew, chosenBy, pickRows, sameRows, union } from './rows.ts'

/** A node of which few rows are made. */
interface Narrow {
  readonly union: Union
  readonly passage: Passage
}

/** It only moves what is made whole: choosing before is choosing behind. */
const isMoved = (e: Apply, narrow: ReadonlyMap<Expr, Narrow>): boolean => {
  const wants = narrow.get(e)?.passage.wants ?? []
  const chosen = e.args.filter((_, i) => isRows(wants[i]))
  return (
    chosen.length > 0 &&
    chosen.every((a) => !narrow.has(a)) &&
    e.op.lower(
      e.args.map((a) => a.type),
      e.type,
    )._tag === 'Read'
  )
}

interface Found {
  readonly narrow: ReadonlyMap<Expr, Narrow>
  /** What is still read, whole or in part. */
  readonly live: ReadonlyArray<Apply>
}

/** Which nodes are narrow. */
const find = (order: ReadonlyArray<Expr>, outputs: ReadonlyArray<Expr>): Found => {
  const whole = new Set<Expr>(outputs)
  const wanted = new Map<Expr, Array<Rows>>()
  const want = (x: Expr, rows: Rows): void => {
    const sofar = wanted.get(x)
    if (sofar === undefined) wanted.set(x, [rows])
    else if (!sofar.some((r) => sameRows(r, rows))) sofar.push(rows)
  }
  const narrowed = (e: Apply): Narrow | undefined => {
    const choices = wanted.get(e)
    const together = whole.has(e) || choices === undefined ? undefined : union(choices, e.type.shape)
    if (together === undefined || !areFew(together.rows, e.type.shape)) return undefined
    const found = passage(e, together.rows)
    return found === undefined ? undefined : { union: together, passage: found }
  }
  const narrow = new Map<Expr, Narrow>()
  const live: Array<Apply> = []
  // readers come before what they read
  for (const e of [...order].reverse()) {
    if (e._tag !== 'Apply' || !(whole.has(e) || wanted.has(e))) continue
    live.push(e)
    const n = narrowed(e)
    if (n !== undefined) {
      narrow.set(e, n)
      e.args.forEach((a, i) => {
        const w = n.passage.wants[i]
        if (isRows(w)) want(a, w)
        else if (w === 'whole') whole.add(a)
      })
      continue
    }
    const rows = chosenBy(e)
    e.args.forEach((a, i) => {
      if (rows !== undefined && i === 0) want(a, rows)
      else whole.add(a)
    })
  }
  live.reverse()
  for (const e of live) if (isMoved(e, narrow)) narrow.delete(e)
  return { narrow, live }
}

const narrowGraph = (g: Graph): Graph => {
  const { narrow, live } = find(nodesOf(g), roots(g))
  const done = new Map<Expr, Expr>()
  const of = (e: Expr): Expr => done.get(e) ?? e
  /** Rows of a node, or of what is left of it. */
  const rowsOf = (e: Expr, rows: Rows): Expr => (narrow.get(e)?.union.part ?? pickRows)(rows)(of(e))
  for (const e of live) {
    const since = mark()
    const n = narrow.get(e)
    const chosen = n === undefined && narrow.has(e.args[0]) ? chosenBy(e) : undefined
    if (n === undefined && chosen === undefined && e.args.every((a) => of(a) === a)) continue
    const now =
      n !== undefined
        ? n.passage.make(
            e.args.map((a, i) => {
              const w = n.passage.wants[i]
              return isRows(w) ? rowsOf(a, w) : of(a)
            }),
          )
        : chosen === undefined
          ? apply(e.op, e.args.map(of), e.region)
          : rowsOf(e.args[0], chosen)
    labelScope(scopeOf(e), since, [now])
    done.set(e, now)
  }
  return { name: g.name, outputs: g.outputs.map((o) => ({ ...o, expr: of(o.expr) })) }
}

/**
 * Until nothing is left: what was read whole by others may be read in part once they are narrow themselves. Rows only move towards
 * inputs, so this ends.
 */
const settled = (g: Graph): Graph => {
  const now = narrowGraph(g)
  return now.outputs.every((o, i) => o.expr === g.outputs[i].expr) ? g : settled(now)
}

/** Laws, tested: `reference` gives the same values, and gradients, before and after; a second time there is nothing left to do. */
export const narrow: Rewrite<'forward'> = { name: 'narrow', stage: 'forward', run: (g) => E.right(settled(g)) }
