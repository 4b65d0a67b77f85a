/** The KoLeo regulariser (Sablayrolles et al. 2019, eq. 2; dinov2 and dinov3 `loss/koleo_loss.py`). */
import { showAsked } from '../core/asked.ts'
import type { Expr } from '../core/expr.ts'
import { misuse } from '../core/primitive.ts'
import { add, equal, log, neg, sqrt, square, stopGradient, sub, where } from '../ops/elementwise.ts'
import { einsum } from '../ops/contract.ts'
import { gather, iota } from '../ops/gather.ts'
import { l2Normalize, topK } from '../ops/nn.ts'
import { mean, sum } from '../ops/reduce.ts'
import { expandDims, reshape } from '../ops/reshape.ts'
import type { ClassTokens, Features } from './features.ts'
import type { Loss } from './loss.ts'
import { pureLoss } from './loss.ts'

export interface KoleoOptions {
  /** Nearest neighbours of each row. Default 1. */
  readonly neighbours?: number
}

/** Added to every component of a difference, and to the distance; the smallest length that a row is divided by. */
const eps = 1e-8

/**
 * The `k` nearest neighbours of each row among the others of its group, by the largest product; nearest first.
 * Unit rows `[G, B, D]` -> i32 `[G, B, k]`. Fault: fewer than k others.
 */
export const nearest =
  (k: number) =>
  (x: Expr): Expr => {
    const [groups, rows] = x.type.shape
    if (!(x.type.shape.length === 3 && Number.isInteger(k) && k >= 1 && k < rows))
      return misuse('koleo', [x], {
        allowed: `groups of more than ${k} rows, [G, B, D] (asked: ${showAsked(k)} neighbours of each)`,
        remedy: 'give larger batches, or ask for fewer neighbours; a batch of one image has no KoLeo loss',
      })
    const products = einsum('gid,gjd->gij')(stopGradient(x), stopGradient(x))
    const self = equal(iota([groups, rows, rows], 1), iota([groups, rows, rows], 2))
    // less than any product of unit rows: no row is its own neighbour, not even beside its opposite, where the official -1 ties
    return topK(k)(where(self, -2, products)).indices
  }

/**
 *     L = - sum over global crops g  mean over i, j in NN(i)  ln( |x_gi - x_gj + eps| + eps ),    eps = 1e-8
 *
 * x `[G, B, D]`: the student's class tokens of the global crops before the head, to unit length; NN(i): the k rows of the same
 * crop with the largest product with x_i. The views of one image never meet. Gradient reaches both ends of a pair, and none
 * the choice. Term `koleo`. Recipes weigh it with 0.1.
 */
export const koleo = (o: KoleoOptions = {}): Loss<Features<ClassTokens>> =>
  pureLoss('koleo', ({ images, student }) => {
    const { neighbours = 1 } = o
    const width = student.global.cls.type.shape[1] ?? 1
    const x = l2Normalize(-1, eps)(reshape([-1, images, width])(student.global.cls))
    const near = gather(1, 1)(x, nearest(neighbours)(x))
    const distance = sqrt(sum({ axes: [-1] })(square(add(sub(expandDims(2)(x), near), eps))))
    return neg(sum()(mean({ axes: [1, 2] })(log(add(distance, eps)))))
  })
