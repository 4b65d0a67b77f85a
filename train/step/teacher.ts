/** The teacher as the moving average of the student (Caron et al. 2021, section 3.1; Tarvainen, Valpola 2017). */
import type { Expr } from '../../core/expr.ts'
import { hyper } from '../../core/leaves.ts'
import { add, mul, sub } from '../../ops/elementwise.ts'

/** What becomes of a teacher's tensor, given the student's tensor of the same name after the optimizer's step. */
export interface Teacher {
  readonly follow: (teacher: Expr, student: Expr) => Expr
}

/** theta_t <- m theta_t + (1 - m) theta_s, m from `hyper.momentum`. */
export const ema = (momentum = 'momentum'): Teacher => ({
  follow: (teacher, student) => {
    const m = hyper(momentum)
    return add(mul(teacher, m), mul(student, sub(1, m)))
  },
})
