/**
 * A graph as a StableHLO module: one argument for each named leaf, one result for each output, one line an operation, and one function for
 * blocks that are alike.
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
import { fault, isFault } from '../../../core/fault.ts'
import { usersOf } from '../../../core/order.ts'
import type { Graph, NamedLeaf, Output } from '../../../core/graph.ts'
import { isResident, leavesOfGraph, nodesOf } from '../../../core/graph.ts'
import { operations } from './operations.ts'
import type { Bounds, Unit } from './outline.ts'
import { boundsOf, isConstant, unitsOf } from './outline.ts'
import { denseText, typeText } from './syntax.ts'
import type { Precision, Writer } from './writer.ts'
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

/** A scalar that this many tensors read is worth a barrier. */
const many = 8

/**
 * Scalars that many tensors read, such as a schedule's value: XLA would compute each again in every kernel that reads it, and compile that
 * as often.
 */
const sharedScalars = (g: Graph): ReadonlySet<Expr> => {
  const order = nodesOf(g)
  const users = usersOf(order)
  const of = (e: Expr): ReadonlyArray<Expr> => users.get(e) ?? []
  // a scalar is read as often as what it is repeated to
  const readers = (e: Expr): number =>
    of(e).reduce((n, u) => n + (u.type.shape.length === 0 ? 0 : u._tag === 'Apply' && u.op.name === 'broadcast' ? of(u).length : 1), 0)
  return new Set(order.filter((e) => e._tag === 'Apply' && e.type.shape.length === 0 && readers(e) >= many))
}

/** A function that is being written: the names of what it has, and its lines. */
interface Body {
  readonly shared: ReadonlySet<Expr>
  readonly names: Map<Expr, string>
  readonly barred: Map<string, string>
  readonly w: Writer
}

export interface Printing {
  /** Of products of f32. */
  readonly precision: Precision
  /** Whether blocks stay functions in what is compiled: else XLA puts them where they are called before it does anything else. */
  readonly apart: boolean
  /** Devices that run it, each as one replica. Default 1. */
  readonly devices?: number
}

/** What all functions of a module are written with. */
interface Manner extends Printing {
  readonly shared: ReadonlySet<Expr>
}

const bodyOf = (names: Iterable<readonly [Expr, string]>, { precision, shared }: Manner): Body => ({
  shared,
  names: new Map(names),
  barred: new Map(),
  w: openWriter(precision),
})

const regionOf = (e: Expr): string | undefined => (e._tag === 'Apply' && e.region._tag === 'Some' ? e.region.value : undefined)

const nameOf = ({ names, w }: Body, e: Expr): string => names.get(e) ?? (e._tag === 'Leaf' ? constantOf(e, w) : undefined) ?? ''

const barred = (w: Writer, name: string, e: Expr): string => w.emit(`stablehlo.optimization_barrier ${name} : ${typeText(e.type)}`)

/** What an application reads, in its own region. */
const argument = (b: Body, e: Apply, a: Expr): string => {
  const region = regionOf(e)
  if (region === undefined || region === regionOf(a) || isConstant(a)) return nameOf(b, a)
  const key = `${region} ${a.id}`
  const name = b.barred.get(key) ?? barred(b.w, nameOf(b, a), a)
  b.barred.set(key, name)
  return name
}

/** Writes applications in order. Fault: a primitive that StableHLO does not have here. */
const written = (b: Body, applications: ReadonlyArray<Apply>): Fault | undefined => {
  for (const e of applications) {
    const operands = { args: e.args.map((a) => argument(b, e, a)), types: e.args.map((a) => a.type), out: e.type }
    const name = entries.get(e.op.name)?.(operands, b.w, e)
    if (name === undefined) return unknown(e)
    b.names.set(e, b.shared.has(e) ? barred(b.w, name, e) : name)
  }
  return undefined
}

const typesOf = (xs: ReadonlyArray<Expr>): string => xs.map((x) => typeText(x.type)).join(', ')

