/**
 * What ranks say to each other. N ranks run one program, each on tensors of its own; a collective is the same place of the program on
 * all of them. They come in adjoint pairs, as linear maps between what all ranks hold together:
 *
 * ```
 * allGather ↔ reduceScatter      the parts of all, joined ↔ the sum of all, of which each keeps its part
 * allReduce ↔ vary               the sum of all, the same on each ↔ one value that each goes on with by itself
 * shard     ↔ place              my part of what I have ↔ my part, zeros elsewhere
 * ```
 * A part is a share of one axis. The axis is a row of `blocks`, of each of which rank r has the r-th N-th: crop-major rows
 * `[crops B, …]` have one block of B images for each crop, so that a split of them is a split of images. Sums are in order of ranks.
 *
 * `lower` says what one rank alone computes, and no more: a scalar reads no other machine. Programs of several ranks run on targets
 * that have ranks, or side by side in one process (compiler/distribute/stack.ts); all others explain that they cannot
 * (compiler/distribute/alone.ts).
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Option } from 'fp-ts/lib/Option.js'
import { none, some } from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import type { Expr, Misuse, Pull } from '../core/expr.ts'
import type { Rules } from '../core/primitive.ts'
import { primitive } from '../core/primitive.ts'
import type { Scalar } from '../core/scalar.ts'
import * as S from '../core/scalar.ts'
import type { Shape, TensorType } from '../core/type.ts'
import { isDimension, isFloat, tensorType } from '../core/type.ts'
import { cast, div, equal, mul } from './elementwise.ts'

const among = t.strict({ ranks: t.number })
const reduction = t.strict({ ranks: t.number, op: t.keyof({ sum: null, max: null }) })
const cut = t.strict({ ranks: t.number, axis: t.number, blocks: t.readonlyArray(t.number) })

/** How an axis is cut: the blocks that it is a row of, by their extents on all ranks together. */
export type Cut = t.TypeOf<typeof cut>

const total = (blocks: ReadonlyArray<number>): number => blocks.reduce((n, b) => n + b, 0)

const isCut = ({ ranks, axis, blocks }: Cut, shape: Shape): boolean =>
  isDimension(ranks) && Number.isInteger(axis) && axis >= 0 && axis < shape.length && blocks.every((b) => isDimension(b / ranks))

const resized = (x: TensorType, axis: number, extent: number): TensorType =>
  tensorType(
    x.dtype,
    x.shape.map((d, a) => (a === axis ? extent : d)),
  )

/** The type of a rank's part of a tensor. */
export const partType = (x: TensorType, c: Cut): TensorType => resized(x, c.axis, total(c.blocks) / c.ranks)

const misused = (c: Cut, what: string): Misuse => ({
  allowed: `${what} whose axis ${c.axis} is of blocks of ${c.blocks.join(', ')}, each of which ${c.ranks} ranks share evenly`,
  remedy: 'split an axis that the ranks divide, or leave it whole',
})

/** A whole tensor in, a part out. */
const ofWhole = (c: Cut, x: TensorType): E.Either<Misuse, TensorType> =>
  isCut(c, x.shape) && x.shape[c.axis] === total(c.blocks) ? E.right(partType(x, c)) : E.left(misused(c, 'a tensor'))

/** A part in, the whole out. */
const ofPart = (c: Cut, x: TensorType): E.Either<Misuse, TensorType> =>
  isCut(c, x.shape) && x.shape[c.axis] * c.ranks === total(c.blocks)
    ? E.right(resized(x, c.axis, total(c.blocks)))
    : E.left(misused(c, "a rank's part of a tensor"))

const numbers: Misuse = { allowed: 'a tensor of numbers, and at least one rank', remedy: 'cast a bool to i32 or f32 first' }

/** A rank alone has the whole; among others it cannot say, and what it says instead is no number. */
const alone = (ranks: number, x: TensorType, out: TensorType): Scalar =>
  ranks === 1 ? S.read(0, x, S.axesOf(out)) : S.num(out.dtype, isFloat(out.dtype) ? NaN : 0)

