/** How a primitive is written in StableHLO. */
import * as O from 'fp-ts/lib/Option.js'
import type { Apply, Json } from '../../../core/expr.ts'
import type { Primitive } from '../../../core/primitive.ts'
import type { DType, TensorType } from '../../../core/type.ts'
import { isHalf, tensorType } from '../../../core/type.ts'
import { signature } from './syntax.ts'
import type { Operands, Writer } from './writer.ts'

/** Writes an application and gives the name of its result; nothing where its parameters are not this primitive's. */
export type Entry = (x: Operands, w: Writer, e: Apply) => string | undefined

export const entry =
  <P extends Json>(primitive: Primitive<P>, write: (p: P, x: Operands, w: Writer) => string): Entry =>
  (x, w, e) => {
    const found = primitive.match(e)
    return O.isSome(found) ? write(found.value.params, x, w) : undefined
  }

export const converted = (w: Writer, x: string, from: TensorType, to: DType): string =>
  from.dtype === to ? x : w.emit(`stablehlo.convert ${x} : ${signature([from], tensorType(to, from.shape))}`)

/** Sums of 16 bits are made in 32: the language rounds their results, not what they are made of. */
export const wide = (t: TensorType): TensorType => tensorType(isHalf(t.dtype) ? 'f32' : t.dtype, t.shape)

/** The part of a tensor from `start` on, of `size`. */
export const boxText = (start: ReadonlyArray<number>, size: ReadonlyArray<number>): string =>
  start.map((s, i) => `${s}:${s + size[i]}`).join(', ')
