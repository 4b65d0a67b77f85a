/**
 * The oracle: every node by itself, in float64, from its `Scalar` alone. f16 and bf16 results are rounded,
 * i32 wraps, f32 is not rounded. Other targets are right when they agree with it.
 */
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Expr, Leaf } from '../../core/expr.ts'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { showFault } from '../../core/fault.ts'
import type { Graph, NamedSource } from '../../core/graph.ts'
import { roots } from '../../core/graph.ts'
import { topological } from '../../core/order.ts'
import type { TensorType } from '../../core/type.ts'
import { isHalf, sizeOf } from '../../core/type.ts'
import { verify } from '../../core/verify.ts'
import { alone } from '../distribute/alone.ts'
import type { CompileOptions, Device, Executable, Feed, HostArray, HostValues, Target } from '../target.ts'
import type { Compute } from './javascript.ts'
import type { Road } from '../road.ts'
import { followGraph } from '../road.ts'
import { fed, fitting } from './feed.ts'
import { kernelCache } from './javascript.ts'
import { roundings } from '../numerics.ts'
import type { Residents } from './residents.ts'
import { openResidents } from './residents.ts'

type Values = Float64Array
type NamedValue = (type: TensorType, source: NamedSource) => E.Either<Fault, Values>

/** Host memory as the reference keeps it; a bool is 0 or 1, and halves have been rounded. */
const toValues = (type: TensorType, data: ArrayLike<number>): Values => {
  const out = Float64Array.from(data)
  if (isHalf(type.dtype)) out.set(out.map(roundings[type.dtype]))
  if (type.dtype === 'bool') for (let i = 0; i < out.length; i++) out[i] = out[i] === 0 ? 0 : 1
  return out
}

/** A node with its place in the order, its arguments' places, and the places whose values are not read after it. */
interface Step {
  readonly leaf: Leaf | undefined
  readonly compute: Compute
  readonly size: number
  readonly args: ReadonlyArray<number>
  readonly last: ReadonlyArray<number>
}

interface Program {
  readonly launches: number
  readonly run: (named: NamedValue) => E.Either<Fault, ReadonlyArray<Values>>
}

const nothing = new Float64Array(0)

const valueOfLeaf = (l: Leaf, named: NamedValue): E.Either<Fault, Values> => {
  const s = l.source
  switch (s._tag) {
    case 'Fill':
      return E.right(toValues(l.type, new Float64Array(sizeOf(l.type.shape)).fill(s.value)))
    case 'Table':
      return E.right(toValues(l.type, s.values))
    case 'Param':
    case 'State':
    case 'Input':
    case 'Hyper':
    case 'Draw':
      return named(l.type, s)
  }
}

/** Compiles what `outputs` need. None of them may be an `Invalid`: `verify` has said so. */
const program = (outputs: ReadonlyArray<Expr>, kernels: ReturnType<typeof kernelCache>, o: CompileOptions): Program => {
  const order = topological(outputs)
  const place = new Map(order.map((e, i) => [e, i]))
  const placeOf = (e: Expr): number => place.get(e) ?? -1
  const results = outputs.map(placeOf)
  const lastUse = new Int32Array(order.length).fill(-1)
  order.forEach((e, i) => {
    if (e._tag === 'Apply') for (const a of e.args) lastUse[placeOf(a)] = i
  })
  for (const r of results) lastUse[r] = order.length
  const steps = order.map((e, i): Step => {
    o.progress?.({ done: i + 1, total: order.length, unit: 'operations' })
    const args = e._tag === 'Apply' ? e.args.map(placeOf) : []
    return {
      leaf: e._tag === 'Leaf' ? e : undefined,
      compute: e._tag === 'Apply' ? kernels.of(e).compute : () => undefined,
      size: sizeOf(e.type.shape),
      args,
      last: args.filter((a) => lastUse[a] === i),
    }
  })
  return {
    launches: order.filter((e) => e._tag === 'Apply').length,
    run: (named) => {
      const values = new Array<Values>(steps.length).fill(nothing)
      for (let i = 0; i < steps.length; i++) {
        const step = steps[i]
        if (step.leaf !== undefined) {
          const v = valueOfLeaf(step.leaf, named)
          if (E.isLeft(v)) return v
          values[i] = v.right
          continue
        }
        const out = new Float64Array(step.size)
        step.compute(
          step.args.map((a) => values[a]),
          out,
        )
        values[i] = out
        for (const a of step.last) values[a] = nothing
      }
      return E.right(results.map((r) => values[r]))
    },
  }
}