/** A unit as a function without its name: equal texts are equal functions. */
const functionText = ({ body, reads, results }: Bounds, manner: Manner): string | Fault => {
  const b = bodyOf(
    reads.map((e, i) => [e, `%arg${i}`]),
    manner,
  )
  const wrong = written(b, body)
  if (wrong !== undefined) return wrong
  const returned = results.map((r) => nameOf(b, r)).join(', ')
  return [
    `(${reads.map((e, i) => `%arg${i}: ${typeText(e.type)}`).join(', ')}) -> (${typesOf(results)}) {`,
    ...b.w.lines(),
    `    return ${returned} : ${typesOf(results)}`,
    '  }',
  ].join('\n')
}

/** What keeps XLA from putting a function in its call's place. */
const stays = ' {mhlo.frontend_attributes = {inlineable = "false"}}'

/** Who reads an expression from outside of its unit. */
const readers = (g: Graph, units: ReadonlyArray<Unit>): ReadonlySet<Expr> => {
  const unitOf = new Map<Expr, Unit>(units.flatMap((u) => u.map((e) => [e, u] as const)))
  const read = new Set<Expr>(g.outputs.map((o) => o.expr))
  for (const u of units) for (const e of u) for (const a of e.args) if (unitOf.get(a) !== u) read.add(a)
  return read
}

export const moduleOf = (g: Graph, how: Printing): E.Either<Fault, Module> => {
  const bad = nodesOf(g).find((e) => e._tag === 'Invalid')
  if (bad !== undefined) return E.left(unknown(bad))
  const manner = { ...how, shared: sharedScalars(g) }
  const leaves = leavesOfGraph(g)
  const units = unitsOf(g)
  const read = readers(g, units)
  const bounds = units.map((u) => boundsOf(u, (e) => read.has(e)))
  const texts: Array<string | undefined> = []
  const times = new Map<string, number>()
  for (const b of bounds) {
    const text = b.body.length === 1 ? undefined : functionText(b, manner)
    if (isFault(text)) return E.left(text)
    texts.push(text)
    if (text !== undefined) times.set(text, (times.get(text) ?? 0) + 1)
  }
  const functions = new Map([...times].filter(([, n]) => n > 1).map(([text], i) => [text, `@block${i}`]))
  const main = bodyOf(
    leaves.map((l, i) => [l.leaf, `%arg${i}`]),
    manner,
  )
  for (const [i, { body, reads, results }] of bounds.entries()) {
    const name = functions.get(texts[i] ?? '')
    if (name === undefined) {
      const wrong = written(main, body)
      if (wrong !== undefined) return E.left(wrong)
      continue
    }
    const call = `func.call ${name}(${reads.map((e) => nameOf(main, e)).join(', ')})${how.apart ? stays : ''} : (${typesOf(reads)}) -> (${typesOf(results)})`
    const called = main.w.emit(call, results.length)
    results.forEach((r, k) => main.names.set(r, results.length === 1 ? called : called.replace(/#0$/, `#${k}`)))
  }
  const results = donated(leaves, g.outputs)
  const args = leaves.map((l, i) => {
    const result = isResident(l) ? results.get(l.path) : undefined
    return `%arg${i}: ${typeText(l.type)}${result === undefined ? '' : ` {tf.aliasing_output = ${result} : i32}`}`
  })
  const returned = g.outputs.map((o) => nameOf(main, o.expr)).join(', ')
  const types = typesOf(g.outputs.map((o) => o.expr))
  const text = [
    `module @${g.name.replace(/\W/g, '_')} attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = ${how.devices ?? 1} : i32} {`,
    ...[...functions].map(([body, name]) => `  func.func private ${name}${body}`),
    `  func.func public @main(${args.join(', ')}) -> (${types}) {`,
    ...main.w.lines(),
    `    return ${returned} : ${types}`,
    '  }',
    '}',
    '',
  ].join('\n')
  return E.right({ text, leaves, outputs: g.outputs })
}
