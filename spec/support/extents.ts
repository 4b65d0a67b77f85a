/**
 * Random graphs of odd and tiny extents and of ranks 0 to 5: sums and norms of different reach over one tensor, kernels that differ in
 * one thing alone, several outputs with shared parts, f16 and bf16 in memory, states that are replaced while others read them, gradients.
 *
 * Values stay of the order of 1. What jumps (a maximum, a comparison) is asked of given values and their moves alone, which every target
 * holds exactly.
 */
import type { Expr } from '../../core/expr.ts'
import { fill, leaf, table } from '../../core/expr.ts'
import type { Output } from '../../core/graph.ts'
import { state, value } from '../../core/graph.ts'
import type { DType } from '../../core/type.ts'
import { isFloat, isHalf, range, sizeOf, tensorType } from '../../core/type.ts'
import { dot } from '../../ops/contract.ts'
import * as e from '../../ops/elementwise.ts'
import { iota, scatterAdd } from '../../ops/gather.ts'
import { gelu, logSumExp, sigmoid, silu, softmax } from '../../ops/nn.ts'
import { max, mean, sum } from '../../ops/reduce.ts'
import { reshape } from '../../ops/reshape.ts'
import { grad } from '../../compiler/grad.ts'
import type { Asked, Chooser, Generator } from './generator.ts'
import { chooser, latest } from './generator.ts'
import type { RandomGraph, Steps } from './graphs.ts'
import { axes, beside, dims, moved, part, positions, rank, ranked, shapedAs, trimmed } from './movements.ts'
import type { Tensor } from './tensor.ts'
import { input, tensor } from './tensor.ts'
import { uniformOf } from './values.ts'

const extents = [1, 2, 3, 7, 17, 24]

const shapeOf = (c: Chooser): ReadonlyArray<number> =>
  range(c.nat(6)).reduce((shape: ReadonlyArray<number>) => {
    const d = c.of(extents)
    return [...shape, sizeOf(shape) * d > 1200 ? 1 + (d % 3) : d]
  }, [])

/** Given values and their moves; what has been computed; what is handed out besides what was made last. */
interface Pool {
  readonly given: ReadonlyArray<Expr>
  readonly made: ReadonlyArray<Expr>
  readonly shown: ReadonlyArray<Expr>
}

const any = (c: Chooser, p: Pool): Expr => latest(c, c.nat(4) === 0 ? p.given : p.made)

/** sum / sqrt n: as large as what is summed. */
const sumOf =
  (over: ReadonlyArray<number>, keep: boolean) =>
  (x: Expr): Expr =>
    e.mul(sum({ axes: over, keep })(x), 1 / Math.sqrt(sizeOf(over.map((a) => dims(x)[a]))))

const normed =
  (over: ReadonlyArray<number>) =>
  (x: Expr): Expr => {
    const centred = e.sub(x, mean({ axes: over, keep: true })(x))
    return e.mul(centred, e.rsqrt(e.add(mean({ axes: over, keep: true })(e.square(centred)), 0.1)))
  }

const rooted =
  (over: ReadonlyArray<number>) =>
  (x: Expr): Expr =>
    e.mul(x, e.rsqrt(e.add(mean({ axes: over, keep: true })(e.square(x)), 0.1)))

/** All axes of an extent that both have, in pairs; some are batches, some are summed. */
const contracted = (c: Chooser, x: Expr, y: Expr): Expr => {
  const pairs: Array<readonly [number, number]> = []
  for (const a of axes(x)) {
    const b = axes(y).find((k) => dims(y)[k] === dims(x)[a] && !pairs.some(([, used]) => used === k))
    if (b !== undefined && pairs.length < 3) pairs.push([a, b])
  }
  const kinds = pairs.map((_, i) => (i === 0 ? 1 : c.nat(3)))
  const take = (kind: number, side: 0 | 1): ReadonlyArray<number> => pairs.filter((_, i) => kinds[i] === kind).map((p) => p[side])
  const free = (kind: number): boolean => kind === 2
  const [left, right, leftBatch, rightBatch] = [take(1, 0), take(1, 1), take(0, 0), take(0, 1)]
  const size = (sizeOf(dims(x)) * sizeOf(dims(y))) / sizeOf(left.map((a) => dims(x)[a])) ** 2 / sizeOf(leftBatch.map((a) => dims(x)[a]))
  if (size > 4000 || kinds.every(free)) return e.mul(x, beside(x, y))
  return e.mul(dot({ leftBatch, rightBatch, left, right })(x, y), 1 / Math.sqrt(sizeOf(left.map((a) => dims(x)[a]))))
}

