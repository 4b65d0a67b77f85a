/**
 * A graph as a StableHLO module: one argument for each named leaf, one result for each output, one line an operation.
 *
 * ```
 * before  step: state w = sub(w, mul(lr, g)); value loss = …
 * after   @main(%arg0: tensor<4xf32> {tf.aliasing_output = 0 : i32}, %arg1: tensor<f32>, …) -> (tensor<4xf32>, tensor<f32>)
 * ```
 * A state is donated: its result lies where its argument lay. What a recompute region reads from outside of it goes through an
 * optimization barrier: XLA would find the first computation again, and keep its values in place of computing them.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Apply, Expr, Leaf } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Graph, NamedLeaf, Output } from '../../../core/graph.ts'
import { isResident, leavesOfGraph, nodesOf } from '../../../core/graph.ts'
import { operations } from './operations.ts'
import { denseText, typeText } from './syntax.ts'
import type { Writer } from './writer.ts'
import { openWriter } from './writer.ts'

export interface Module {
  readonly text: string
  /** In the order of the program's arguments. */
  readonly leaves: ReadonlyArray<NamedLeaf>
  /** In the order of the program's results. */
  readonly outputs: ReadonlyArray<Output>
}

const entries = new Map(Object.entries(operations))

const unknown = (e: Expr): Fault =>
  e._tag === 'Invalid'
    ? e.fault
    : fault('target', {
        place: 'pjrt',
        found: `the primitive ${e._tag === 'Apply' ? e.op.name : 'of a leaf'}`,
        allowed: `the primitives of the vocabulary: ${[...entries.keys()].join(', ')}`,
        remedy: 'make it of these, or use another target, which read what a primitive means',
      })

const constantOf = (l: Leaf, w: Writer): string | undefined =>
  l.source._tag === 'Fill'
    ? w.splat(l.type, l.source.value)
    : l.source._tag === 'Table'
      ? w.dense(l.type, denseText(l.type, l.source.values))
      : undefined

/** Which argument each donated state has, by its place among the results. */
const donated = (leaves: ReadonlyArray<NamedLeaf>, outputs: ReadonlyArray<Output>): ReadonlyMap<string, number> =>
  new Map(outputs.flatMap((o, i) => (o.role === 'state' && leaves.some((l) => isResident(l) && l.path === o.path) ? [[o.path, i]] : [])))

export const moduleOf = (g: Graph): E.Either<Fault, Module> => {
  const leaves = leavesOfGraph(g)
  const w = openWriter()
  const names = new Map<Expr, string>(leaves.map((l, i) => [l.leaf, `%arg${i}`]))
  const barred = new Map<string, string>()
  const regionOf = (e: Expr): string | undefined => (e._tag === 'Apply' && e.region._tag === 'Some' ? e.region.value : undefined)
  const nameOf = (e: Expr): string => names.get(e) ?? ''
  /** What an application reads, in its own region. */
  const argument = (e: Apply, a: Expr): string => {
    const region = regionOf(e)
    const isConstant = a._tag === 'Leaf' && (a.source._tag === 'Fill' || a.source._tag === 'Table')
    if (region === undefined || region === regionOf(a) || isConstant) return nameOf(a)
    const key = `${region} ${a.id}`
    const name = barred.get(key) ?? w.emit(`stablehlo.optimization_barrier ${nameOf(a)} : ${typeText(a.type)}`)
    barred.set(key, name)
    return name
  }
  for (const e of nodesOf(g)) {
    if (names.has(e)) continue
    const name =
      e._tag === 'Apply'
        ? entries.get(e.op.name)?.({ args: e.args.map((a) => argument(e, a)), types: e.args.map((a) => a.type), out: e.type }, w, e)
        : e._tag === 'Leaf'
          ? constantOf(e, w)
          : undefined
    if (name === undefined) return E.left(unknown(e))
    names.set(e, name)
  }
  const results = donated(leaves, g.outputs)
  const args = leaves.map((l, i) => {
    const result = isResident(l) ? results.get(l.path) : undefined
    return `%arg${i}: ${typeText(l.type)}${result === undefined ? '' : ` {tf.aliasing_output = ${result} : i32}`}`
  })
  const types = g.outputs.map((o) => typeText(o.expr.type)).join(', ')
  const text = [
    `module @${g.name.replace(/\W/g, '_')} attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {`,
    `  func.func public @main(${args.join(', ')}) -> (${types}) {`,
    ...w.lines(),
    `    return ${g.outputs.map((o) => nameOf(o.expr)).join(', ')} : ${types}`,
    '  }',
    '}',
    '',
  ].join('\n')
  return E.right({ text, leaves, outputs: g.outputs })
}
