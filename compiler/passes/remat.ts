/**
 * Activation checkpointing (Chen et al. 2016, "Training deep nets with sublinear memory cost", section 4): what a gradient needs of
 * a block is computed again from the block's input, so that between the two passes only the inputs of blocks are kept.
 *
 * ```
 * before  %a = exp(%x)              # blocks.0     the forward pass
 *         %g = mul(%ct, %a)         # blocks.0     the gradient, long after: %a is kept until then
 * after   %a = exp(%x)
 *         %b = exp(%x) @blocks.0                   the same value in a region of its own, which is never shared
 *         %g = mul(%ct, %b)
 * ```
 * A block is a region of the forward pass by its scope. A value that another block reads too (the output of a block, that is) is kept.
 * A region runs as late as it can: right before its first reader (order.ts).
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Expr } from '../../core/expr.ts'
import { labelScope, mark, scopeOf } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf } from '../../core/graph.ts'
import { topological } from '../../core/order.ts'
import { apply } from '../../core/primitive.ts'
import type { Rewrite } from '../../core/rewrite.ts'
import { bytesOf, sizeOf } from '../../core/type.ts'

/** The region of a scope, `''` for none. */
export type RegionOf = (scope: string) => string

/**
 * Blocks of transformers by their scope: `student.global.backbone.blocks.3.attn.qkv` -> `student.global.backbone.blocks.3`; `every` of
 * them together.
 */
export const blocksAsRegions =
  (every = 1): RegionOf =>
  (scope) => {
    const found = /^((?:.*\.)?blocks\.(?:\d+\.)*?)(\d+)(?=\.(?!\d)|$)/.exec(scope)
    return found === null ? '' : `${found[1]}${every === 1 ? found[2] : `${Math.floor(Number(found[2]) / every)}x${every}`}`
  }

/** The forward pass: all that the loss depends on. */
const forwardOf = (g: Graph): Either<Fault, ReadonlyArray<Expr>> => {
  const loss = g.outputs.find((o) => o.role === 'value' && o.path === 'loss')
  return loss === undefined
    ? E.left(
        fault('graph', {
          place: 'remat',
          found: 'no value output `loss`',
          allowed: 'a training step',
          remedy: 'rewrite the step before its outputs are taken away',
        }),
      )
    : E.right(topological([loss.expr]))
}

interface Regions {
  readonly forward: ReadonlySet<Expr>
  /** Of those that a gradient must not read from the forward pass. */
  readonly of: ReadonlyMap<Expr, string>
  readonly all: ReadonlyArray<Region>
}

/** A part of the forward pass whose values gradients read. */
export interface Region {
  readonly name: string
  /** Of the values that gradients read. */
  readonly bytes: number
}

const regionsIn = (g: Graph, forward: ReadonlyArray<Expr>, regionOf: RegionOf): Regions => {
  const inside = new Map<Expr, string>()
  for (const e of forward) {
    const region = e._tag === 'Apply' ? regionOf(scopeOf(e)) : ''
    if (region !== '') inside.set(e, region)
  }
  const kept = new Set<Expr>(g.outputs.map((o) => o.expr))
  for (const e of forward) if (e._tag === 'Apply') for (const a of e.args) if (inside.get(a) !== inside.get(e)) kept.add(a)
  const of = new Map([...inside].filter(([e]) => !kept.has(e)))
  const set = new Set(forward)
  const read = new Set<Expr>()
  for (const e of nodesOf(g)) if (e._tag === 'Apply' && !set.has(e)) for (const a of e.args) if (of.has(a)) read.add(a)
  const bytes = new Map<string, number>()
  for (const e of forward) {
    const region = of.get(e)
    if (region !== undefined && read.has(e)) bytes.set(region, (bytes.get(region) ?? 0) + sizeOf(e.type.shape) * bytesOf(e.type.dtype))
  }
  return { forward: set, of, all: [...bytes].map(([name, n]) => ({ name, bytes: n })) }
}

/** The regions of a step, in order of the forward pass. */
export const regionsOf =
  (regionOf: RegionOf) =>
  (g: Graph): Either<Fault, ReadonlyArray<Region>> =>
    E.map((forward: ReadonlyArray<Expr>) => regionsIn(g, forward, regionOf).all)(forwardOf(g))

/** What a gradient reads in place of a value of a region: the value, and what it is computed from there. */
export type Instead = (e: Extract<Expr, { readonly _tag: 'Apply' }>, args: ReadonlyArray<Expr>, region: string) => Expr

/** A step whose gradients read something else than the values of the forward pass. */
const replaced = (g: Graph, r: Regions, chosen: (region: string) => boolean, instead: Instead): Graph => {
  const again = new Map<Expr, Expr>()
  const done = new Map<Expr, Expr>()
  // arguments come first, so that an expression's arguments have been made again when it is
  for (const e of nodesOf(g)) {
    if (e._tag !== 'Apply') continue
    const since = mark()
    const region = r.of.get(e)
    if (region !== undefined && chosen(region)) {
      const now = instead(
        e,
        e.args.map((a) => again.get(a) ?? a),
        region,
      )
      labelScope(scopeOf(e), since, [now])
      again.set(e, now)
    }
    if (r.forward.has(e)) continue
    const args = e.args.map((a) => again.get(a) ?? done.get(a) ?? a)
    if (args.every((a, i) => a === e.args[i])) continue
    const now = apply(e.op, args, e.region)
    labelScope(scopeOf(e), since, [now])
    done.set(e, now)
  }
  return { name: g.name, outputs: g.outputs.map((o) => ({ ...o, expr: done.get(o.expr) ?? o.expr })) }
}

export interface RematOptions {
  /** Default: every block by itself. */
  readonly regions?: RegionOf
  /** Which of the regions are computed again. Default: all. */
  readonly chosen?: (region: string) => boolean
}

/**
 * The rewrite `name` that lets the gradients of regions read what `instead` gives. Faults: nothing is chosen; regions are replaced already.
 */
export const insteadOfKeeping =
  (name: string, instead: Instead) =>
  (o: RematOptions): Rewrite<'step'> => ({
    name,
    stage: 'step',
    run: (g) =>
      E.chain((forward: ReadonlyArray<Expr>): Either<Fault, Graph> => {
        const r = regionsIn(g, forward, o.regions ?? blocksAsRegions())
        const chosen = o.chosen ?? ((): boolean => true)
        if (nodesOf(g).some((e) => e._tag === 'Apply' && O.isSome(e.region) && !r.forward.has(e)))
          return E.left(
            fault('graph', {
              place: name,
              found: 'a step whose regions are recomputed or rounded already',
              allowed: 'one such rewrite in a pipeline',
              remedy: 'choose all regions in one rewrite',
            }),
          )
        return r.all.some((region) => chosen(region.name))
          ? E.right(replaced(g, r, chosen, instead))
          : E.left(
              fault('config', {
                place: name,
                found: 'no such region that a gradient reads',
                allowed: r.all.map((region) => region.name).join(', ') || 'a network of blocks that are trained',
                remedy: 'choose some of these',
              }),
            )
      })(forwardOf(g)),
  })

const recompute = insteadOfKeeping('remat', (e, args, region) => apply(e.op, args, O.some(region)))

/** Fault: a step without regions, or none that is chosen. Law, tested: the same values, to the bit on the reference. */
export const remat = (o: RematOptions = {}): Rewrite<'step'> => recompute(o)