/** The most that is held at a time: every value in float64 until its last reader, results until the end. */
const peakBytes = (g: Graph): number => {
  const order = topological(roots(g))
  const readers = new Map<Expr, number>(roots(g).map((e) => [e, Infinity]))
  for (const e of order) if (e._tag === 'Apply') for (const a of new Set(e.args)) readers.set(a, (readers.get(a) ?? 0) + 1)
  let [now, most] = [0, 0]
  for (const e of order) {
    now += 8 * sizeOf(e.type.shape)
    most = Math.max(most, now)
    if (e._tag !== 'Apply') continue
    for (const a of new Set(e.args)) {
      const left = (readers.get(a) ?? 0) - 1
      readers.set(a, left)
      if (left === 0) now -= 8 * sizeOf(a.type.shape)
    }
  }
  return most
}

/** Values are never changed in place: a state output replaces the resident's array, so that both may be shared. */
interface Cell {
  data: Values
}

/** Graphs are run as they are. */
const road: Road = { graph: [] }

const executable = (g: Graph, residents: Residents<Cell>, options: CompileOptions): Executable => {
  const kernels = kernelCache()
  const p = program(roots(g), kernels, options)
  const once = (feed: Feed): E.Either<Fault, HostValues> => {
    const ready = residents.prepare(g)
    if (E.isLeft(ready)) return ready
    const results = p.run((type, s) => {
      const held = s._tag === 'Param' || s._tag === 'State' ? residents.find(s.path) : undefined
      if (held !== undefined) return E.right(held.memory.data)
      return s._tag === 'Param' || s._tag === 'State' ? E.right(nothing) : E.map((v: HostArray) => toValues(type, v))(fed(type, s, feed))
    })
    if (E.isLeft(results)) return results
    const out = new Map<string, HostArray>()
    g.outputs.forEach((o, i) => {
      const cell = o.role === 'state' ? residents.find(o.path)?.memory : undefined
      if (cell !== undefined) cell.data = results.right[i]
      else out.set(o.path, results.right[i].slice())
    })
    return E.right(out)
  }
  return { source: kernels.kernels().map((k) => k.source), launches: p.launches, run: (feed) => TE.fromIOEither(() => once(feed)) }
}

const openDevice = (): Device => {
  const residents = openResidents<Cell>({
    name: 'reference',
    allocate: () => E.right({ data: nothing }),
    store: ({ type, memory }, data) => {
      memory.data = toValues(type, data)
    },
    load: ({ memory }) => memory.data.slice(),
  })
  return {
    name: 'reference',
    description: 'the reference interpreter: one CPU thread, float64, nothing fused',
    memory: 'machine',
    road,
    ...residents.device,
    planned: (g) => E.map(peakBytes)(followGraph(road)(g)),
    compile: (g, options = {}) =>
      TE.fromIOEither(() =>
        pipe(
          followGraph(road)(g),
          E.map((ok) => executable(ok, residents, options)),
        ),
      ),
    close: residents.clear,
  }
}

export const reference: Target = { name: 'reference', open: TE.fromIO(openDevice) }

/**
 * The values of expressions, given the values of their leaves by path; a draw without a value is drawn with seed 0 at
 * step 0. For tests and notebooks: what a device would explain as a `Left` is thrown with the same text.
 */
export const evaluate = (exprs: ReadonlyArray<Expr>, values: HostValues = new Map()): ReadonlyArray<Float64Array> => {
  const outputs = exprs.map((expr, i) => ({ role: 'value' as const, path: `${i}`, expr }))
  const results = E.chain((g: Graph) =>
    program(roots(g), kernelCache(), {}).run((type, s) =>
      E.map((v: HostArray) => toValues(type, v))(
        s._tag === 'Draw' && !values.has(s.path)
          ? fed(type, s, { values })
          : fitting(s._tag.toLowerCase(), s.path, type, values.get(s.path)),
      ),
    ),
  )(E.chain(alone)(verify({ name: 'evaluate', outputs })))
  if (E.isLeft(results)) throw new Error(showFault(results.left))
  return results.right.map((v) => v.slice())
}
