/** Distillation of relations: how alike a network finds the images of a batch, whatever the width of its features. */
import type { Expr } from '../core/expr.ts'
import { misuse } from '../core/primitive.ts'
import { equalShape } from '../core/type.ts'
import { dot } from '../ops/contract.ts'
import { square, stopGradient, sub } from '../ops/elementwise.ts'
import { l2Normalize } from '../ops/nn.ts'
import { mean } from '../ops/reduce.ts'
import type { ClassTokens, TeacherViews } from './features.ts'
import type { Loss } from './loss.ts'
import { pureLoss } from './loss.ts'

/** Cosines between all rows of `x [R, D]`: `[R, R]`. */
const likeness = (x: Expr): Expr => {
  const unit = l2Normalize(-1)(x)
  return dot({ leftBatch: [], rightBatch: [], left: [1], right: [1] })(unit, unit)
}

/**
 *     L = 1/R²  sum over pairs  (cos(s_i, s_j) - cos(t_i, t_j))²          (Tung, Mori 2019, eq. 4, with rows of unit length)
 *
 * Class tokens of the global crops, `[R, D_s]` and `[R, D_t]`. No gradient to the teacher. Term `relation`. Fault: other rows.
 */
export const relation = (): Loss<{ readonly student: { readonly global: ClassTokens }; readonly teacher: TeacherViews<ClassTokens> }> =>
  pureLoss('relation', ({ student, teacher }) => {
    const [s, t] = [student.global.cls, teacher.global.cls]
    return equalShape(s.type.shape.slice(0, 1), t.type.shape.slice(0, 1))
      ? mean()(square(sub(likeness(s), stopGradient(likeness(t)))))
      : misuse('relation', [s, t], { allowed: 'class tokens [R, D] of the same crops', remedy: 'show both networks the same crops' })
  })
