/** Gram anchoring (Siméoni et al. 2025, eq. 2; dinov3 `loss/gram_loss.py` GramLoss). */
import type { Expr } from '../core/expr.ts'
import { misuse } from '../core/primitive.ts'
import { equalShape } from '../core/type.ts'
import { and, cast, div, less, maximum, not, square, stopGradient, sub, where } from '../ops/elementwise.ts'
import { einsum } from '../ops/contract.ts'
import { l2Normalize } from '../ops/nn.ts'
import { mean, sum } from '../ops/reduce.ts'
import { expandDims, reshape } from '../ops/reshape.ts'
import type { GramFeatures } from './features.ts'
import type { Loss } from './loss.ts'
import { pureLoss } from './loss.ts'

/**
 * What becomes of negative products.
 * `keep`: nothing. `remove`: those of student and teacher are zero (`remove_neg`). `remove-teacher`: those of the teacher are
 * zero (`remove_only_teacher_neg` as the released code does it). `remove-teacher-intended`: those of the teacher, and the student's
 * where both are negative (as a comment in that code says; there the teacher's are zeroed before they are looked at).
 */
export type Negatives = 'keep' | 'remove' | 'remove-teacher' | 'remove-teacher-intended'

export interface GramOptions {
  /** Brings every patch to unit length first, so that products are cosines. Default true. */
  readonly normalize?: boolean
  /** Products within each crop, or between all patches of the batch. Default `image`. */
  readonly level?: 'image' | 'batch'
  /** Default `keep`. */
  readonly negatives?: Negatives
  /** Which patches: all, or those that were hidden from the student, or the others; these two at batch level only. Default `all`. */
  readonly tokens?: 'all' | 'masked' | 'unmasked'
}

/** Both Gram matrices after the treatment of their negative entries. */
const treated = (student: Expr, teacher: Expr, negatives: Negatives): readonly [Expr, Expr] => {
  const positive = (x: Expr): Expr => where(less(x, 0), 0, x)
  switch (negatives) {
    case 'keep':
      return [student, teacher]
    case 'remove':
      return [positive(student), positive(teacher)]
    case 'remove-teacher':
      return [student, positive(teacher)]
    case 'remove-teacher-intended':
      return [where(and(less(student, 0), less(teacher, 0)), 0, student), positive(teacher)]
  }
}

/** Products of all pairs of patches within the first axis: `[R, N, D] -> [R, N, N]`. */
const products = (x: Expr): Expr => einsum('rid,rjd->rij')(x, x)

/** The mean over pairs of patches that are both kept, `[1, M, M]` and bool `[1, M]`; 0 where none is. */
const meanOfKept = (x: Expr, keep: Expr): Expr => {
  const pairs = and(expandDims(-1)(keep), expandDims(-2)(keep))
  return div(sum()(where(pairs, x, 0)), maximum(square(sum()(cast('f32')(keep))), 1))
}

const flaw = (o: Required<GramOptions>, student: Expr, teacher: Expr, mask: Expr | undefined): string | undefined =>
  student.type.shape.length !== 3 || !equalShape(student.type.shape, teacher.type.shape)
    ? 'patches [R, N, D] of student and teacher on one grid'
    : o.tokens !== 'all' && o.level === 'image'
      ? `level batch for ${o.tokens} patches, whose number differs between crops`
      : o.tokens !== 'all' && (mask === undefined || !equalShape(mask.type.shape, student.type.shape.slice(0, 2)))
        ? `the mask [R, N] that says which patches are ${o.tokens}`
        : undefined

/**
 *     L = mean over entries of ( X_s X_s^T - X_g X_g^T )²
 *
 * X_s, X_g: the patches of the student and of the network that it is anchored to, final-norm features `[R, N, D]` of the same
 * R = G B global crops, each patch to unit length. One `[N, N]` matrix per crop, or one of `[R N, R N]`. No gradient to X_g.
 * Term `gram`. Faults: other shapes; masked or unmasked patches at image level or without a mask.
 */
export const gram = (o: GramOptions = {}): Loss<GramFeatures> =>
  pureLoss('gram', ({ student, teacher }) => {
    const all: Required<GramOptions> = {
      normalize: o.normalize ?? true,
      level: o.level ?? 'image',
      negatives: o.negatives ?? 'keep',
      tokens: o.tokens ?? 'all',
    }
    const [ours, theirs, mask] = [student.global.patches, stopGradient(teacher.gram.patches), student.masked?.mask]
    const wrong = flaw(all, ours, theirs, mask)
    if (wrong !== undefined)
      return misuse('gram', [ours, theirs], {
        allowed: wrong,
        remedy: "resize the teacher's features to the grid of the student, or change the options of the loss",
      })
    const [crops, patches, width] = ours.type.shape
    const prepared = (x: Expr): Expr => {
      const flat = all.level === 'image' ? x : reshape([1, crops * patches, width])(x)
      return products(all.normalize ? l2Normalize(-1)(flat) : flat)
    }
    const [s, g] = treated(prepared(ours), prepared(theirs), all.negatives)
    const squares = square(sub(s, g))
    if (mask === undefined || all.tokens === 'all') return mean()(squares)
    const flat = reshape([1, crops * patches])(mask)
    return meanOfKept(squares, all.tokens === 'masked' ? flat : not(flat))
  })
