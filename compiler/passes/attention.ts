/**
 * Attention, found by its structure before gradients are taken: rows of products of queries and keys, normalised by softmax, mix values.
 *
 * ```
 * before  %s = dot(%q, %k);  %x = mul(%s, fill c);  %p = softmax(%x), written out;  %y = dot(%p, %v)
 * after   %y = transpose(attention {"scale":c} (%q, %k, %v))             ops/attention.ts
 * ```
 * Whatever makes queries, keys and values (rotations, masked biases, adapters) and whatever becomes of the mix does not matter: they
 * are tensors. Scores may be scaled, and either product may be in half precision: then its operands and results are rounded as before,
 * the probabilities no more. What looks like attention and is none of these stays as it is, and `missed` says why.
 */
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Apply, Expr } from '../../core/expr.ts'
import { labelScope, mark, scopeOf } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf, roots } from '../../core/graph.ts'
import { usersOf } from '../../core/order.ts'
import { apply } from '../../core/primitive.ts'
import type { Rewrite } from '../../core/rewrite.ts'
import { equalShape, isHalf, range } from '../../core/type.ts'
import { attending } from '../../ops/attention.ts'
import { broadcasting } from '../../ops/broadcast.ts'
import { contracting } from '../../ops/contract.ts'
import { cast, elementwise } from '../../ops/elementwise.ts'
import { reducing } from '../../ops/reduce.ts'
import { reshape, reshaping, transpose } from '../../ops/reshape.ts'

/** What looks like attention and is no region. */
export interface Missed {
  readonly scope: string
  readonly why: string
}

type Found = { readonly _tag: 'Region'; readonly value: Expr } | { readonly _tag: 'Missed'; readonly why: string }

const argsOf = (p: { readonly match: (x: Expr) => O.Option<{ readonly args: ReadonlyArray<Expr> }> }, x: Expr): ReadonlyArray<Expr> => {
  const m = p.match(x)
  return O.isSome(m) ? m.value.args : []
}

/** What an expression is a reshape of, or the same without a gradient. */
const bare = (x: Expr): Expr => {
  let now = x
  for (;;) {
    const [inner] = [...argsOf(reshaping.reshape, now), ...argsOf(elementwise.stopGradient, now)]
    if (inner === undefined) return now
    now = inner
  }
}

/** What `x` repeats along `axis` alone. */
const repeated = (x: Expr, axis: number): Expr | undefined => {
  const m = broadcasting.broadcast.match(x)
  const others = range(x.type.shape.length).filter((a) => a !== axis)
  return O.isSome(m) && equalShape(m.value.params.axes, others) ? bare(m.value.args[0]) : undefined
}

interface Normalised {
  readonly scores: Expr
  readonly axis: number
}

/** exp(x - max x) / sum of exp(x - max x), over one axis. */
const softmaxOf = (p: Expr): Normalised | undefined => {
  const [e, mass] = argsOf(elementwise.div, p)
  const [fallen] = e === undefined ? [] : argsOf(elementwise.exp, e)
  const [scores, top] = fallen === undefined ? [] : argsOf(elementwise.sub, fallen)
  if (scores === undefined) return undefined
  for (const axis of range(p.type.shape.length)) {
    const total = repeated(mass, axis)
    const sum = total === undefined ? O.none : broadcasting.sum.match(total)
    if (O.isNone(sum) || sum.value.args[0] !== e || !equalShape(sum.value.params.axes, [axis])) continue
    const largest = repeated(top, axis)
    const max = largest === undefined ? O.none : reducing.reduceMax.match(largest)
    return O.isSome(max) && max.value.args[0] === scores && equalShape(max.value.params.axes, [axis]) ? { scores, axis } : undefined
  }
  return undefined
}

const constantOf = (x: Expr): number | undefined => (x._tag === 'Leaf' && x.source._tag === 'Fill' ? x.source.value : undefined)