const unary: ReadonlyArray<(x: Expr) => Expr> = [
  e.tanh,
  e.sin,
  e.erf,
  gelu,
  silu,
  sigmoid,
  (x) => e.exp(e.neg(e.square(x))),
  (x) => e.log(e.add(e.square(x), 1)),
  (x) => e.sqrt(e.add(e.square(x), 0.5)),
  (x) => e.rsqrt(e.add(e.square(x), 0.5)),
  (x) => e.neg(e.cos(x)),
  (x) => e.mul(x, -0.75),
  (x) => e.div(x, 1.25),
]

/** Both have the shape of the first, or a larger one. */
const binary: ReadonlyArray<(x: Expr, y: Expr) => Expr> = [
  e.add,
  e.sub,
  (x, y) => e.sub(y, x),
  (x, y) => e.mul(x, e.tanh(y)),
  (x, y) => e.div(x, e.add(e.square(y), 1)),
  (x, y) => e.mul(e.add(x, 0.5), y),
]

/** What a reduction does over some axes; all give the order of 1. */
const reducing: ReadonlyArray<(over: ReadonlyArray<number>) => (x: Expr) => Expr> = [
  (over) => sumOf(over, false),
  (over) => sumOf(over, true),
  (over) => mean({ axes: over }),
  normed,
  rooted,
  (over) => (x) => (over.length === 0 ? x : softmax(over[0])(x)),
  (over) => (x) => (over.length === 0 ? x : e.tanh(logSumExp(over[over.length - 1])(x))),
  (over) => (x) => e.sqrt(e.add(sumOf(over, false)(e.square(x)), 0.1)),
]

/** The same function of a tensor and of another reach of it: kernels that differ in an extent, a stride or an offset. */
const twins = (c: Chooser, x: Expr, anchor: Expr): ReadonlyArray<Expr> => {
  const f = c.of(reducing)
  const every = c.bit()
  const over = c.some(axes(x), 1)
  const reach = (t: Expr): ReadonlyArray<number> => (every ? axes(t) : over.filter((a) => a < rank(t)))
  const other = c.nat(4) === 0 ? moved(c, x) : part(c, x)
  const one = f(reach(x))(x)
  const two = f(c.nat(4) === 0 ? c.some(axes(other), 1) : reach(other))(other)
  const first = e.add(anchor, beside(anchor, one))
  return c.bit() ? [first, e.add(first, beside(first, two))] : [first, e.add(anchor, beside(anchor, two))]
}

const grown =
  (asked: Asked) =>
  (p: Pool, [kind, ...choices]: ReadonlyArray<number>): Pool => {
    const c = chooser(choices)
    const make = (made: Expr): Pool => ({ ...p, made: [...p.made, trimmed(made)] })
    const give = (given: Expr): Pool => ({ ...p, given: [...p.given, trimmed(given)] })
    const x = any(c, p)
    switch (kind % 12) {
      case 0:
        return give(moved(c, latest(c, p.given)))
      case 1: {
        const g = ranked(latest(c, p.given))
        return c.bit() ? give(max({ axes: c.some(axes(g), 1), keep: c.bit() })(g)) : give(e.minimum(g, e.neg(g)))
      }
      case 2:
        return make(c.of(unary)(x))
      case 3: {
        const y = any(c, p)
        return make(c.of(binary)(e.tanh(x), beside(x, y)))
      }
      case 4:
      case 5:
        return make(moved(c, x))
      case 6:
        return make(c.of(reducing)(c.some(axes(x)))(x))
      case 7:
      case 8: {
        const t = ranked(x)
        const anchor = c.bit() ? t : latest(c, p.made)
        const pair = twins(c, t, anchor).map(trimmed)
        return { ...p, made: [...p.made, ...pair], shown: [...p.shown, ...pair].slice(-4) }
      }
      case 9:
        return make(contracted(c, e.tanh(ranked(x)), e.tanh(ranked(any(c, p)))))
      case 10: {
        const g = latest(c, p.given)
        const when = e.less(g, c.of([0, 0.25]))
        const y = beside(g, x)
        return c.bit() ? make(e.where(when, y, c.of([0, -1, 0.5]))) : make(e.add(e.where(when, g, y), y))
      }
      default: {
        if (asked.half && c.nat(3) > 0) return make(e.cast('f32')(e.cast(c.of(['f16', 'bf16'] as const))(x)))
        const t = ranked(x)
        const at = c.nat(rank(t))
        return make(scatterAdd(at, 5)(t, positions(dims(t)[at], 5, c.nat(5))))
      }
    }
  }

interface Leaves {
  readonly pool: Pool
  readonly floats: ReadonlyArray<Expr>
  readonly states: ReadonlyArray<Expr>
  readonly values: ReadonlyMap<string, Tensor>
}

