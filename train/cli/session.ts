/** What a person has at hand who tries the language line by line: tensors that are drawn, and what becomes of expressions. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { grad } from '../../compiler/grad.ts'
import { isKernelRoad, stagesOf } from '../../compiler/road.ts'
import { showGraph } from '../../compiler/show.ts'
import type { Device, Executable, HostArray } from '../../compiler/target.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import type { Distribution, Expr } from '../../core/expr.ts'
import { table } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Graph, NamedLeaf, Output } from '../../core/graph.ts'
import { isResident, leavesOfGraph, value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { isExpr } from '../../core/model.ts'
import { draw, stream } from '../../core/random.ts'
import { trace } from '../../core/trace.ts'
import type { Shape, TensorType } from '../../core/type.ts'
import { showType, sizeOf } from '../../core/type.ts'
import { isRecord } from '../../data/formats/codec.ts'
import { sum } from '../../ops/reduce.ts'

export interface SessionOptions {
  /** Of all draws. */
  readonly seed: number
  /** Where values are computed. */
  readonly target: string
  /** Writes results. */
  readonly print: (text: string) => void
  /** Writes what a person should know beside them. */
  readonly say: (text: string) => void
}

/** One expression, or several by name. */
type Some = Expr | ReadonlyArray<Expr> | Readonly<Record<string, Expr>>

/** Lists of numbers within each other. */
type Nested = number | ReadonlyArray<Nested>

export interface Session {
  /** What programs find by name. */
  readonly scope: Readonly<Record<string, unknown>>
  /** Shows the values of what a line comes to, where that is expressions; whether it was. */
  readonly shown: (result: unknown) => Promise<boolean>
  readonly close: () => void
}

/** Gives what is right, and throws the fault of what is not: a session shows it and goes on. */
const held = <A>(r: Either<Fault, A>): A => {
  if (E.isLeft(r)) throw r.left
  return r.right
}

const isSome = (u: unknown): u is Some =>
  isExpr(u) ||
  (Array.isArray(u) ? u.length > 0 && u.every(isExpr) : isRecord(u) && Object.keys(u).length > 0 && Object.values(u).every(isExpr))

/** What was passed in place of an expression. */
const none = (place: string): Fault =>
  fault('usage', { place, found: 'no expression', allowed: 'an expression, or a list or a record of them', remedy: `see help()` })

const outputsOf = (place: string, u: unknown): ReadonlyArray<Output> => {
  if (!isSome(u)) throw none(place)
  return isExpr(u) ? [value('y', u)] : Object.entries(u).map(([name, e]) => value(Array.isArray(u) ? `y${name}` : name, e))
}

/** Rows or columns that are shown of many: the first and the last ones. */
const edge = 4

const number = (x: number): string => (Number.isInteger(x) && Math.abs(x) < 1e6 ? String(x) : x.toPrecision(4))

/** Values of a tensor as lists within each other, rows below each other, what is in the middle of many left out. */
export const showTensor = ({ dtype, shape }: TensorType, values: HostArray): string => {
  const text = (i: number): string => (dtype === 'bool' ? String(values[i] !== 0) : number(values[i]))
  const part = (axis: number, from: number): string => {
    if (axis === shape.length) return text(from)
    const step = sizeOf(shape.slice(axis + 1))
    const all = Array.from({ length: shape[axis] }, (_, i) => i)
    const [head, tail] = all.length > 2 * edge ? [all.slice(0, edge), all.slice(-edge)] : [all, []]
    const parts = [head, tail].map((some) => some.map((i) => part(axis + 1, from + i * step)))
    const listed = parts[1].length === 0 ? parts[0] : [...parts[0], '…', ...parts[1]]
    return axis === shape.length - 1 ? `[${listed.join(', ')}]` : `[${listed.join(`,\n${' '.repeat(axis + 1)}`)}]`
  }
  return part(0, 0)
}

const shapeOf = (x: Nested): Shape => (typeof x === 'number' ? [] : [x.length, ...(x.length === 0 ? [] : shapeOf(x[0]))])

const flat = (x: Nested): ReadonlyArray<number> => (typeof x === 'number' ? [x] : x.flatMap(flat))

const standard: Distribution = { _tag: 'Normal', mean: 0, std: 1 }

