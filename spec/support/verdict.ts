/**
 * What a target makes of a random graph, beside what the reference makes of it: two runs, the second from the states that the first left.
 */
import * as E from 'fp-ts/lib/Either.js'
import { none, some } from 'fp-ts/lib/Option.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device, HostArray } from '../../compiler/target.ts'
import { reference } from '../../compiler/targets/reference.ts'
import type { Fault } from '../../core/fault.ts'
import { showFault } from '../../core/fault.ts'
import type { Expr } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { leavesOfGraph, isResident, nodesOf } from '../../core/graph.ts'
import { rewriteBottomUp } from '../../core/rewrite.ts'
import type { BinaryName, UnaryName } from '../../core/scalar.ts'
import { under } from '../../core/scalar.ts'
import type { HalfType } from '../../core/type.ts'
import { isFloat, sizeOf } from '../../core/type.ts'
import { mul } from '../../ops/elementwise.ts'
import type { RandomGraph } from './graphs.ts'
import { hostArray } from './tensor.ts'

/** Relative to 1 and the largest entry of a tensor. What has been rounded to 16 bits may be rounded the other way. */
export const tolerance = { f32: 2e-5, f16: 4e-3, bf16: 32e-3 }

const runs = 2

/** A tensor of one run: `1 out0`. */
export type Results = ReadonlyMap<string, HostArray>

export const resultsOf = async (device: Device, r: RandomGraph): Promise<E.Either<Fault, Results>> => {
  const values = new Map([...r.values].map(([path, t]) => [path, hostArray(t)]))
  const held = new Set(
    leavesOfGraph(r.graph)
      .filter(isResident)
      .map((l) => l.path),
  )
  for (const path of [...held, ...r.graph.outputs.flatMap((o) => (o.role === 'state' ? [o.path] : []))]) {
    const t = r.values.get(path)
    if (t === undefined) continue
    const written = await device.write(path, t.type, hostArray(t))()
    if (E.isLeft(written)) return written
  }
  const made = await device.compile(r.graph)()
  if (E.isLeft(made)) return made
  const results = new Map<string, HostArray>()
  for (let run = 1; run <= runs; run++) {
    const out = await made.right.run({ values })()
    if (E.isLeft(out)) return out
    for (const [path, x] of out.right) results.set(`${run} ${path}`, x)
    for (const o of r.graph.outputs) {
      if (o.role !== 'state') continue
      const x = await device.read(o.path)()
      if (E.isLeft(x)) return x
      results.set(`${run} ${o.path}`, x.right)
    }
  }
  return E.right(results)
}

/** Outputs that floats of 16 bits have a part in, by way of states as well. */
const narrowed = (g: Graph, dtype: HalfType): ReadonlySet<string> => {
  const paths = new Set<string>()
  for (let round = 0; round <= runs; round++) {
    const touched = new Set<Expr>()
    for (const x of nodesOf(g)) {
      const through =
        x._tag === 'Apply'
          ? x.args.some((a) => touched.has(a))
          : x._tag === 'Leaf' && (x.source._tag === 'Param' || x.source._tag === 'State') && paths.has(x.source.path)
      if (through || x.type.dtype === dtype) touched.add(x)
    }
    for (const o of g.outputs) if (touched.has(o.expr)) paths.add(o.path)
  }
  return paths
}

export interface Flaw {
  readonly path: string
  readonly text: string
}

export interface Verdict {
  readonly flaws: ReadonlyArray<Flaw>
  /** The largest difference in tolerances, of those that may differ, and where it is. */
  readonly worst: number
  readonly at: string
}

const largest = (xs: ArrayLike<number>): number => {
  let most = 0
  for (let i = 0; i < xs.length; i++) if (Math.abs(xs[i]) > most) most = Math.abs(xs[i])
  return most
}

/** Differences of results; a difference in what is no float is a flaw, whatever its size. */
export const compared = (g: Graph, got: Results, expected: Results): Verdict => {
  const [half, bfloat] = [narrowed(g, 'f16'), narrowed(g, 'bf16')]
  const toleranceOf = (path: string): number => (bfloat.has(path) ? tolerance.bf16 : half.has(path) ? tolerance.f16 : tolerance.f32)
  const flaws: Array<Flaw> = []
  let [worst, place] = [0, '']
  for (const o of g.outputs) {
    for (let run = 1; run <= runs; run++) {
      const [a, b] = [got.get(`${run} ${o.path}`) ?? new Float32Array(), expected.get(`${run} ${o.path}`) ?? new Float32Array()]
      const allowed = isFloat(o.expr.type.dtype) ? toleranceOf(o.path) * (1 + largest(b)) : 0
      const size = sizeOf(o.expr.type.shape)
      const off = (i: number): number =>
        a[i] === b[i] || (Number.isNaN(a[i]) && Number.isNaN(b[i])) ? 0 : allowed === 0 ? Infinity : Math.abs(a[i] - b[i]) / allowed
      const lengths = a.length === size && b.length === size
      let [at, most] = [0, 0]
      for (let i = 0; lengths && i < size; i++) {
        const d = off(i)
        if (!(d <= most)) [at, most] = [i, Number.isNaN(d) ? Infinity : d]
      }
      if (!lengths || !(most <= 1)) {
        flaws.push({
          path: o.path,
          text: lengths
            ? `${o.path} [${at}] of run ${run}: ${a[at]}, expected ${b[at]} within ${allowed}`
            : `${o.path}: ${a.length} of ${size} elements`,
        })
        break
      }
      if (most > worst) [worst, place] = [most, o.path]
    }
  }
  return { flaws, worst, at: place }
}

