/** Signs of collapse: metrics that cost almost nothing and change no gradient. */
import { sqrt, square, stopGradient, sub } from '../ops/elementwise.ts'
import { l2Normalize } from '../ops/nn.ts'
import { mean } from '../ops/reduce.ts'
import type { ClassTokens, Features } from './features.ts'
import type { Loss } from './loss.ts'
import { watch } from './loss.ts'

/**
 * Metric `spread`: the standard deviation over the rows of the student's L2-normalised class tokens `[R, D]`, mean over the D
 * components. 1 / sqrt D for features in all directions, 0 when every image looks the same (Chen, He 2021, section 4.1).
 */
export const spread: Loss<Features<ClassTokens>> = watch(({ student }) => {
  const z = l2Normalize(-1)(stopGradient(student.global.cls))
  const centred = sub(z, mean({ axes: [0], keep: true })(z))
  return [{ name: 'spread', value: mean()(sqrt(mean({ axes: [0] })(square(centred)))) }]
})