/** A session. Devices are opened when they are first asked for. */
export const openSession = (o: SessionOptions): Session => {
  const values = new Map<string, HostArray>()
  const devices = new Map<string, Device>()
  const deviceOf = async (target: string): Promise<Device> => {
    const device = devices.get(target) ?? held(await openTarget(target, { say: o.say })())
    devices.set(target, device)
    return device
  }
  const drawn = (path: string, d: Distribution, shape: Shape): Float32Array => Float32Array.from(draw(stream(o.seed, path, 0), d, shape))
  const made = (name: string, d: Distribution, shape: Shape): Expr => {
    values.set(name, drawn(name, d, shape))
    return input(name, shape)
  }
  const valueOf = ({ path, type }: NamedLeaf): HostArray => {
    const known = values.get(path)
    if (known?.length === sizeOf(type.shape)) return known
    const fresh = type.dtype === 'f32' ? drawn(path, standard, type.shape) : new Int32Array(sizeOf(type.shape))
    o.say(`${path} has no value: ${type.dtype === 'f32' ? 'drawn as randn' : 'taken as zeros'}, ${showType(type)}`)
    values.set(path, fresh)
    return fresh
  }
  const compiled = async (g: Graph, target: string): Promise<Executable> => {
    const device = await deviceOf(target)
    for (const l of leavesOfGraph(g).filter(isResident)) held(await device.write(l.path, l.type, valueOf(l))())
    return held(await device.compile(g)())
  }
  const computed = async (g: Graph, target: string): Promise<ReadonlyMap<string, HostArray>> => {
    const program = await compiled(g, target)
    const inputs = leavesOfGraph(g).filter((l) => l.source._tag !== 'Draw' && !isResident(l))
    return held(await program.run({ values: new Map(inputs.map((l) => [l.path, valueOf(l)])), seed: o.seed })())
  }
  const show = async (u: unknown, target = o.target): Promise<void> => {
    const g = held(trace('show', outputsOf('show', u)))
    const found = await computed(g, target)
    for (const { path, expr } of g.outputs)
      o.print(`${isExpr(u) ? '' : `${path}: `}${showType(expr.type)}\n${showTensor(expr.type, found.get(path) ?? new Float32Array())}`)
  }
  const ir = (u: unknown): void => {
    o.print(showGraph(held(trace('ir', outputsOf('ir', u)))).trimEnd())
  }
  const gradient = (y: unknown, by?: unknown): unknown => {
    if (!isExpr(y)) throw none('gradient')
    const scalar = y.type.shape.length === 0 ? y : sum()(y)
    if (isExpr(by)) return grad(scalar, [by])[0]
    if (isSome(by)) {
      const all: ReadonlyArray<readonly [string, Expr]> = Object.entries(by)
      const gradients = grad(
        scalar,
        all.map(([, x]) => x),
      )
      if (Array.isArray(by)) return gradients
      return Object.fromEntries(all.map(([name], i) => [name, gradients[i]]))
    }
    const leaves = leavesOfGraph(held(trace('gradient', [value('y', scalar)]))).filter((l) => l.type.dtype === 'f32')
    const gradients = grad(
      scalar,
      leaves.map((l) => l.leaf),
    )
    return Object.fromEntries(leaves.map((l, i) => [l.path, gradients[i]]))
  }
  const kernels = async (u: unknown, target = 'auto'): Promise<void> => {
    const g = held(trace('kernels', outputsOf('kernels', u)))
    const { road } = await deviceOf(target)
    const last = isKernelRoad(road) ? (road.kernels.at(-1) ?? road.fuse).name : road.graph.at(-1)?.name
    o.print(
      (
        held(stagesOf(road)(g))
          .find((s) => s.name === last)
          ?.text() ?? showGraph(g)
      ).trimEnd(),
    )
  }
  const source = async (u: unknown, target = 'auto'): Promise<void> => {
    const g = held(trace('source', outputsOf('source', u)))
    o.print((await compiled(g, target)).source.join('\n\n').trimEnd())
  }
  const named = (kind: string): string => {
    let n = 0
    while (values.has(`${kind}${n}`)) n++
    return `${kind}${n}`
  }
  return {
    scope: {
      show,
      ir,
      gradient,
      kernels,
      source,
      randn: (shape: Shape = [], name = named('randn')) => made(name, standard, shape),
      rand: (shape: Shape = [], name = named('rand')) => made(name, { _tag: 'Uniform', low: 0, high: 1 }, shape),
      tensor: (x: Nested) => table('f32', shapeOf(x), flat(x)),
      help: () => {
        o.print(sessionHelp)
      },
    },
    shown: async (u) => {
      if (!isSome(u)) return false
      await show(u)
      return true
    },
    close: () => {
      for (const device of devices.values()) device.close()
    },
  }
}

export const sessionHelp = [
  'randn([2, 3]), rand([2, 3])      tensors drawn by the seed, inputs of the program; tensor([[1, 2], [3, 4]]) is a constant',
  'softmax(x), add(x, 1), …         all of dinograph/ops by name, sum(x) for sum()(x); core, models, losses, compiler are the other rooms',
  'softmax, losses.dino             a function alone: how it is called; docs/ops.md lists the ops',
  'x, or show(x), show(x, TARGET)   its values; of an input without a value they are drawn when they are needed',
  'ir(x)                            its graph, one node a line',
  'gradient(y, x), gradient(y)      by x, or by everything that y is made of; of a y with a shape, of its sum',
  'kernels(x), kernels(x, TARGET)   what the target makes of it; source(x, TARGET): its code',
  'a list or a record of tensors stands for one everywhere; .exit ends the session',
].join('\n')
