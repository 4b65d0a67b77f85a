/** The masked patch loss of iBOT (Zhou et al. 2022, eq. 2; dinov2 and dinov3 `loss/ibot_patch_loss.py` iBOTPatchLoss). */
import { hyper } from '../core/leaves.ts'
import { misuse } from '../core/primitive.ts'
import { div, greater, maximum, mul, neg } from '../ops/elementwise.ts'
import { crossEntropy } from '../ops/nn.ts'
import { sum } from '../ops/reduce.ts'
import type { Centring } from './centring.ts'
import { centre } from './centring.ts'
import type { MaskedFeatures } from './features.ts'
import type { Loss } from './loss.ts'
import { keepRows } from './rows.ts'

export interface IbotOptions {
  /** K, the number of prototypes of the head that saw the patches. */
  readonly prototypes: number
  /** Default 0.1. */
  readonly studentTemperature?: number
  /** The hyper that gives the teacher's temperature at every step. Default `teacher_temp`, DINO's. */
  readonly temperature?: string
  /** Share of the old centre in the new one. Default 0.9. */
  readonly centreMomentum?: number
  /** Another way to targets than a centre: `sinkhorn()`. */
  readonly centring?: Centring
}

/**
 *     L = 1 / R  sum over hidden patches m  w_m H(P_t(m), P_s(m)),    w_m = 1 / (hidden patches of m's crop)
 *
 * H(a, b) = -sum_k a_k log b_k; R = G B counts all global crops, also those without a mask, so L is the mean over crops
 * of the mean over their hidden patches, 0 where there are none. P_s = softmax(z_s / tau_s) on what the student guesses, P_t on
 * what the teacher sees, centred (or Sinkhorn's) over the hidden patches of all crops together.
 *
 * Logits `[U, K]` and weights `[U]`; rows of weight 0 are padding, and have no part in anything. Term `ibot`; metric
 * `ibot_entropy`, the mean entropy of the targets, weighted as the loss is. State `ibot.center [1, K]`. Nothing masked at all:
 * the loss is 0. Fault: logits of student and teacher that are not alike.
 */
export const ibot = (o: IbotOptions): Loss<MaskedFeatures> => {
  const { studentTemperature = 0.1, temperature = 'teacher_temp', centreMomentum = 0.9 } = o
  const centring = o.centring ?? centre({ path: 'ibot.center', prototypes: o.prototypes, momentum: centreMomentum })
  return {
    state: centring.state,
    run:
      ({ student, teacher }) =>
      (state) => {
        const { logits, weights, mask } = student.masked
        const rows = greater(weights, 0)
        const [targets, next] = centring.run(teacher.masked.logits, hyper(temperature), rows)(state)
        const guesses =
          mask.type.shape.length === 2
            ? div(keepRows(rows)(logits), studentTemperature)
            : misuse('ibot', [mask], {
                allowed: 'a mask [crops, patches] of the global crops',
                remedy: 'give the mask that the student was given',
              })
        const value = mul(sum()(mul(weights, crossEntropy(guesses, targets.probabilities))), 1 / (mask.type.shape[0] ?? 1))
        const entropies = neg(sum({ axes: [-1] })(mul(targets.probabilities, targets.logarithms)))
        return [
          {
            terms: [{ name: 'ibot', value, scale: 1, factors: [] }],
            metrics: [{ name: 'ibot_entropy', value: div(sum()(mul(weights, entropies)), maximum(sum()(weights), 1)) }],
          },
          next,
        ]
      },
  }
}
