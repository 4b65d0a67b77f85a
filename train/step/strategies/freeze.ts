/**
 * Freezing as a rewrite of the objective (models/freeze.ts for what may be frozen).
 *
 * ```
 * before  student.backbone.blocks.0.…: trained, the teacher averages them; mul(%branch, mul(draw …blocks.0.drop_path1, 1.25))
 * after   student.backbone.blocks.0.…: fixed, shared with the teacher;     %branch
 * ```
 * What follows from it: no gradients and no optimizer state of what is frozen, no activations kept of a frozen prefix, and what
 * student and teacher both compute with frozen tensors is computed once.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import { fill } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { leavesOfGraph } from '../../../core/graph.ts'
import type { Rule } from '../../../core/rewrite.ts'
import { rewriteBottomUp } from '../../../core/rewrite.ts'
import type { FreezeOptions } from '../../../models/freeze.ts'
import { blockOf, frozenBlocks, isFrozen } from '../../../models/freeze.ts'
import { elementwise } from '../../../ops/elementwise.ts'
import type { Objective } from '../objective.ts'
import type { GradientTransform } from '../transform.ts'
import { gated } from '../transform.ts'
import type { Strategy } from './strategy.ts'
import { fixing, networkOf, notThere } from './strategy.ts'

/** A sample's survival times 1 / (1 - rate), in a block that is frozen: everyone survives. */
const survive =
  (frozen: (path: string) => boolean): Rule =>
  (e) => {
    const m = elementwise.mul.match(e)
    if (O.isNone(m)) return O.none
    const [kept] = m.value.args
    const isDrop =
      kept._tag === 'Leaf' &&
      kept.source._tag === 'Draw' &&
      kept.source.distribution._tag === 'Bernoulli' &&
      /\.drop_path\d*$/.test(kept.source.path) &&
      frozen(kept.source.path)
    return isDrop ? O.some(fill(e.type.dtype, e.type.shape, 1)) : O.none
  }

/** A draw that drops samples of a frozen block in a form that cannot be taken out of a graph. */
const subsetDraw = (g: Graph, frozen: (path: string) => boolean): string | undefined =>
  leavesOfGraph(g).find(
    (l) => l.source._tag === 'Draw' && l.source.distribution._tag === 'Permutation' && /\.drop_path\d*$/.test(l.path) && frozen(l.path),
  )?.path

const checked = (o: FreezeOptions, objective: Objective): Either<Fault, Objective> => {
  const paths = [...networkOf(objective, 'student').keys()]
  const blocks = new Set(paths.flatMap((path) => blockOf(path) ?? []))
  const absent = (o.blocks === undefined ? [] : 'before' in o.blocks ? [o.blocks.before - 1] : o.blocks).find(
    (b) => b !== -1 && !blocks.has(b),
  )
  if (absent !== undefined)
    return E.left(
      fault('config', {
        place: 'freeze.blocks',
        found: `block ${absent}`,
        allowed: `blocks 0 .. ${blocks.size - 1}`,
        remedy: 'name blocks that the backbone has',
      }),
    )
  if (o.prefix !== undefined && o.prefix > blocks.size)
    return E.left(
      fault('config', {
        place: 'freeze.prefix',
        found: `the first ${o.prefix} blocks of ${blocks.size}`,
        allowed: `0 to ${blocks.size}`,
        remedy: `set freeze.prefix to ${blocks.size} or less`,
      }),
    )
  if (!paths.some(isFrozen(o)))
    return E.left(notThere('freeze', JSON.stringify({ ...o, ...(o.paths === undefined ? {} : { paths: String(o.paths) }) }), paths))
  const subset = subsetDraw(objective.graph, frozenBlocks(o))
  return subset === undefined
    ? E.right(objective)
    : E.left(
        fault('config', {
          place: `freeze: ${subset}`,
          found: 'a frozen block that skips a subset of the batch',
          allowed: 'frozen blocks without drop-path',
          remedy: 'give frozen blocks a drop-path rate of 0, or the form `sample`',
        }),
      )
}

/** Freezes for good. Faults: blocks that are not there; an expression that fits nothing. */
export const freeze =
  (o: FreezeOptions): Strategy =>
  (objective) =>
    pipe(
      checked(o, objective),
      E.map(({ graph, residents, ...rest }): Objective => ({
        ...rest,
        graph: rewriteBottomUp(survive(frozenBlocks(o)))(graph),
        residents: fixing(isFrozen(o))(residents),
      })),
    )

/**
 * Freezes for a while: what `o` names moves only at steps where `hyper.NAME` is not 0. Nothing is recompiled, and so nothing is saved
 * either: gradients are still computed. `from` is the first step at which it moves.
 */
export const freezeUntil = (
  name: string,
  from: number,
  o: FreezeOptions,
): { readonly transform: GradientTransform; readonly hyper: (step: number) => number } => {
  const frozen = isFrozen(o)
  return { transform: gated(name, ({ path }) => frozen(path)), hyper: (step) => (step < from ? 0 : 1) }
}
