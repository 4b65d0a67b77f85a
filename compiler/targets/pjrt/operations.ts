/**
 * Primitives in StableHLO (openxla/stablehlo, docs/spec.md): one entry for each, so that one that is missing does not compile. This
 * target names primitives, as no other does: what it prints to has operations of its own, which say more than loops would.
 */
import type { DType, TensorType } from '../../../core/type.ts'
import { range, tensorType } from '../../../core/type.ts'
import type { attending } from '../../../ops/attention.ts'
import type { PrimitiveName } from '../../../ops/vocabulary.ts'
import { vocabulary } from '../../../ops/vocabulary.ts'
import { collectives } from './collectives.ts'
import type { Entry } from './entry.ts'
import { boxText, converted, entry, wide } from './entry.ts'
import { chosen, comparison, functions, kindOf } from './functions.ts'
import { scalarText, signature, typeText } from './syntax.ts'
import type { Operands, Writer } from './writer.ts'

const lowest = (dtype: DType): number => (dtype === 'i32' ? -(2 ** 31) : -Infinity)

const reduced = (
  w: Writer,
  op: string,
  x: string,
  from: TensorType,
  out: TensorType,
  axes: ReadonlyArray<number>,
  start: number,
): string => {
  const zero = w.splat(tensorType(from.dtype, []), start)
  return w.emit(
    `stablehlo.reduce(${x} init: ${zero}) applies stablehlo.${op} across dimensions = [${axes.join(', ')}] : ${signature([from, tensorType(from.dtype, [])], out)}`,
  )
}

/** The first of the largest along an axis: pairs of value and place, the smaller place at a tie. */
const argmax = (axis: number, { args: [x], types: [t], out }: Operands, w: Writer): string => {
  const places = tensorType('i32', t.shape)
  const where = w.emit(`stablehlo.iota dim = ${axis} : ${typeText(places)}`)
  const [low, first] = [w.splat(tensorType(t.dtype, []), lowest(t.dtype)), w.splat(tensorType('i32', []), 0)]
  const [v, i, kind] = [scalarText(t.dtype), scalarText('i32'), kindOf(t.dtype)]
  const types = `(${typeText(t)}, ${typeText(places)}, ${v}, ${i}) -> (${typeText(tensorType(t.dtype, out.shape))}, ${typeText(out)})`
  return w.emit(
    [
      `stablehlo.reduce(${x} init: ${low}), (${where} init: ${first}) across dimensions = [${axis}] : ${types}`,
      `      reducer(%x: ${v}, %y: ${v}) (%i: ${i}, %j: ${i}) {`,
      `        %more = stablehlo.compare GT, %x, %y, ${kind} : (${v}, ${v}) -> tensor<i1>`,
      `        %same = stablehlo.compare EQ, %x, %y, ${kind} : (${v}, ${v}) -> tensor<i1>`,
      `        %before = stablehlo.compare LT, %i, %j, SIGNED : (${i}, ${i}) -> tensor<i1>`,
      '        %tie = stablehlo.and %same, %before : tensor<i1>',
      '        %left = stablehlo.or %more, %tie : tensor<i1>',
      `        %value = stablehlo.select %left, %x, %y : tensor<i1>, ${v}`,
      `        %place = stablehlo.select %left, %i, %j : tensor<i1>, ${i}`,
      `        stablehlo.return %value, %place : ${v}, ${i}`,
      '      }',
    ].join('\n'),
    2,
    1,
  )
}

const list = (name: string, xs: ReadonlyArray<number>): ReadonlyArray<string> => (xs.length === 0 ? [] : [`${name} = [${xs.join(', ')}]`])

const from = (start: number, n: number): ReadonlyArray<number> => range(n).map((i) => start + i)

/** The axes of what is gathered that are not the list's own: those before the axis that are no batch, and those behind. */
const windowOf = (rank: number, axis: number, batch: number, own: number): ReadonlyArray<number> => [
  ...from(batch, axis - batch),
  ...from(axis + own, rank - axis - 1),
]

const gather = (p: { readonly axis: number; readonly batch: number }, { args, types: [x, index], out }: Operands, w: Writer): string => {
  const numbers = [
    ...list('offset_dims', windowOf(x.shape.length, p.axis, p.batch, index.shape.length - p.batch)),
    ...list('collapsed_slice_dims', [p.axis]),
    ...list('operand_batching_dims', range(p.batch)),
    ...list('start_indices_batching_dims', range(p.batch)),
    ...list('start_index_map', [p.axis]),
    `index_vector_dim = ${index.shape.length}`,
  ]
  const sizes = x.shape.map((d, i) => (i < p.batch || i === p.axis ? 1 : d))
  const attributes = `dimension_numbers = #stablehlo.gather<${numbers.join(', ')}>, indices_are_sorted = false, slice_sizes = array<i64: ${sizes.join(', ')}>`
  return w.emit(`"stablehlo.gather"(${args.join(', ')}) <{${attributes}}> : ${signature([x, index], out)}`)
}