/** Scores as products of a dot, each times `scale`, its axis `axes[a]` being axis a of the scores; or what else they are. */
const productOf = (scores: Expr): { readonly dot: Expr; readonly scale: number; readonly axes: ReadonlyArray<number> } | string => {
  let now = scores
  let scale = 1
  let axes = range(scores.type.shape.length)
  for (;;) {
    if (O.isSome(contracting.dot.match(now))) return { dot: now, scale, axes }
    const moved = reshaping.transpose.match(now)
    if (O.isSome(moved)) {
      const { perm } = moved.value.params
      axes = axes.map((a) => perm[a])
      ;[now] = moved.value.args
      continue
    }
    const [x, y] = argsOf(elementwise.mul, now)
    const [numerator, divisor] = argsOf(elementwise.div, now)
    const [narrow] = argsOf(elementwise.cast, now)
    const factor = x === undefined ? undefined : (constantOf(y) ?? constantOf(x))
    const shrink = divisor === undefined ? undefined : constantOf(divisor)
    if (factor !== undefined) {
      scale *= factor
      now = constantOf(y) === undefined ? y : x
    } else if (shrink !== undefined) {
      scale /= shrink
      now = numerator
    } else if (narrow !== undefined && isHalf(narrow.type.dtype)) now = narrow
    else if (argsOf(elementwise.add, bare(now)).length > 0) return 'something is added to its scores'
    else if (argsOf(elementwise.select, bare(now)).length > 0) return 'its scores are masked'
    else return 'its scores are no scaled products of queries and keys'
  }
}

/** Axes of an operand by their part: those of the batch in order, that of tokens, and that of columns. */
interface Parts {
  readonly batch: ReadonlyArray<number>
  readonly token: number
  readonly column: number
}

/** An operand as `[B, N, H, D]`, in f32. */
const laidOut = (x: Expr, { batch, token, column }: Parts): Expr => {
  const of = (axis: number | undefined): number => (axis === undefined ? 1 : x.type.shape[axis])
  const [first, second] = batch
  const moved = transpose([...(first === undefined ? [] : [first]), token, ...(second === undefined ? [] : [second]), column])(x)
  return cast('f32')(reshape([of(first), of(token), of(second), of(column)])(moved))
}

const free = (x: Expr, taken: ReadonlyArray<number>): ReadonlyArray<number> => range(x.type.shape.length).filter((a) => !taken.includes(a))

interface Side {
  readonly x: Expr
  readonly batch: ReadonlyArray<number>
  readonly summed: ReadonlyArray<number>
  readonly free: ReadonlyArray<number>
}

/** The two sides of a contraction. */
const sidesOf = (e: Expr): readonly [Side, Side] | undefined => {
  const m = contracting.dot.match(e)
  if (O.isNone(m)) return undefined
  const {
    params: p,
    args: [x, y],
  } = m.value
  return [
    { x, batch: p.leftBatch, summed: p.left, free: free(x, [...p.leftBatch, ...p.left]) },
    { x: y, batch: p.rightBatch, summed: p.right, free: free(y, [...p.rightBatch, ...p.right]) },
  ]
}

const isOne = (s: Side): boolean => s.summed.length === 1 && s.free.length === 1

/** Without a rounding to half precision. */
const unrounded = (x: Expr): Expr => (isHalf(x.type.dtype) ? (argsOf(elementwise.cast, x)[0] ?? x) : x)

interface Reading {
  readonly users: ReadonlyMap<Expr, ReadonlyArray<Expr>>
  readonly outputs: ReadonlySet<Expr>
}

const isReadOnce = ({ users, outputs }: Reading, x: Expr): boolean => !outputs.has(x) && (users.get(x) ?? []).length === 1

