/** The general contraction and its usual forms. */
import * as E from 'fp-ts/lib/Either.js'
import { some } from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import type { Expr } from '../core/expr.ts'
import { misuse, primitive } from '../core/primitive.ts'
import * as S from '../core/scalar.ts'
import type { Shape } from '../core/type.ts'
import { isFloat, range, showShape, sizeOf, tensorType } from '../core/type.ts'
import { broadcastTo, commonShape } from './broadcast.ts'
import { reshape, transpose } from './reshape.ts'

const axes = t.readonlyArray(t.number)
const pairs = t.strict({ leftBatch: axes, rightBatch: axes, left: axes, right: axes })
type Pairs = t.TypeOf<typeof pairs>

const isSet = (xs: ReadonlyArray<number>, rank: number): boolean =>
  new Set(xs).size === xs.length && xs.every((x) => Number.isInteger(x) && x >= 0 && x < rank)

const freeOf = (shape: Shape, batch: ReadonlyArray<number>, contracted: ReadonlyArray<number>): ReadonlyArray<number> =>
  range(shape.length).filter((a) => !batch.includes(a) && !contracted.includes(a))

/** The adjoint of one side: contract the cotangent with the other side's free axes, then put the axes back in order. */
const adjoint = (p: Pairs, x: Expr, y: Expr, ct: Expr, side: 'left' | 'right'): Expr => {
  const [xBatch, xContract, yBatch, yContract] =
    side === 'left' ? [p.leftBatch, p.left, p.rightBatch, p.right] : [p.rightBatch, p.right, p.leftBatch, p.left]
  const xFree = freeOf(x.type.shape, xBatch, xContract)
  const yFree = freeOf(y.type.shape, yBatch, yContract)
  const batch = range(p.leftBatch.length)
  const ctY = range(yFree.length).map((i) => batch.length + i + (side === 'left' ? xFree.length : 0))
  // dot(ct, y): batch, then x's free axes (what is left of ct), then x's contracted axes in the order of y's axes
  const d = contracting.dot({ leftBatch: batch, rightBatch: yBatch, left: ctY, right: yFree }, ct, y)
  const order = [...xBatch, ...xFree, ...[...yContract].sort((a, b) => a - b).map((a) => xContract[yContract.indexOf(a)])]
  return transpose(x.type.shape.map((_, a) => order.indexOf(a)))(d)
}

export const contracting = {
  /**
   * Batched contraction: axes `leftBatch[i]` and `rightBatch[i]` go together, axes `left[i]` and `right[i]` are multiplied
   * and summed. Result: batch axes, then the left's free axes, then the right's.
   */
  dot: primitive('dot', {
    params: pairs,
    arity: 2,
    type: (p, [x, y]) =>
      x.dtype === y.dtype &&
      isFloat(x.dtype) &&
      isSet([...p.leftBatch, ...p.left], x.shape.length) &&
      isSet([...p.rightBatch, ...p.right], y.shape.length) &&
      p.leftBatch.length === p.rightBatch.length &&
      p.left.length === p.right.length &&
      p.leftBatch.every((a, i) => x.shape[a] === y.shape[p.rightBatch[i]]) &&
      p.left.every((a, i) => x.shape[a] === y.shape[p.right[i]])
        ? E.right(
            tensorType(x.dtype, [
              ...p.leftBatch.map((a) => x.shape[a]),
              ...freeOf(x.shape, p.leftBatch, p.left).map((a) => x.shape[a]),
              ...freeOf(y.shape, p.rightBatch, p.right).map((a) => y.shape[a]),
            ]),
          )
        : E.left({
            allowed: `two float tensors of one dtype, equal on the axes that go together: batch ${showShape(p.leftBatch)} with ${showShape(p.rightBatch)}, summed ${showShape(p.left)} with ${showShape(p.right)}`,
            remedy: 'transpose an argument, or check the width of the layer before',
          }),
    vjp: (p, { args: [x, y], ct }) => [some(adjoint(p, x, y, ct, 'left')), some(adjoint(p, y, x, ct, 'right'))],
    lower: (p, [x, y], out) => {
      const at = S.axesOf(out)
      const xFree = freeOf(x.shape, p.leftBatch, p.left)
      const yFree = freeOf(y.shape, p.rightBatch, p.right)
      const index = (
        shape: Shape,
        batch: ReadonlyArray<number>,
        contracted: ReadonlyArray<number>,
        free: ReadonlyArray<number>,
        from: number,
      ): ReadonlyArray<S.Scalar> =>
        shape.map((d, a) =>
          batch.includes(a)
            ? at[batch.indexOf(a)]
            : contracted.includes(a)
              ? S.bound(contracted.indexOf(a), d)
              : at[from + free.indexOf(a)],
        )
      const product = S.binary(
        'mul',
        S.read(0, x, index(x.shape, p.leftBatch, p.left, xFree, p.leftBatch.length)),
        S.read(1, y, index(y.shape, p.rightBatch, p.right, yFree, p.leftBatch.length + xFree.length)),
      )
      return p.left.reduceRight((body: S.Scalar, a, i) => S.reduce('sum', i, x.shape[a], body), product)
    },
  }),
}

