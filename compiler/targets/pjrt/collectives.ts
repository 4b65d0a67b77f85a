/**
 * Collectives in StableHLO, among all devices of a program: each device runs it as one replica, and its rank is its replica's number.
 *
 * XLA knows one block of an axis, of which rank r has the r-th N-th. Where an axis is a row of blocks (ops/collective.ts), its parts are
 * put side by side first, or put back after:
 *
 * ```
 * blocks of a tensor, N = 2     [a0 a1 | b0 b1]   ↔   [a0 b0 | a1 b1]     by ranks
 * ```
 */
import { range, tensorType } from '../../../core/type.ts'
import type { TensorType } from '../../../core/type.ts'
import { collective } from '../../../ops/collective.ts'
import type { Cut } from '../../../ops/collective.ts'
import { starts } from '../../distribute/placement.ts'
import type { Entry } from './entry.ts'
import { boxText, converted, entry, wide } from './entry.ts'
import { scalarText, signature, typeText } from './syntax.ts'
import type { Operands, Writer } from './writer.ts'

const groups = (ranks: number): string => `replica_groups = dense<[[${range(ranks).join(', ')}]]> : tensor<1x${ranks}xi64>`

const resized = (t: TensorType, axis: number, extent: number): TensorType =>
  tensorType(
    t.dtype,
    t.shape.map((d, a) => (a === axis ? extent : d)),
  )

/** A tensor's slices along an axis, joined in the order in which they are named. */
const rejoined = (w: Writer, x: string, t: TensorType, axis: number, pieces: ReadonlyArray<readonly [number, number]>): string => {
  const types = pieces.map(([, size]) => resized(t, axis, size))
  const parts = pieces.map(([from], i) => {
    const start = t.shape.map((_, a) => (a === axis ? from : 0))
    return w.emit(`stablehlo.slice ${x} [${boxText(start, types[i].shape)}] : ${signature([t], types[i])}`)
  })
  return w.emit(`stablehlo.concatenate ${parts.join(', ')}, dim = ${axis} : ${signature(types, t)}`)
}

/** From blocks, each shared by all ranks, to what each rank has of all blocks. */
const byRanks = (w: Writer, x: string, t: TensorType, { ranks, axis, blocks }: Cut): string =>
  blocks.length === 1
    ? x
    : rejoined(
        w,
        x,
        t,
        axis,
        range(ranks).flatMap((r) => starts(blocks).map((from, i) => [from + (r * blocks[i]) / ranks, blocks[i] / ranks] as const)),
      )

/** The way back. */
const byBlocks = (w: Writer, x: string, t: TensorType, { ranks, axis, blocks }: Cut): string => {
  const each = t.shape[axis] / ranks
  return blocks.length === 1
    ? x
    : rejoined(
        w,
        x,
        t,
        axis,
        starts(blocks).flatMap((from, i) => range(ranks).map((r) => [r * each + from / ranks, blocks[i] / ranks] as const)),
      )
}

/** An operation of all ranks with a function of two elements, on 32 bits where elements have 16. */
const reducing = (w: Writer, op: string, by: 'add' | 'maximum', attributes: string, x: string, t: TensorType, out: TensorType): string => {
  const [from, to, v] = [wide(t), wide(out), scalarText(wide(t).dtype)]
  const sum = w.emit(
    [
      `"stablehlo.${op}"(${converted(w, x, t, from.dtype)}) <{${attributes}}> ({`,
      `      ^bb0(%x: ${v}, %y: ${v}):`,
      `        %z = stablehlo.${by} %x, %y : ${v}`,
      `        stablehlo.return %z : ${v}`,
      `      }) : ${signature([from], to)}`,
    ].join('\n'),
  )
  return converted(w, sum, to, out.dtype)
}

/** Where a rank's part begins, along each axis, of what is in order of ranks. */
const beginnings = (w: Writer, part: TensorType, axis: number): ReadonlyArray<string> => {
  const i = scalarText('i32')
  const number = w.emit('stablehlo.replica_id : tensor<ui32>')
  const rank = w.emit(`stablehlo.convert ${number} : (tensor<ui32>) -> ${i}`)
  const zero = w.splat(tensorType('i32', []), 0)
  const at = w.emit(`stablehlo.multiply ${rank}, ${w.splat(tensorType('i32', []), part.shape[axis])} : ${i}`)
  return part.shape.map((_, a) => (a === axis ? at : zero))
}

const indices = (t: TensorType): string => t.shape.map(() => scalarText('i32')).join(', ')

const shard = (c: Cut, { args: [x], types: [t], out }: Operands, w: Writer): string => {
  const ranked = byRanks(w, x, t, c)
  const at = beginnings(w, out, c.axis)
  return w.emit(
    `stablehlo.dynamic_slice ${ranked}, ${at.join(', ')}, sizes = [${out.shape.join(', ')}] : (${typeText(t)}, ${indices(t)}) -> ${typeText(out)}`,
  )
}

const place = (c: Cut, { args: [x], types: [t], out }: Operands, w: Writer): string => {
  const at = beginnings(w, t, c.axis)
  const placed = w.emit(
    `stablehlo.dynamic_update_slice ${w.splat(out, 0)}, ${x}, ${at.join(', ')} : (${typeText(out)}, ${typeText(t)}, ${indices(t)}) -> ${typeText(out)}`,
  )
  return byBlocks(w, placed, out, c)
}

/** Among one rank a collective is the identity. */
const among = (ranks: number, x: string, several: () => string): string => (ranks === 1 ? x : several())

const cutting = (primitive: typeof collective.shard, write: (c: Cut, x: Operands, w: Writer) => string): Entry =>
  entry(primitive, (c, x, w) => among(c.ranks, x.args[0], () => write(c, x, w)))

export const collectives: { readonly [N in keyof typeof collective]: Entry } = {
  allReduce: entry(collective.allReduce, ({ ranks, op }, { args: [x], types: [t], out }, w) =>
    among(ranks, x, () => reducing(w, 'all_reduce', op === 'sum' ? 'add' : 'maximum', groups(ranks), x, t, out)),
  ),
  vary: ({ args: [x] }) => x,
  allGather: cutting(collective.allGather, (c, { args: [x], types: [t], out }, w) => {
    const all = w.emit(`"stablehlo.all_gather"(${x}) <{all_gather_dim = ${c.axis} : i64, ${groups(c.ranks)}}> : ${signature([t], out)}`)
    return byBlocks(w, all, out, c)
  }),
  reduceScatter: cutting(collective.reduceScatter, (c, { args: [x], types: [t], out }, w) =>
    reducing(w, 'reduce_scatter', 'add', `scatter_dimension = ${c.axis} : i64, ${groups(c.ranks)}`, byRanks(w, x, t, c), t, out),
  ),
  shard: cutting(collective.shard, shard),
  place: cutting(collective.place, place),
}
