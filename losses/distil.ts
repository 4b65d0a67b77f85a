/** Distillation: a student that is drawn to what another network says, feature by feature or prototype by prototype. */
import { showAsked } from '../core/asked.ts'
import type { Expr } from '../core/expr.ts'
import { misuse } from '../core/primitive.ts'
import { equalShape } from '../core/type.ts'
import { div, exp, mul, neg, square, stopGradient, sub } from '../ops/elementwise.ts'
import { l2Normalize, logSoftmax } from '../ops/nn.ts'
import { mean, sum } from '../ops/reduce.ts'
import type { ClassTokens, DistilledFeatures, Features, Logits, PatchTokens } from './features.ts'
import type { Loss } from './loss.ts'
import { pureLoss } from './loss.ts'

/** `cosine`: 1 - cos(s, t). `squared`: mean over components of (s - t)². */
export type Distance = 'cosine' | 'squared'

export interface DistilOptions {
  /** Default `cosine`. */
  readonly distance?: Distance
}

/** The mean distance of rows `[..., D]`, shape `[]`. */
const distanceOf = (name: string, kind: Distance, student: Expr, teacher: Expr): Expr => {
  if (!equalShape(student.type.shape, teacher.type.shape))
    return misuse(name, [student, teacher], {
      allowed: 'features of student and teacher of one shape',
      remedy: "project the student's features to the width of the teacher, and resize them to its grid",
    })
  const target = stopGradient(teacher)
  if (kind === 'squared') return mean()(square(sub(student, target)))
  const cosines = sum({ axes: [-1] })(mul(l2Normalize(-1)(student), l2Normalize(-1)(target)))
  return sub(1, mean()(cosines))
}

/**
 *     L = 1/R  sum over rows r  d(s_r, t_r)
 *
 * Class tokens of the global crops, the student's projected to the teacher's width: `[R, D]` both. No gradient to the teacher.
 * Term `distil_cls`. Fault: other shapes.
 */
export const distilClass = (o: DistilOptions = {}): Loss<DistilledFeatures<ClassTokens>> =>
  pureLoss('distil_cls', ({ student, teacher }) =>
    distanceOf('distilClass', o.distance ?? 'cosine', student.projected.cls, teacher.global.cls),
  )

/** The same over patches `[R, N, D]`. Term `distil_patches`. */
export const distilPatches = (o: DistilOptions = {}): Loss<DistilledFeatures<PatchTokens>> =>
  pureLoss('distil_patches', ({ student, teacher }) =>
    distanceOf('distilPatches', o.distance ?? 'cosine', student.projected.patches, teacher.global.patches),
  )

export interface LogitDistilOptions {
  /** Softens both sides. Default 1. */
  readonly temperature?: number
}

/**
 *     L = tau² mean over rows of KL( softmax(t / tau), softmax(s / tau) )      (Hinton, Vinyals, Dean 2015, section 2.1)
 *
 * Logits `[R, K]` of the same crops, row by row; tau² keeps the size of gradients as tau grows. No gradient to the teacher. Term
 * `distil_logits`. Faults: other shapes; a temperature that is not positive.
 */
export const distilLogits = (o: LogitDistilOptions = {}): Loss<Features<Logits>> =>
  pureLoss('distil_logits', ({ student, teacher }) => {
    const { temperature: tau = 1 } = o
    const [s, t] = [student.global.logits, stopGradient(teacher.global.logits)]
    if (!(tau > 0) || !equalShape(s.type.shape, t.type.shape))
      return misuse('distilLogits', [s, t], {
        allowed: `logits of one shape, and a temperature above 0 (asked: ${showAsked(tau)})`,
        remedy: 'give student and teacher heads with the same prototypes',
      })
    const [p, q] = [logSoftmax(-1)(div(t, tau)), logSoftmax(-1)(div(s, tau))]
    return mul(neg(mean()(sum({ axes: [-1] })(mul(exp(p), sub(q, p))))), tau * tau)
  })
