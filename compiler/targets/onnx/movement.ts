/** Primitives that move entries or add them up. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { range } from '../../../core/type.ts'
import { broadcasting } from '../../../ops/broadcast.ts'
import { gathering } from '../../../ops/gather.ts'
import { reducing } from '../../../ops/reduce.ts'
import { windowing } from '../../../ops/window.ts'
import { reshaping } from '../../../ops/reshape.ts'
import type { Builder, Value } from './builder.ts'
import { castTo, filled, full, plainValue, reshaped, transposed } from './builder.ts'
import type { Site } from './operator.ts'
import { fullArgs, operator } from './operator.ts'
import type { Size } from './size.ts'
import { constant, equalSize, isOne, plus, product } from './size.ts'

const axesVector = (b: Builder, axes: ReadonlyArray<number>): string => b.constant('i64', [axes.length], axes)

const right = (v: Value): Either<string, Value> => E.right(v)

/** Behind the end of any axis. */
const end = 2n ** 63n - 1n

/** Before its begin, for steps backwards. */
const beforeBegin = -(2n ** 63n) + 1n

/** Whether a stretch from `start` reaches the end of an axis. */
const reaches = (start: Size, size: Size, axis: Size): boolean => equalSize(plus(start, size), axis)

const sliced = (s: Site, start: ReadonlyArray<Size>, size: ReadonlyArray<Size>): Value => {
  const [given] = s.args
  const cut = range(size.length).filter((a) => !equalSize(size[a], given.shape[a]))
  if (cut.length === 0) return given
  const v = cut.some((a) => given.thin.has(a)) ? full(s.b, given) : given
  const stops = cut.map((a) =>
    reaches(start[a], size[a], given.shape[a]) ? s.b.constant('i64', [1], [end]) : s.b.sizes([plus(start[a], size[a])]),
  )
  const name = s.b.node('Slice', [
    v.name,
    s.b.sizes(cut.map((a) => start[a])),
    stops.length === 1 ? stops[0] : s.b.node('Concat', stops, { axis: 0 }),
    axesVector(s.b, cut),
  ])
  return { ...v, name, shape: size }
}

/** The entry at a list's positions along `axis`, `batch` axes before being shared. */
const gathered = (s: Site, axis: number, batch: number): Value => {
  const [x, index] = fullArgs(s)
  if (batch === 0) return plainValue(s.b.node('Gather', [x.name, index.name], { axis }), s.dtype, s.shape)
  // GatherND replaces the axis right behind the shared ones, so the gathered one is brought there and its list's axes back
  const rank = x.shape.length
  const own = index.shape.length - batch
  const front = [...range(batch), axis, ...range(rank).filter((a) => a >= batch && a !== axis)]
  const positions = s.b.node('Unsqueeze', [castTo(s.b, index.name, 'i64'), axesVector(s.b, [index.shape.length])])
  const name = s.b.node('GatherND', [transposed(s.b, x, front).name, positions], { batch_dims: batch })
  const back = [...range(batch), ...range(axis - batch).map((a) => batch + own + a), ...range(own).map((a) => batch + a)]
  const perm = [...back, ...range(s.shape.length).slice(back.length)]
  const moved = plainValue(
    name,
    s.dtype,
    perm.map((_, k) => s.shape[perm.indexOf(k)]),
  )
  return transposed(s.b, moved, perm)
}

/** Zeros with values added where a list says, along `axis`. */
const scattered = (s: Site, axis: number, batch: number): Value => {
  const [values, index] = fullArgs(s)
  const own = index.shape.length - batch
  // the list's own axes as one
  const rows = product(index.shape.slice(batch))
  const shape = [...values.shape.slice(0, axis), rows, ...values.shape.slice(axis + own)]
  const list = shape.map((d, a) => (a < batch || a === axis ? d : constant(1)))
  const positions = s.b.node('Expand', [reshaped(s.b, castTo(s.b, index.name, 'i64'), index.shape, list), s.b.sizes(shape)])
  const inputs = [full(s.b, filled(s.b, s.dtype, s.shape, 0)).name, positions, reshaped(s.b, values.name, values.shape, shape)]
  return plainValue(s.b.node('ScatterElements', inputs, { axis, reduction: 'add' }), s.dtype, s.shape)
}

