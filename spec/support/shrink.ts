/**
 * Cuts a graph that fails down to the few lines that make it fail: fewer outputs first; then inputs, that hold what the reference makes of
 * them, in place of everything that was computed before.
 */
import type { HostArray } from '../../compiler/target.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { leaf } from '../../core/expr.ts'
import type { Output } from '../../core/graph.ts'
import { nodesOf, value } from '../../core/graph.ts'
import { substitute } from '../../core/rewrite.ts'
import type { RandomGraph } from './graphs.ts'
import type { Tensor } from './tensor.ts'
import { hostArray } from './tensor.ts'

/** Whether a graph still fails. */
export type Fails = (r: RandomGraph) => Promise<boolean>

const withOutputs = (r: RandomGraph, outputs: ReadonlyArray<Output>): RandomGraph => ({ ...r, graph: { ...r.graph, outputs } })

/** Leaves out halves, then smaller parts, of a list, for as long as `fails` says so. */
const fewest = async <A>(all: ReadonlyArray<A>, fails: (kept: ReadonlyArray<A>) => Promise<boolean>): Promise<ReadonlyArray<A>> => {
  let kept = all
  for (let size = Math.ceil(all.length / 2); size >= 1 && kept.length > 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < kept.length && kept.length > 1;) {
      const rest = [...kept.slice(0, from), ...kept.slice(from + size)]
      if (rest.length > 0 && (await fails(rest))) kept = rest
      else from += size
    }
  }
  return kept
}

const depthsOf = (nodes: ReadonlyArray<Expr>): ReadonlyMap<Expr, number> => {
  const depths = new Map<Expr, number>()
  for (const e of nodes) depths.set(e, e._tag === 'Apply' ? 1 + e.args.reduce((d, a) => Math.max(d, depths.get(a) ?? 0), 0) : 0)
  return depths
}

/** What these expressions are, as inputs. */
const given = (r: RandomGraph, exprs: ReadonlyArray<Expr>): RandomGraph => {
  const values = new Map<string, HostArray>([...r.values].map(([path, t]) => [path, hostArray(t)]))
  const results = evaluate(exprs, values)
  const inputs = exprs.map((e) => leaf(e.type, { _tag: 'Input', path: `cut${e.id}` }))
  const made = exprs.map((e, i): readonly [string, Tensor] => [
    `cut${e.id}`,
    { type: e.type, values: Array.from(results[i], e.type.dtype === 'i32' ? Number : Math.fround) },
  ])
  return {
    ...r,
    graph: substitute(new Map<Expr, Expr>(exprs.map((e, i) => [e, inputs[i]])))(r.graph),
    values: new Map([...r.values, ...made]),
  }
}

/** Everything of at most this depth that something deeper reads. */
const frontier = (r: RandomGraph, depth: number): ReadonlyArray<Expr> => {
  const nodes = nodesOf(r.graph)
  const depths = depthsOf(nodes)
  const of = (e: Expr): number => depths.get(e) ?? 0
  const read = new Set(nodes.flatMap((e) => (e._tag === 'Apply' && of(e) > depth ? e.args : [])))
  return nodes.filter((e) => e._tag === 'Apply' && of(e) <= depth && read.has(e))
}

const onlyUsed = (r: RandomGraph): RandomGraph => {
  const paths = new Set<string>(r.graph.outputs.map((o) => o.path))
  for (const e of nodesOf(r.graph)) if (e._tag === 'Leaf' && 'path' in e.source) paths.add(e.source.path)
  return { ...r, values: new Map([...r.values].filter(([path]) => paths.has(path))) }
}

/** One output that fails by itself, of what the single output is made of: the last thing done to it may have no part in it. */
const nearer = async (r: RandomGraph, still: Fails): Promise<RandomGraph> => {
  const [{ expr, path }, ...others] = r.graph.outputs
  if (others.length > 0 || expr._tag !== 'Apply') return r
  for (const a of expr.args) {
    const smaller = withOutputs(r, [value(path, a)])
    if (a._tag === 'Apply' && (await still(smaller))) return nearer(smaller, still)
  }
  return r
}

/** A smaller graph that fails, found in about `tries` tries. */
export const shrunk = async (r: RandomGraph, fails: Fails, tries = 60): Promise<RandomGraph> => {
  let left = tries
  const still: Fails = async (smaller) => left-- > 0 && fails(smaller)
  const outputs = await fewest(r.graph.outputs, (kept) => still(withOutputs(r, kept)))
  let now = await nearer(withOutputs(r, outputs), still)
  // the deepest cut that still fails
  let [low, high] = [0, Math.max(0, ...depthsOf(nodesOf(now.graph)).values()) - 1]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const exprs = frontier(now, middle)
    if (exprs.length > 0 && (await still(given(now, exprs)))) low = middle
    else high = middle - 1
  }
  if (low > 0 && frontier(now, low).length > 0) now = given(now, frontier(now, low))
  for (const e of [...nodesOf(now.graph)].reverse()) {
    if (left <= 0) break
    if (e._tag !== 'Apply' || e.args.length === 0 || !nodesOf(now.graph).includes(e)) continue
    const cut = given(now, [e])
    if (await still(cut)) now = cut
  }
  return onlyUsed(now)
}
