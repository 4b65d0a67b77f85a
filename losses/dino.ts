/** The DINO loss (Caron et al. 2021, eq. 2 and 3; dino `main_dino.py` DINOLoss; dinov2 and dinov3 `loss/dino_clstoken_loss.py`). */
import type { Expr } from '../core/expr.ts'
import { hyper } from '../core/leaves.ts'
import { misuse } from '../core/primitive.ts'
import { add, div, mul, neg, sub } from '../ops/elementwise.ts'
import { logSoftmax } from '../ops/nn.ts'
import { mean, sum } from '../ops/reduce.ts'
import { reshape } from '../ops/reshape.ts'
import type { Centring } from './centring.ts'
import { centre } from './centring.ts'
import type { Features, Logits } from './features.ts'
import type { Loss, Term } from './loss.ts'
import type { PairSum, SamePairs } from './pairs.ts'
import { meanOfPairs, pairSum } from './pairs.ts'

export interface DinoOptions {
  /** K, the number of prototypes. */
  readonly prototypes: number
  /** Default 0.1. */
  readonly studentTemperature?: number
  /** The hyper that gives the teacher's temperature at every step. Default `teacher_temp`. */
  readonly temperature?: string
  /** Share of the old centre in the new one. Default 0.9. */
  readonly centreMomentum?: number
  /** Another way to targets than a centre: `sinkhorn()`. */
  readonly centring?: Centring
  /** Whether a global crop also meets itself. Default `skip`. */
  readonly same?: SamePairs
  /** Gives the parts of global and local crops as terms of their own, `dino.global` and `dino.local`. Default false. */
  readonly split?: boolean
  /** The hyper that multiplies the local crops' part at every step; the number of pairs P stays. Implies `split`. Default: none. */
  readonly localWeight?: string
}

/** Rows `[C B, K]`, crop-major, as crops `[C, B, K]`. */
const crops = (rows: Expr, images: number): Expr => reshape([-1, images, rows.type.shape[rows.type.shape.length - 1] ?? 1])(rows)

/** A part of the pairs as a term: their mean, which counts as many times as it has pairs. */
const part = (name: string, p: PairSum, images: number, pairs: number, weight: string | undefined): ReadonlyArray<Term> => {
  const value = meanOfPairs(p, images)
  return value === undefined ? [] : [{ name, value, scale: p.pairs / pairs, factors: weight === undefined ? [] : [hyper(weight)] }]
}

/**
 *     min over theta_s of  1/P  sum over x in {x1g, x2g}  sum over x' in V, x' != x  of  H(P_t(x), P_s(x'))
 *
 * H(a, b) = -sum_k a_k log b_k, mean over the B images; P = G (V - 1) pairs, 2 V - 2 for two global crops: all but those of
 * a crop with itself, or all G V with `same: keep`. P_s = softmax(z_s / tau_s), P_t = softmax((z_t - c) / tau_t) or as the
 * centring says.
 *
 * Student logits `[G B, K]` and, with local crops, `[L B, K]`; teacher logits `[G B, K]`; V = G + L. Term `dino`, or
 * `dino.global` and `dino.local`, the mean of each part, which add up to it in the shares of their pairs; metrics:
 * `entropy`, the mean entropy of the targets (ln K when the teacher is uniform, 0 when it is certain), and `kl`, the mean
 * KL(P_t, P_s) = dino - entropy. State `dino.center [1, K]`. Faults: logits that are no whole number of crops; one crop alone.
 */
export const dino = (o: DinoOptions): Loss<Features<Logits>> => {
  const { studentTemperature = 0.1, temperature = 'teacher_temp', centreMomentum = 0.9, same = 'skip', localWeight } = o
  const centring = o.centring ?? centre({ path: 'dino.center', prototypes: o.prototypes, momentum: centreMomentum })
  return {
    state: centring.state,
    run:
      ({ images, student, teacher }) =>
      (state) => {
        const [targets, next] = centring.run(teacher.global.logits, hyper(temperature))(state)
        const said = (logits: Expr): Expr => crops(logSoftmax(-1)(div(logits, studentTemperature)), images)
        const expected = crops(targets.probabilities, images)
        const global = pairSum(expected, said(student.global.logits), same)
        const local = student.local === undefined ? undefined : pairSum(expected, said(student.local.logits), 'keep')
        const pairs = global.pairs + (local?.pairs ?? 0)
        const [first, second] = [global.sum, local?.sum].filter((x) => x !== undefined)
        const value =
          first === undefined
            ? misuse('dino', [student.global.logits, teacher.global.logits], {
                allowed: 'at least two crops of each image',
                remedy: 'give two global crops, or local crops',
              })
            : mul(neg(second === undefined ? first : add(first, second)), 1 / (images * pairs))
        const entropy = neg(mean()(sum({ axes: [-1] })(mul(targets.probabilities, targets.logarithms))))
        const whole: Term = { name: 'dino', value, scale: 1, factors: [] }
        const parts =
          o.split === true || localWeight !== undefined
            ? [
                ...part('dino.global', global, images, pairs, undefined),
                ...(local === undefined ? [] : part('dino.local', local, images, pairs, localWeight)),
              ]
            : []
        return [
          {
            terms: parts.length === 0 ? [whole] : parts,
            metrics: [
              { name: 'entropy', value: entropy },
              { name: 'kl', value: sub(value, entropy) },
            ],
          },
          next,
        ]
      },
  }
}