const leavesOf = (choices: ReadonlyArray<number>, { half }: Asked): Leaves => {
  const c = chooser(choices)
  const [first, second, held] = [shapeOf(c), shapeOf(c), shapeOf(c)]
  const values = new Map<string, Tensor>()
  const given = (path: string, shape: ReadonlyArray<number>): Expr => {
    values.set(path, uniformOf(path, shape))
    return input(path, shape)
  }
  const kept = (tag: 'Param' | 'State', path: string, shape: ReadonlyArray<number>, dtype: DType = 'f32'): Expr => {
    values.set(path, { type: tensorType(dtype, shape), values: uniformOf(path, shape).values })
    return leaf(tensorType(dtype, shape), { _tag: tag, path })
  }
  const inputs = [given('x', first), given('y', first.slice(1)), given('z', second), given('c', [])]
  const frozen = kept('Param', 'frozen', second.slice(-1))
  const weight = kept('Param', 'w', first.slice(-1))
  const states = range(3).map((i) => kept('State', `s${i}`, held))
  const narrow = half ? [kept('Param', 'h', first.slice(-2), 'f16'), kept('State', 't', held, 'bf16')] : []
  const step = leaf(tensorType('f32', []), { _tag: 'Hyper', path: 'hyper.step' })
  values.set('hyper.step', tensor('f32', [], [0.3]))
  const noise = leaf(tensorType('f32', second), { _tag: 'Draw', path: 'noise', distribution: { _tag: 'Normal', mean: 0, std: 1 } })
  const constant = table('f32', [3], [0.5, -0.25, 0.75])
  return {
    pool: {
      given: [constant, frozen, ...inputs],
      made: [noise, e.mul(step, inputs[3]), weight, ...narrow.map(e.cast('f32')), ...states],
      shown: [],
    },
    floats: [...inputs, frozen, weight, ...states, ...narrow],
    states: [...states, ...narrow.slice(1)],
    values,
  }
}

/** What becomes of the states: some are swapped, some are mixed with others' old or new values, some with themselves moved. */
const updates = (c: Chooser, states: ReadonlyArray<Expr>, p: Pool): ReadonlyArray<Output> => {
  const [a, b, third] = states
  const wide = e.cast('f32')
  const fitted = (x: Expr): Expr => shapedAs(dims(a), e.tanh(x))
  const mixed = (x: Expr, y: Expr): Expr => e.add(e.mul(x, 0.5), e.mul(y, 0.5))
  const itself = shapedAs(dims(a), moved(c, a))
  const ways: ReadonlyArray<() => ReadonlyArray<Expr>> = [
    () => [b, a, mixed(third, fitted(latest(c, p.made)))],
    () => [b, third, a],
    () => {
      const now = mixed(a, fitted(latest(c, p.made)))
      return [now, mixed(b, now), mixed(third, a)]
    },
    () => [mixed(a, itself), mixed(b, shapedAs(dims(a), moved(c, a))), a],
    () => [a, mixed(a, b), mixed(b, itself)],
    () => [fill('f32', dims(a), 0.25), e.tanh(e.add(a, b)), e.tanh(e.add(a, b))],
  ]
  const after = c.of(ways)()
  return states.map((s, i) => state(i === 3 ? 't' : `s${i}`, isHalf(s.type.dtype) ? e.cast(s.type.dtype)(mixed(wide(s), a)) : after[i]))
}

const make = ([first = [], ...rest]: Steps, asked: Asked): RandomGraph => {
  const { pool: start, floats, states, values } = leavesOf(first, asked)
  const p = rest.reduce(grown(asked), start)
  const c = chooser([...first].reverse())
  const last = [...p.shown, ...p.made.slice(-3)].filter((x, i, all) => isFloat(x.type.dtype) && all.indexOf(x) === i)
  // terms of both signs, so that the sum stays as large as they are
  const signed = (x: Expr, i: number): Expr =>
    reshape(dims(x))(e.mul(e.sub(e.cast('f32')(e.mod(e.add(e.mul(iota([sizeOf(dims(x))]), 5), i), 7)), 3.25), 0.5))
  const weighed = last.map((x, i) => sumOf(axes(x), false)(e.mul(e.mul(x, signed(x, i)), e.add(x, 1.5))))
  const loss = weighed.reduce((x, y) => e.add(x, y), fill('f32', [], 0))
  const gradients = grad(loss, floats)
  const w = floats.findIndex((x) => x._tag === 'Leaf' && x.source._tag === 'Param' && x.source.path === 'w')
  const moving = e.sub(floats[w], e.mul(e.tanh(gradients[w]), 0.1))
  return {
    graph: {
      name: 'extents',
      outputs: [
        value('loss', loss),
        ...last.map((x, i) => value(`out${i}`, x)),
        value('given', p.given[p.given.length - 1]),
        ...gradients.flatMap((g, i) => (i === w ? [] : [value(`grad${i}`, g)])),
        state('w', moving),
        ...updates(c, states, p),
      ],
    },
    floats,
    values,
  }
}

export const extentGraphs: Generator = { name: 'extents', steps: 14, numbers: 12, make }