/** Which axes go together; see `contracting.dot`. */
export const dot =
  (p: Pairs) =>
  (x: Expr, y: Expr): Expr =>
    contracting.dot(p, x, y)

/** NumPy's matmul for ranks of at least 2: `[..., M, K] @ [..., K, N] -> [..., M, N]`, batch axes broadcast. */
export const matmul = (x: Expr, y: Expr): Expr => {
  const [a, b] = [x.type.shape, y.type.shape]
  const batch = commonShape(a.slice(0, -2), b.slice(0, -2))
  if (a.length < 2 || b.length < 2 || batch._tag === 'None' || a[a.length - 1] !== b[b.length - 2])
    return misuse('matmul', [x, y], {
      allowed: '[..., M, K] and [..., K, N] with one K, and leading axes that broadcast',
      remedy: 'transpose an argument, or check the width of the layer before',
    })
  const lead = range(batch.value.length)
  // a matrix on the right alone needs no batch: the left's leading axes are rows
  if (b.length === 2) return dot({ leftBatch: [], rightBatch: [], left: [a.length - 1], right: [0] })(x, y)
  const n = lead.length
  return dot({ leftBatch: lead, rightBatch: lead, left: [n + 1], right: [n] })(
    broadcastTo([...batch.value, ...a.slice(-2)])(x),
    broadcastTo([...batch.value, ...b.slice(-2)])(y),
  )
}

/** `x [..., I]` times the transpose of a weight `[O, I]`: PyTorch's linear without bias, `[..., O]`. */
export const linearMap = (x: Expr, weight: Expr): Expr =>
  weight.type.shape.length === 2 && x.type.shape[x.type.shape.length - 1] === weight.type.shape[1]
    ? dot({ leftBatch: [], rightBatch: [], left: [x.type.shape.length - 1], right: [1] })(x, weight)
    : misuse('linear', [x, weight], { allowed: 'x [..., I] and a weight [O, I] with one I', remedy: 'check the width of the layer before' })

/**
 * Einstein summation of two tensors by letters: `einsum('bqhd,bkhd->bhqk')(q, k)`. A letter in both inputs and in the
 * output is a batch axis; in both inputs alone, summed over; in one input alone it must be in the output.
 */
export const einsum =
  (spec: string) =>
  (x: Expr, y: Expr): Expr => {
    const parsed = /^([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]*)$/.exec(spec.replaceAll(' ', ''))
    const [l, r, out] = parsed === null ? [[], [], []] : parsed.slice(1).map((s) => s.split(''))
    const once = (letters: ReadonlyArray<string>): boolean => new Set(letters).size === letters.length
    const good =
      parsed !== null &&
      l.length === x.type.shape.length &&
      r.length === y.type.shape.length &&
      [l, r, out].every(once) &&
      out.every((c) => l.includes(c) || r.includes(c)) &&
      [...l, ...r].every((c) => out.includes(c) || (l.includes(c) && r.includes(c)))
    if (!good)
      return misuse('einsum', [x, y], {
        allowed: `two inputs and one output with a letter for each axis (asked: ${spec})`,
        remedy: 'name each axis once per tensor; a letter of one input alone must be in the output',
      })
    if (l.some((c, i) => r.includes(c) && x.type.shape[i] !== y.type.shape[r.indexOf(c)]))
      return misuse('einsum', [x, y], {
        allowed: `one size for each letter (asked: ${spec})`,
        remedy: 'check the letters, or the width of the layer before',
      })
    const shared = l.filter((c) => r.includes(c))
    const batch = shared.filter((c) => out.includes(c))
    const summed = shared.filter((c) => !out.includes(c))
    const at = (letters: ReadonlyArray<string>, cs: ReadonlyArray<string>): ReadonlyArray<number> => cs.map((c) => letters.indexOf(c))
    const d = dot({ leftBatch: at(l, batch), rightBatch: at(r, batch), left: at(l, summed), right: at(r, summed) })(x, y)
    const order = [...batch, ...l.filter((c) => !shared.includes(c)), ...r.filter((c) => !shared.includes(c))]
    return d._tag === 'Invalid' ? d : transpose(out.map((c) => order.indexOf(c)))(d)
  }

/** All elements as one row per leading axis: `[B, ...] -> [B, rest]`. */
export const flattenFrom =
  (axis: number) =>
  (x: Expr): Expr =>
    reshape([...x.type.shape.slice(0, axis), sizeOf(x.type.shape.slice(axis))])(x)