export const movement = {
  reshape: operator(reshaping.reshape, (s) => {
    const [x] = fullArgs(s)
    return right(plainValue(reshaped(s.b, x.name, x.shape, s.shape), s.dtype, s.shape))
  }),
  transpose: operator(reshaping.transpose, (s) => right(transposed(s.b, s.args[0], s.params.perm))),
  broadcast: operator(broadcasting.broadcast, ({ params: { axes }, args: [x], b, dtype, shape }) => {
    const fresh = range(shape.length).filter((a) => !axes.includes(a))
    const name = fresh.length === 0 ? x.name : b.node('Unsqueeze', [x.name, axesVector(b, fresh)])
    const thin = new Set([...[...x.thin].map((a) => axes[a]), ...fresh.filter((a) => !isOne(shape[a]))])
    return right({ name, dtype, shape, thin })
  }),
  sum: operator(broadcasting.sum, (s) => {
    const [x] = fullArgs(s)
    // no axes would be all of them
    if (s.params.axes.length === 0) return right(x)
    return right(plainValue(s.b.node('ReduceSum', [x.name, axesVector(s.b, s.params.axes)], { keepdims: 0 }), s.dtype, s.shape))
  }),
  reduceMax: operator(reducing.reduceMax, (s) => {
    // the largest of equal entries is any of them
    const [x] = s.args
    const kept = range(x.shape.length).filter((a) => !s.params.axes.includes(a))
    const thin = new Set(kept.flatMap((a, k) => (x.thin.has(a) ? [k] : [])))
    return right({ name: s.b.node('ReduceMax', [x.name], { axes: s.params.axes, keepdims: 0 }), dtype: s.dtype, shape: s.shape, thin })
  }),
  argmax: operator(reducing.argmax, (s) => {
    const [x] = fullArgs(s)
    return right(plainValue(castTo(s.b, s.b.node('ArgMax', [x.name], { axis: s.params.axis, keepdims: 0 }), 'i32'), s.dtype, s.shape))
  }),
  slice: operator(windowing.slice, (s) =>
    right(
      sliced(
        s,
        s.sizesOf((p) => p.start),
        s.shape,
      ),
    ),
  ),
  pad: operator(windowing.pad, (s) => {
    // onnxruntime pads no scalars
    if (s.shape.length === 0) return right(s.args[0])
    const [x] = fullArgs(s)
    const pads = s.b.sizes([...s.sizesOf((p) => p.low), ...s.sizesOf((p) => p.high)])
    return right(plainValue(s.b.node('Pad', [x.name, pads, s.b.constant(s.dtype, [], [0])]), s.dtype, s.shape))
  }),
  concat: operator(windowing.concat, (s) => {
    const parts = fullArgs(s).map((v) => v.name)
    return right(plainValue(s.b.node('Concat', parts, { axis: s.params.axis }), s.dtype, s.shape))
  }),
  flip: operator(windowing.flip, (s) => {
    const { b, args, params, shape } = s
    const axes = params.axes.filter((a) => !isOne(shape[a]) && !args[0].thin.has(a))
    if (axes.length === 0) return right(args[0])
    const all = (n: number | bigint): string =>
      b.constant(
        'i64',
        [axes.length],
        axes.map(() => n),
      )
    return right({ ...args[0], name: b.node('Slice', [args[0].name, all(-1), all(beforeBegin), axesVector(b, axes), all(-1)]) })
  }),
  gather: operator(gathering.gather, (s) => right(gathered(s, s.params.axis, s.params.batch))),
  scatterAdd: operator(gathering.scatterAdd, (s) => right(scattered(s, s.params.axis, s.params.batch))),
  iota: operator(gathering.iota, ({ params: { axis }, b, dtype, shape }) => {
    const scalar = (name: string): string => b.node('Squeeze', [castTo(b, name, 'i32'), axesVector(b, [0])])
    const line = b.node('Range', [b.constant('i32', [], [0]), scalar(b.sizes([shape[axis]])), b.constant('i32', [], [1])])
    const others = range(shape.length).filter((a) => a !== axis)
    const name = others.length === 0 ? line : b.node('Unsqueeze', [line, axesVector(b, others)])
    return right({ name, dtype, shape, thin: new Set(others.filter((a) => !isOne(shape[a]))) })
  }),
}
