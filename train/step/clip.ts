/** Gradient clipping by the L2 norm. */
import type { Expr } from '../../core/expr.ts'
import { add, div, minimum, mul, sqrt, square } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import type { GradientTransform, Parameter, Proposal } from './transform.ts'
import { each, whileOpen } from './transform.ts'

/** |x| over all elements, shape `[]`. */
export const normOf = (x: Expr): Expr => sqrt(sum()(square(x)))

/** min(1, limit / (norm + 1e-6)), the factor of torch's clip_grad_norm_. */
const factor = (norm: Expr, limit: number): Expr => minimum(div(limit, add(norm, 1e-6)), 1)

/** Every tensor on its own: g <- g min(1, limit / (|g| + 1e-6)) (dino `utils.py` clip_gradients). */
export const clipEach = (limit: number): GradientTransform =>
  each((p) => ({ ...p, update: mul(p.update, factor(normOf(p.update), limit)) }))

/** The submodule of a parameter: the first name of its path, `backbone`, `dino_head`, `ibot_head`. */
export const submoduleOf = ({ path }: Pick<Parameter, 'path'>): string => path.split('.', 1)[0]

/** The factor of one group, from the norm of all its gradients together; those behind a closed gate are none. */
const groupFactor = (group: ReadonlyArray<Proposal>, limit: number): Expr =>
  factor(sqrt(group.map((p) => whileOpen(p.gate, sum()(square(p.update)), 0)).reduce((x, y) => add(x, y))), limit)

/**
 * Every group of tensors by one norm: g <- g min(1, limit / (|group| + 1e-6)); groups are submodules by default (dinov2 and
 * dinov3 `train/train.py`, one clip_grad_norm_ for each submodule).
 */
export const clipGroups = (limit: number, groupOf: (p: Parameter) => string = submoduleOf): GradientTransform => ({
  update: (proposals) => {
    const names = [...new Set(proposals.map(groupOf))]
    const factors = new Map(
      names.map((name) => [
        name,
        groupFactor(
          proposals.filter((p) => groupOf(p) === name),
          limit,
        ),
      ]),
    )
    return {
      proposals: proposals.map((p) => ({ ...p, update: mul(p.update, factors.get(groupOf(p)) ?? 1) })),
      kept: [],
    }
  },
})
