/**
 * Contractions with a parameter on one side, wherever they stand in a graph: the layers that strategies change.
 *
 * ```
 * before  y = dot(x, w)                      w a param [out, in...], or a reshape of one that keeps its outputs
 * after   y = add(dot(x, w), dot(dot(x, down), up))         down [r, in...], up [out, r]
 * ```
 */
import type { Option } from 'fp-ts/lib/Option.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Expr, Leaf } from '../../core/expr.ts'
import { labelScope, mark, scopeOf } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf } from '../../core/graph.ts'
import { apply } from '../../core/primitive.ts'
import { join } from '../../core/tree.ts'
import type { Shape } from '../../core/type.ts'
import { range, sizeOf } from '../../core/type.ts'
import { contracting, dot } from '../../ops/contract.ts'
import { reshape, reshaping, transpose } from '../../ops/reshape.ts'

/** One of a weight's axes is its outputs, all others are summed. */
export interface Contraction {
  readonly weight: Leaf
  /** The path of the weight: `student.backbone.blocks.0.attn.qkv.weight`. */
  readonly path: string
  readonly x: Expr
  /** Outputs of the weight. */
  readonly out: number
  /** What one output sums over, as the parameter has it. */
  readonly inputs: Shape
  /** The parameter as `[out, in...]`. */
  readonly matrix: Expr
  /** Whether it is stored `[in, out]`. */
  readonly transposed: boolean
  /** `dot` with another weight of the form `[any, in...]` in place of the parameter, on the same side. */
  readonly with: (x: Expr, other: Expr) => Expr
  /** The axis of the result that counts the outputs. */
  readonly axis: number
}

interface Side {
  readonly weight: Leaf
  readonly path: string
  /** The shape in which the contraction sees it. */
  readonly shape: Shape
}

const paramOf = (e: Expr): Side | undefined => {
  if (e._tag === 'Leaf') return e.source._tag === 'Param' ? { weight: e, path: e.source.path, shape: e.type.shape } : undefined
  const m = reshaping.reshape.match(e)
  const inner = O.isNone(m) ? undefined : m.value.args[0]
  return inner?._tag === 'Leaf' && inner.source._tag === 'Param' && inner.type.shape[0] === e.type.shape[0] && inner.type.shape.length > 0
    ? { weight: inner, path: inner.source.path, shape: e.type.shape }
    : undefined
}

/** The contraction that an expression is, where one side is a parameter with one axis of outputs. */
export const contractionOf = (e: Expr): Option<Contraction> => {
  const m = contracting.dot.match(e)
  if (O.isNone(m) || m.value.params.leftBatch.length > 0) return O.none
  const {
    params: p,
    args: [left, right],
  } = m.value
  const [l, r] = [paramOf(left), paramOf(right)]
  const side = r ?? l
  if (side === undefined || (l !== undefined && r !== undefined)) return O.none
  const onRight = r !== undefined
  const [x, summed, with_] = onRight ? [left, p.right, p.left] : [right, p.left, p.right]
  const free = range(side.shape.length).filter((a) => !summed.includes(a))
  const [outAxis] = free
  if (free.length !== 1 || (outAxis !== 0 && side.weight.type.shape.length !== 2)) return O.none
  const order = range(side.shape.length).filter((a) => a !== outAxis)
  const inputs = outAxis === 0 ? side.weight.type.shape.slice(1) : order.map((a) => side.shape[a])
  // the same pairs of axes for a weight whose outputs come first
  const pairs = order.map((a) => with_[summed.indexOf(a)])
  const first = order.map((_, i) => i + 1)
  const seen = order.map((a) => side.shape[a])
  return O.some({
    weight: side.weight,
    path: side.path,
    x,
    inputs,
    out: side.shape[outAxis],
    transposed: outAxis !== 0,
    matrix: outAxis === 0 ? side.weight : transpose([outAxis, ...order])(side.weight),
    with: (y, other) => {
      const w = reshape([other.type.shape[0], ...seen])(other)
      return onRight
        ? dot({ leftBatch: [], rightBatch: [], left: pairs, right: first })(y, w)
        : dot({ leftBatch: [], rightBatch: [], left: first, right: pairs })(w, y)
    },
    axis: onRight ? x.type.shape.length - summed.length : 0,
  })
}

/** The low-rank road beside a contraction: x through `down [r, in...]`, then `up [out, r]`; of the contraction's shape. */
export const through = (c: Contraction, x: Expr, down: Expr, up: Expr): Expr => {
  const narrow = c.with(x, down)
  return c.axis === 0
    ? dot({ leftBatch: [], rightBatch: [], left: [1], right: [0] })(up, narrow)
    : dot({ leftBatch: [], rightBatch: [], left: [c.axis], right: [1] })(narrow, up)
}

/** A vector over the outputs, in the shape that broadcasts with the contraction's result. */
export const alongOutputs =
  (c: Contraction, result: Expr) =>
  (v: Expr): Expr =>
    reshape(result.type.shape.map((_, a) => (a === c.axis ? sizeOf(v.type.shape) : 1)))(v)

/** Puts `f` of every contraction in its place, where there is one; new nodes get the scope `name` inside of the old node's. */
export const rewriteContractions =
  (name: string, f: (c: Contraction, plain: Expr, scope: string) => Option<Expr>) =>
  (g: Graph): Graph => {
    const done = new Map<Expr, Expr>()
    const of = (e: Expr): Expr => done.get(e) ?? e
    for (const e of nodesOf(g)) {
      if (e._tag !== 'Apply') continue
      const scope = scopeOf(e)
      const since = mark()
      const plain = e.args.some((a) => of(a) !== a) ? apply(e.op, e.args.map(of), e.region) : e
      labelScope(scope, since, [plain])
      const changed = O.chain((c: Contraction) => f(c, plain, scope))(contractionOf(plain))
      const now = O.getOrElse(() => plain)(changed)
      if (now === e) continue
      labelScope(join(scope, name), since, [now])
      done.set(e, now)
    }
    return { name: g.name, outputs: g.outputs.map((o) => ({ ...o, expr: of(o.expr) })) }
  }
