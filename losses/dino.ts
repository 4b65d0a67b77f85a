/** The DINO loss (Caron et al. 2021, eq. 2 and 3; dino `main_dino.py` DINOLoss). */
import type { Expr } from '../core/expr.ts'
import { hyper } from '../core/leaves.ts'
import { misuse } from '../core/primitive.ts'
import { range } from '../core/type.ts'
import { add, div, mul, neg, sub } from '../ops/elementwise.ts'
import { logSoftmax } from '../ops/nn.ts'
import { mean, sum } from '../ops/reduce.ts'
import { reshape } from '../ops/reshape.ts'
import { concat, slice } from '../ops/window.ts'
import type { Centring } from './centring.ts'
import { centre } from './centring.ts'
import type { Features, Logits } from './features.ts'
import type { Loss } from './loss.ts'

export interface DinoOptions {
  /** K, the number of prototypes. */
  readonly prototypes: number
  /** Default 0.1. */
  readonly studentTemperature?: number
  /** The hyper that gives the teacher's temperature at every step. Default `teacher_temp`. */
  readonly temperature?: string
  /** Share of the old centre in the new one. Default 0.9. */
  readonly centreMomentum?: number
  /** Another way to targets than a centre. */
  readonly centring?: Centring
}

/** Rows `[C B, K]`, crop-major, as crops `[C, B, K]`. */
const crops = (rows: Expr, images: number): Expr => reshape([-1, images, rows.type.shape[rows.type.shape.length - 1] ?? 1])(rows)

/** For each of the `n` global crops the sum of the other crops' targets: `[n, B, K] -> [n, B, K]`. */
const others = (targets: Expr, n: number): Expr => {
  const each = range(n).map((i) => slice(0, i, i + 1)(targets))
  return concat(0)(each.map((_, i) => {
    const [first, ...rest] = each.filter((_e, j) => j !== i)
    return rest.reduce((x, y) => add(x, y), first)
  }))
}

/**
 *     min over theta_s of  1/P  sum over x in {x1g, x2g}  sum over x' in V, x' != x  of  H(P_t(x), P_s(x'))
 *
 * H(a, b) = -sum_k a_k log b_k, mean over the B images; P = G (V - 1) pairs, 2 V - 2 for two global crops: all but those of
 * a crop with itself. P_s = softmax(z_s / tau_s), P_t = softmax((z_t - c) / tau_t).
 *
 * Student logits `[G B, K]` and, with local crops, `[L B, K]`; teacher logits `[G B, K]`; V = G + L. Term `dino`; metrics:
 * `entropy`, the mean entropy of the targets (ln K when the teacher is uniform, 0 when it is certain), and `kl`, the mean
 * KL(P_t, P_s) = dino - entropy. State `dino.center [1, K]`. Faults: logits that are no whole number of crops; one crop alone.
 */
export const dino = (o: DinoOptions): Loss<Features<Logits>> => {
  const { studentTemperature = 0.1, temperature = 'teacher_temp', centreMomentum = 0.9 } = o
  const centring = o.centring ?? centre({ path: 'dino.center', prototypes: o.prototypes, momentum: centreMomentum })
  return {
    state: centring.state,
    run: ({ images, student, teacher }) => (state) => {
      const [targets, next] = centring.run(teacher.global.logits, hyper(temperature))(state)
      const said = (logits: Expr): Expr => crops(logSoftmax(-1)(div(logits, studentTemperature)), images)
      const global = said(student.global.logits)
      const local = student.local === undefined ? undefined : said(student.local.logits)
      const expected = crops(targets.probabilities, images)
      const globals = expected.type.shape[0]
      const views = globals + (local?.type.shape[0] ?? 0)
      const pairs = globals * (views - 1)
      const onGlobal = globals > 1 ? [sum()(mul(others(expected, globals), global))] : []
      const onLocal = local === undefined ? [] : [sum()(mul(sum({ axes: [0], keep: true })(expected), local))]
      const [first, ...rest] = [...onGlobal, ...onLocal]
      const value = first === undefined
        ? misuse('dino', [student.global.logits, teacher.global.logits], { allowed: 'at least two crops of each image', remedy: 'give two global crops, or local crops' })
        : mul(neg(rest.reduce((x, y) => add(x, y), first)), 1 / (images * pairs))
      const entropy = neg(mean()(sum({ axes: [-1] })(mul(targets.probabilities, targets.logarithms))))
      return [
        {
          terms: [{ name: 'dino', value, scale: 1, factors: [] }],
          metrics: [{ name: 'entropy', value: entropy }, { name: 'kl', value: sub(value, entropy) }],
        },
        next,
      ]
    },
  }
}