const scatterAdd = (
  p: { readonly axis: number; readonly batch: number },
  { args: [values, places], types: [given, index], out }: Operands,
  w: Writer,
): string => {
  const [sums, v] = [wide(out), scalarText(wide(out).dtype)]
  const numbers = [
    ...list('update_window_dims', windowOf(out.shape.length, p.axis, p.batch, index.shape.length - p.batch)),
    ...list('inserted_window_dims', [p.axis]),
    ...list('input_batching_dims', range(p.batch)),
    ...list('scatter_indices_batching_dims', range(p.batch)),
    ...list('scatter_dims_to_operand_dims', [p.axis]),
    `index_vector_dim = ${index.shape.length}`,
  ]
  const attributes = `indices_are_sorted = false, unique_indices = false, scatter_dimension_numbers = #stablehlo.scatter<${numbers.join(', ')}>`
  const updates = converted(w, values, given, sums.dtype)
  const added = w.emit(
    [
      `"stablehlo.scatter"(${w.splat(sums, 0)}, ${places}, ${updates}) <{${attributes}}> ({`,
      `      ^bb0(%x: ${v}, %y: ${v}):`,
      `        %z = stablehlo.add %x, %y : ${v}`,
      `        stablehlo.return %z : ${v}`,
      `      }) : ${signature([sums, index, wide(given)], sums)}`,
    ].join('\n'),
  )
  return converted(w, added, sums, out.dtype)
}

const sum = (axes: ReadonlyArray<number>, { args: [x], types: [t], out }: Operands, w: Writer): string => {
  const sums = tensorType(wide(out).dtype, out.shape)
  return converted(w, reduced(w, 'add', converted(w, x, t, sums.dtype), wide(t), sums, axes, 0), sums, out.dtype)
}

const v = vocabulary

/** Attention is taken apart on the road. */
type Taken = keyof typeof attending

export const operations: { readonly [N in Exclude<PrimitiveName, Taken>]: Entry } = {
  ...functions,
  select: ({ args: [when, x, y], out }, w) => chosen(w, out, when, x, y),
  cast: entry(v.cast, ({ to }, x, w) =>
    to === 'bool' && x.types[0].dtype !== 'bool'
      ? comparison('NE')({ ...x, args: [x.args[0], w.splat(x.types[0], 0)] }, w)
      : converted(w, x.args[0], x.types[0], to),
  ),
  stopGradient: ({ args: [x] }) => x,
  ...collectives,
  reshape: ({ args: [x], types, out }, w) => w.emit(`stablehlo.reshape ${x} : ${signature(types, out)}`),
  transpose: entry(v.transpose, ({ perm }, { args: [x], types, out }, w) =>
    w.emit(`stablehlo.transpose ${x}, dims = [${perm.join(', ')}] : ${signature(types, out)}`),
  ),
  broadcast: entry(v.broadcast, ({ axes }, { args: [x], types, out }, w) =>
    w.emit(`stablehlo.broadcast_in_dim ${x}, dims = [${axes.join(', ')}] : ${signature(types, out)}`),
  ),
  sum: entry(v.sum, ({ axes }, x, w) => sum(axes, x, w)),
  reduceMax: entry(v.reduceMax, ({ axes }, { args: [x], types: [t], out }, w) => reduced(w, 'maximum', x, t, out, axes, lowest(t.dtype))),
  argmax: entry(v.argmax, ({ axis }, x, w) => argmax(axis, x, w)),
  slice: entry(v.slice, ({ start, size }, { args: [x], types, out }, w) =>
    w.emit(`stablehlo.slice ${x} [${boxText(start, size)}] : ${signature(types, out)}`),
  ),
  pad: entry(v.pad, ({ low, high }, { args: [x], types: [t], out }, w) => {
    const zero = tensorType(t.dtype, [])
    const between = low.map(() => 0)
    return w.emit(
      `stablehlo.pad ${x}, ${w.splat(zero, 0)}, low = [${low.join(', ')}], high = [${high.join(', ')}], interior = [${between.join(', ')}] : ${signature([t, zero], out)}`,
    )
  }),
  concat: entry(v.concat, ({ axis }, { args, types, out }, w) =>
    w.emit(`stablehlo.concatenate ${args.join(', ')}, dim = ${axis} : ${signature(types, out)}`),
  ),
  flip: entry(v.flip, ({ axes }, { args: [x], out }, w) =>
    w.emit(`stablehlo.reverse ${x}, dims = [${axes.join(', ')}] : ${typeText(out)}`),
  ),
  gather: entry(v.gather, gather),
  scatterAdd: entry(v.scatterAdd, scatterAdd),
  iota: entry(v.iota, ({ axis }, { out }, w) => w.emit(`stablehlo.iota dim = ${axis} : ${typeText(out)}`)),
  dot: entry(v.dot, (p, { args: [x, y], types, out }, w) => {
    const axes = `batching_dims = [${p.leftBatch.join(', ')}] x [${p.rightBatch.join(', ')}], contracting_dims = [${p.left.join(', ')}] x [${p.right.join(', ')}]`
    const as = (name: string, t: TensorType, to: DType): readonly [string, TensorType] => [
      converted(w, name, t, to),
      tensorType(to, t.shape),
    ]
    const operand = w.precision === 'bf16' && out.dtype === 'f32' ? 'bf16' : out.dtype
    const [[a, left], [b, right]] = [as(x, types[0], operand), as(y, types[1], operand)]
    const exactly = w.precision === 'tf32' ? 'HIGH' : 'HIGHEST'
    const product = w.emit(
      `stablehlo.dot_general ${a}, ${b}, ${axes}, precision = [${exactly}, ${exactly}] : ${signature([left, right], wide(out))}`,
    )
    return converted(w, product, wide(out), out.dtype)
  }),
}