const linear = (adjoint: (ct: Expr) => Expr, { args: [x], ct }: Pull): ReadonlyArray<Option<Expr>> => [
  isFloat(x.type.dtype) ? some(adjoint(ct)) : none,
]

const moving = (type: (c: Cut, x: TensorType) => E.Either<Misuse, TensorType>, adjoint: (c: Cut) => (x: Expr) => Expr): Rules<Cut> => ({
  params: cut,
  arity: 1,
  type: (c, [x]) => type(c, x),
  vjp: (c, pull) => linear(adjoint(c), pull),
  lower: (c, [x], out) => alone(c.ranks, x, out),
})

const summing = (type: (c: Cut, x: TensorType) => E.Either<Misuse, TensorType>, adjoint: (c: Cut) => (x: Expr) => Expr): Rules<Cut> => ({
  ...moving(type, adjoint),
  type: (c, [x]) => (x.dtype === 'bool' ? E.left(numbers) : type(c, x)),
})

export const collective = {
  /** The sum, or the largest, of what all ranks have, on each of them. The adjoint of the sum is `vary`. */
  allReduce: primitive('allReduce', {
    params: reduction,
    arity: 1,
    type: ({ ranks }, [x]) => (isDimension(ranks) && x.dtype !== 'bool' ? E.right(x) : E.left(numbers)),
    vjp: ({ ranks, op }, pull) => {
      const {
        args: [x],
        out,
        ct,
      } = pull
      if (op === 'sum' || !isFloat(x.type.dtype)) return linear(vary(ranks), pull)
      // ranks that have the largest share its cotangent
      const hit = cast(x.type.dtype)(equal(x, out))
      return [some(mul(hit, div(ct, allReduce(ranks)(hit))))]
    },
    lower: ({ ranks }, [x], out) => alone(ranks, x, out),
  }),
  /** The identity: from here on each rank goes on by itself. The adjoint is `allReduce`. */
  vary: primitive('vary', {
    params: among,
    arity: 1,
    type: ({ ranks }, [x]) => (isDimension(ranks) ? E.right(x) : E.left(numbers)),
    vjp: ({ ranks }, pull) => linear(allReduce(ranks), pull),
    lower: (_, [x], out) => S.read(0, x, S.axesOf(out)),
  }),
  /** The parts of all ranks joined, on each of them. The adjoint is `reduceScatter`. */
  allGather: primitive(
    'allGather',
    moving(ofPart, (c) => reduceScatter(c)),
  ),
  /** The sum of what all ranks have, of which each keeps its part. The adjoint is `allGather`. */
  reduceScatter: primitive(
    'reduceScatter',
    summing(ofWhole, (c) => allGather(c)),
  ),
  /** The part of a rank, of what it has whole. The adjoint is `place`. */
  shard: primitive(
    'shard',
    moving(ofWhole, (c) => place(c)),
  ),
  /** The part of a rank where it stands, zeros elsewhere. The adjoint is `shard`. */
  place: primitive(
    'place',
    summing(ofPart, (c) => shard(c)),
  ),
}

const cutting =
  (p: (c: Cut, x: Expr) => Expr) =>
  (c: Cut) =>
  (x: Expr): Expr =>
    p({ ranks: c.ranks, axis: c.axis, blocks: c.blocks }, x)

/** Sum over all ranks, or the largest. */
export const allReduce =
  (ranks: number, op: 'sum' | 'max' = 'sum') =>
  (x: Expr): Expr =>
    collective.allReduce({ ranks, op }, x)
export const vary =
  (ranks: number) =>
  (x: Expr): Expr =>
    collective.vary({ ranks }, x)
export const allGather = cutting(collective.allGather)
export const reduceScatter = cutting(collective.reduceScatter)
export const shard = cutting(collective.shard)
export const place = cutting(collective.place)