/** The mix `e` of values, its probabilities being argument `at`, as a region; nothing where it does not even look like it. */
const regionOf = (e: Apply, at: 0 | 1, r: Reading, now: (x: Expr) => Expr): Found | undefined => {
  const mix = sidesOf(e)
  if (mix === undefined) return undefined
  const [p, values] = [mix[at], mix[1 - at]]
  const softmax = softmaxOf(unrounded(p.x))
  if (softmax === undefined || !p.summed.includes(softmax.axis)) return undefined
  const missed = (why: string): Found => ({ _tag: 'Missed', why })
  const product = productOf(softmax.scores)
  if (typeof product === 'string') return missed(product)
  const both = sidesOf(product.dot)
  const rank = product.dot.type.shape.length
  const batch = range(rank - 2)
  if (both === undefined || !isOne(both[0]) || !isOne(both[1]) || !isOne(p) || !isOne(values))
    return missed('its products sum over several axes, or have several axes of tokens')
  if (rank > 4) return missed('it has more than two batch axes')
  const [axis, row, paired] = [product.axes[softmax.axis], product.axes[p.free[0]], p.batch.map((a) => product.axes[a])]
  if (axis < rank - 2 || row < rank - 2) return missed('its probabilities are normalised along a batch axis')
  if (!isReadOnce(r, unrounded(p.x)) || !isReadOnce(r, p.x)) return missed('its probabilities are read by others too')
  // keys are along the axis that is normalised
  const [queries, keys] = axis === rank - 1 ? both : [both[1], both[0]]
  const heads = (s: Side): Expr => laidOut(now(s.x), { batch: s.batch, token: s.free[0], column: s.summed[0] })
  const [q, k] = [heads(queries), heads(keys)]
  const v = laidOut(now(values.x), {
    batch: batch.map((b) => values.batch[paired.indexOf(b)]),
    token: values.summed[0],
    column: values.free[0],
  })
  if (!equalShape(q.type.shape, k.type.shape) || !equalShape(q.type.shape, v.type.shape))
    return missed('its queries, keys and values are not of one shape')
  const y = apply(attending.attention.op({ scale: product.scale }), [q, k, v], e.region)
  const [b, n, h, d] = y.type.shape
  // the axes of the mix: of the batch as they were paired, then the left's own, then the right's
  const places = rank === 4 ? [0, 2] : [0]
  const own = [rank === 2 ? 0 : 1, rank - 1]
  const flat = reshape(rank === 4 ? [b, n, h, d] : rank === 3 ? [b, n, d] : [n, d])(y)
  return {
    _tag: 'Region',
    value: cast(e.type.dtype)(transpose([...paired.map((a) => places[a]), ...(at === 0 ? own : own.reverse())])(flat)),
  }
}

interface Recognised {
  readonly graph: Graph
  readonly missed: ReadonlyArray<Missed>
}

const recognise = (g: Graph): Recognised => {
  const order = nodesOf(g)
  const reading: Reading = { users: usersOf(order), outputs: new Set(roots(g)) }
  const done = new Map<Expr, Expr>()
  const of = (e: Expr): Expr => done.get(e) ?? e
  const missed: Array<Missed> = []
  for (const e of order) {
    if (e._tag !== 'Apply') continue
    const since = mark()
    const found = regionOf(e, 0, reading, of) ?? regionOf(e, 1, reading, of)
    if (found?._tag === 'Missed') missed.push({ scope: scopeOf(e), why: found.why })
    if (found?._tag !== 'Region' && e.args.every((a) => of(a) === a)) continue
    const now = found?._tag === 'Region' ? found.value : apply(e.op, e.args.map(of), e.region)
    labelScope(scopeOf(e), since, [now])
    done.set(e, now)
  }
  return { graph: { name: g.name, outputs: g.outputs.map((o) => ({ ...o, expr: of(o.expr) })) }, missed }
}

/** Law, tested: `reference` gives the same values, and gradients, before and after. */
export const recogniseAttention: Rewrite<'forward'> = { name: 'attention', stage: 'forward', run: (g) => E.right(recognise(g).graph) }

/** What looks like attention in a forward graph and is no region, in order of evaluation. */
export const missedAttention = (g: Graph): ReadonlyArray<Missed> => recognise(g).missed

/** The regions of a graph, by the scopes in which they are computed. */
export const attentionsOf = (g: Graph): ReadonlyArray<string> =>
  nodesOf(g).flatMap((e) => (O.isSome(attending.attention.match(e)) ? [scopeOf(e)] : []))

/** What was found of attention in a forward graph, and what looked like it and was missed, with the reason. */
export const showAttention = (g: Graph): string => {
  const { graph, missed } = recognise(g)
  const regions = attentionsOf(graph).length
  const lines = missed.map((m) => `#   missed ${m.scope === '' ? 'at top level' : m.scope}: ${m.why}`)
  return `${[`# attention: ${regions} region${regions === 1 ? '' : 's'}, ${missed.length} missed`, ...lines].join('\n')}\n`
}