/** What a graph should give. */
export const expectedOf = async (r: RandomGraph): Promise<Results> => {
  const oracle = await reference.open()
  if (E.isLeft(oracle)) throw new Error(showFault(oracle.left))
  const results = await resultsOf(oracle.right, r)
  oracle.right.close()
  if (E.isLeft(results)) throw new Error(`the reference refuses a random graph: ${showFault(results.left)}`)
  return results.right
}

/** Floats with their last bit changed, up or down. */
const trembled = (r: RandomGraph): RandomGraph => ({
  ...r,
  values: new Map(
    [...r.values].map(([path, t]) => [
      path,
      t.type.dtype === 'f32' ? { ...t, values: t.values.map((x, i) => Math.fround(x * (1 + ((i % 3) - 1) * 1.2e-7))) } : t,
    ]),
  ),
})

const exact: ReadonlySet<BinaryName | UnaryName> = new Set(['min', 'max', 'neg', 'abs', 'floor'])

/** Whether working out an element rounds: arithmetic of floats does, choosing, comparing and moving them does not. */
const rounds = (x: Expr): boolean =>
  x._tag === 'Apply' &&
  x.type.dtype === 'f32' &&
  under(
    x.op.lower(
      x.args.map((a) => a.type),
      x.type,
    ),
  ).some(
    (s) =>
      isFloat(s.dtype) && ((s._tag === 'Reduce' && s.op === 'sum') || ((s._tag === 'Binary' || s._tag === 'Unary') && !exact.has(s.op))),
  )

/** Every result of arithmetic with its last bit changed, up or down: large terms that cancel are seen by it, wherever they come from. */
const rounded = (r: RandomGraph): RandomGraph => {
  let up = false
  return {
    ...r,
    graph: rewriteBottomUp((x) => {
      if (!rounds(x)) return none
      up = !up
      return some(mul(x, 1 + (up ? 1.2e-7 : -1.2e-7)))
    }, 1)(r.graph),
  }
}

/** Sums of `n` terms that are off by what the roundings of `n` additions in a row come to, `√n` halves of a last bit. */
const drifted = (r: RandomGraph): RandomGraph => ({
  ...r,
  graph: rewriteBottomUp((x) => {
    if (x._tag !== 'Apply' || x.op.name !== 'sum' || x.type.dtype !== 'f32') return none
    const terms = sizeOf(x.args[0].type.shape) / sizeOf(x.type.shape)
    return some(mul(x, 1 + 6e-8 * Math.sqrt(terms)))
  }, 1)(r.graph),
})

/**
 * Whether results hardly change with the last bits of what is given and of what is worked out on the way: otherwise no float32 could be
 * right within the tolerance, and a difference would be nobody's fault. Of a runtime that adds `inOrder`, which loses more than sums of
 * partial sums do, as much is asked of sums.
 */
export const isConditioned = async (r: RandomGraph, expected: Results, inOrder: boolean): Promise<boolean> => {
  const hardly = async (changed: RandomGraph, part: number): Promise<boolean> => {
    const { flaws, worst } = compared(r.graph, await expectedOf(changed), expected)
    return flaws.length === 0 && worst < part
  }
  return (await hardly(trembled(r), 0.1)) && (await hardly(rounded(r), 0.25)) && (!inOrder || (await hardly(drifted(r), 0.5)))
}

/** A device of its own for each graph. What a target refuses is a flaw of every output. */
export const judged = async (open: TaskEither<Fault, Device>, r: RandomGraph, expected: Results): Promise<Verdict> => {
  const device = await open()
  if (E.isLeft(device)) throw new Error(showFault(device.left))
  const got = await resultsOf(device.right, r)
  device.right.close()
  return E.isRight(got)
    ? compared(r.graph, got.right, expected)
    : { flaws: r.graph.outputs.map((o) => ({ path: o.path, text: `${o.path}: ${showFault(got.left)}` })), worst: 0, at: '' }
}
