/**
 * The saved form of a graph, by msgpackr. Loading gives back the very same interned expressions (law: load . save = id),
 * because identity is op, arguments and region, all of which are saved.
 */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import { pack, unpack } from 'msgpackr'
import type { Expr } from './expr.ts'
import { leaf } from './expr.ts'
import type { Fault } from './fault.ts'
import { fault } from './fault.ts'
import type { Graph } from './graph.ts'
import { nodesOf } from './graph.ts'
import type { Op } from './expr.ts'
import { apply } from './primitive.ts'
import type { DType } from './type.ts'
import { verify } from './verify.ts'

/** What `load` needs of the vocabulary: an op from its saved name and parameters. */
export type LoadOp = (name: string, params: unknown) => O.Option<Op>

const dtype: t.Type<DType, DType> = t.keyof({ f32: null, f16: null, bf16: null, i32: null, bool: null })
const type = t.strict({ dtype, shape: t.readonlyArray(t.number) })
const distribution = t.union([
  t.strict({ _tag: t.literal('Uniform'), low: t.number, high: t.number }),
  t.strict({ _tag: t.literal('Normal'), mean: t.number, std: t.number }),
  t.strict({ _tag: t.literal('Bernoulli'), p: t.number }),
  t.strict({ _tag: t.literal('Permutation') }),
])
/** MessagePack has no negative zero of its own: it is written as text, since constants of either sign are different. */
export const real = new t.Type<number, number | '-0', unknown>(
  'real',
  t.number.is,
  (u, c) => (u === '-0' ? t.success(-0) : t.number.validate(u, c)),
  (x) => (Object.is(x, -0) ? '-0' : x),
)
const source = t.union([
  t.strict({ _tag: t.literal('Param'), path: t.string }),
  t.strict({ _tag: t.literal('State'), path: t.string }),
  t.strict({ _tag: t.literal('Input'), path: t.string }),
  t.strict({ _tag: t.literal('Hyper'), path: t.string }),
  t.strict({ _tag: t.literal('Draw'), path: t.string, distribution }),
  t.strict({ _tag: t.literal('Fill'), value: real }),
  t.strict({ _tag: t.literal('Table'), values: t.readonlyArray(real) }),
])
const node = t.union([
  t.strict({ source, type }),
  t.strict({ op: t.string, params: t.unknown, args: t.readonlyArray(t.number), region: t.union([t.string, t.null]) }),
])
const saved = t.strict({
  format: t.literal('dinograph-graph-1'),
  name: t.string,
  nodes: t.readonlyArray(node),
  outputs: t.readonlyArray(t.strict({ role: t.keyof({ state: null, value: null }), path: t.string, node: t.number })),
})

const corrupt = (found: string): Fault =>
  fault('graph', { place: 'a saved graph', found, allowed: 'bytes written by `save` of this version', remedy: 'save the graph again' })

/** The graph as bytes. A graph with an `Invalid` in it is not saved. */
export const save = (g: Graph): E.Either<Fault, Uint8Array> =>
  pipe(
    verify(g),
    E.map(() => {
      const order = nodesOf(g)
      const position = new Map(order.map((e, i) => [e, i]))
      const at = (e: Expr): number => position.get(e) ?? -1
      return pack({
        format: 'dinograph-graph-1',
        name: g.name,
        nodes: order.flatMap((e): ReadonlyArray<t.OutputOf<typeof node>> =>
          e._tag === 'Leaf'
            ? [{ source: source.encode(e.source), type: e.type }]
            : e._tag === 'Apply'
              ? [{ op: e.op.name, params: e.op.params, args: e.args.map(at), region: O.toNullable(e.region) }]
              : [],
        ),
        outputs: g.outputs.map((o) => ({ role: o.role, path: o.path, node: at(o.expr) })),
      })
    }),
  )

const decode = (bytes: Uint8Array): E.Either<Fault, t.TypeOf<typeof saved>> =>
  pipe(
    E.tryCatch(
      (): unknown => unpack(bytes),
      () => corrupt('bytes that are not MessagePack'),
    ),
    E.chain((u) => E.mapLeft(() => corrupt('another structure'))(saved.decode(u))),
  )

/** Reads a graph back; unknown ops, misfitting types and foreign bytes are faults. */
export const load =
  (loadOp: LoadOp) =>
  (bytes: Uint8Array): E.Either<Fault, Graph> =>
    pipe(
      decode(bytes),
      E.chain((s) => {
        const exprs: Array<Expr> = []
        for (const n of s.nodes) {
          if ('source' in n) {
            exprs.push(leaf(n.type, n.source))
            continue
          }
          const op = loadOp(n.op, n.params)
          if (O.isNone(op)) return E.left(corrupt(`the op ${n.op} with parameters ${JSON.stringify(n.params)}`))
          if (n.args.some((a) => exprs[a] === undefined)) return E.left(corrupt(`${n.op} reads a node that is not there`))
          exprs.push(
            apply(
              op.value,
              n.args.map((a) => exprs[a]),
              O.fromNullable(n.region),
            ),
          )
        }
        if (s.outputs.some((o) => exprs[o.node] === undefined)) return E.left(corrupt('an output that is not there'))
        return verify({ name: s.name, outputs: s.outputs.map((o) => ({ role: o.role, path: o.path, expr: exprs[o.node] })) })
      }),
    )
