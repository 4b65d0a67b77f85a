/** A graph as an ONNX model: for one size, or for all sizes of its open extents. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Leaf } from '../../../core/expr.ts'
import { scopeOf } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { sizeOf } from '../../../core/type.ts'
import { takeApart } from '../../passes/apart.ts'
import type { Aligned, Filling } from './aligned.ts'
import { aligned, fillingOf, sizesOf } from './aligned.ts'
import type { Builder, Value } from './builder.ts'
import { castTo, filled, full, openBuilder, plainValue } from './builder.ts'
import type { OnnxModel, OnnxValue } from './file.ts'
import { isKnown, operators } from './operators.ts'
import type { Open, Point, Size } from './size.ts'
import { alwaysOf, pointsOf, showSize } from './size.ts'

export interface OnnxOptions {
  readonly name: string
  readonly about: string
  /** The extents that are left open; none for a graph of one size. */
  readonly open: ReadonlyArray<Open>
  /** The graph where they have these values, in their order. */
  readonly graph: (at: Point) => Either<Fault, Graph>
  /** What the model is given. */
  readonly inputs: ReadonlyArray<OnnxValue>
  /**
   * Makes the graph's inputs by their paths (and parameters, where these are given at a run), of the type that they have there, and names
   * the open extents with `open`.
   */
  readonly begin: (b: Builder) => ReadonlyMap<string, string>
  /** Values of parameters by path. */
  readonly values: ReadonlyMap<string, Float32Array>
  readonly metadata: Readonly<Record<string, string>>
}

const refused = (place: string, found: string, allowed: string, remedy: string): Fault =>
  fault('target', { place: `onnx: ${place}`, found, allowed, remedy })

const fillValue = (b: Builder, dtype: Value['dtype'], shape: ReadonlyArray<Size>, filling: Filling): Value => {
  if (filling._tag === 'Number') return filled(b, dtype, shape, filling.value)
  const thin = filled(b, dtype, shape, 0)
  const number = castTo(b, b.sizes([filling.size]), filling._tag === 'Share' ? 'f32' : dtype)
  const one = filling._tag === 'Share' ? castTo(b, b.node('Reciprocal', [number]), dtype) : number
  return {
    ...thin,
    name: b.node('Reshape', [
      one,
      b.constant(
        'i64',
        [shape.length],
        shape.map(() => 1),
      ),
    ]),
  }
}

/** The constant, parameter or input that a leaf is. */
const leafValue = (o: OnnxOptions, b: Builder, inputs: ReadonlyMap<string, string>, n: Aligned, e: Leaf): Either<Fault, Value> => {
  const { dtype, shape } = e.type
  const of = (name: string): Either<Fault, Value> => E.right(plainValue(name, dtype, n.shape))
  const given = 'path' in e.source ? inputs.get(e.source.path) : undefined
  if (given !== undefined) return of(given)
  switch (e.source._tag) {
    case 'Table':
      return of(b.constant(dtype, shape, e.source.values))
    case 'Fill': {
      const fills = n.at.flatMap((x) => (x._tag === 'Leaf' && x.source._tag === 'Fill' ? [x.source.value] : []))
      const filling = fillingOf(o.open, fills)
      return filling === undefined
        ? E.left(refused('a constant', fills.join(', '), 'one number', 'write it for one size of images'))
        : E.right(fillValue(b, dtype, n.shape, filling))
    }
    case 'Param':
    case 'State': {
      const { path } = e.source
      const data = o.values.get(path)
      return data?.length === sizeOf(shape) && dtype === 'f32'
        ? of(
            b.named({
              name: path,
              type: 'f32',
              shape,
              elements: { _tag: 'Here', bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) },
            }),
          )
        : E.left(refused(path, `${data?.length ?? 'no'} values`, `${sizeOf(shape)} values of f32`, 'read the network again'))
    }
    case 'Input':
    case 'Hyper':
      return E.left(refused(e.source.path, 'an input that nothing gives', [...inputs.keys()].join(', '), 'write the network in evaluation'))
    case 'Draw':
      return E.left(refused(e.source.path, 'a random draw', 'a network in evaluation', 'write the network in evaluation'))
  }
}

const applied = (o: OnnxOptions, b: Builder, made: ReadonlyArray<Value>, n: Aligned): Either<Fault, Value> => {
  const [e] = n.at
  if (e._tag !== 'Apply') return E.left(refused('a graph', e._tag, 'an application', 'verify the graph'))
  b.enter(scopeOf(e))
  const { name } = e.op
  const unknown = E.left('a primitive without an entry')
  return pipe(
    !isKnown(name)
      ? unknown
      : operators[name]({
          at: n.at,
          args: n.args.map((i) => made[i]),
          dtype: e.type.dtype,
          shape: n.shape,
          b,
          // alignment has found sizes for all numbers of all parameters
          sizes: (lists) => sizesOf(o.open, lists) ?? [],
        }),
    E.mapLeft((why) =>
      refused(
        `${name}${scopeOf(e) === '' ? '' : ` in ${scopeOf(e)}`}`,
        why,
        'what operators of ONNX, opset 17, compute',
        'compose it of other ops',
      ),
    ),
  )
}

const outputOf = (path: string, v: Value): OnnxValue => ({
  name: path,
  type: v.dtype,
  shape: v.shape.map((s) => alwaysOf(s) ?? showSize(s)),
})

/** Faults: those of tracing; a graph that is another one at another size; what opset 17 has no operators for. */
export const onnxOf = (o: OnnxOptions): Either<Fault, OnnxModel> => {
  const graphs: Array<Graph> = []
  for (const point of pointsOf(o.open)) {
    const g = pipe(o.graph(point), E.chain(takeApart(() => false).run))
    if (E.isLeft(g)) return g
    graphs.push(g.right)
  }
  const all = aligned(o.open, graphs)
  if (E.isLeft(all)) return all
  const b = openBuilder()
  const inputs = o.begin(b)
  const made: Array<Value> = []
  for (const n of all.right.nodes) {
    const [e] = n.at
    if (e.type.dtype === 'bf16')
      return E.left(refused('a tensor', 'bf16', 'f32, f16, i32 and bool, which runtimes of ONNX compute with', 'write the network in f32'))
    const v = e._tag === 'Leaf' ? leafValue(o, b, inputs, n, e) : applied(o, b, made, n)
    if (E.isLeft(v)) return v
    made.push(v.right)
  }
  b.enter('')
  const outputs = all.right.outputs.map(([path, i]) => {
    const v = full(b, made[i])
    b.name(path, v.name)
    return outputOf(path, v)
  })
  return E.right({ name: o.name, about: o.about, nodes: b.nodes, tensors: b.tensors, inputs: o.inputs, outputs, metadata: o.metadata })
}
