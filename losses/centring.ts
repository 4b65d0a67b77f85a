/** How teacher logits become targets: centring and sharpening (Caron et al. 2021, section 3.1). */
import type { State } from 'fp-ts/lib/State.js'
import type { Expr } from '../core/expr.ts'
import type { Declaration } from '../core/model.ts'
import { param, zeros } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { add, div, exp, mul, stopGradient, sub } from '../ops/elementwise.ts'
import { logSoftmax } from '../ops/nn.ts'
import type { LossState } from './loss.ts'
import { kept } from './loss.ts'
import { keepRows, meanOfRows } from './rows.ts'

export interface Targets {
  /** Rows that sum to one, `[R, K]`. No gradient flows into them. */
  readonly probabilities: Expr
  /** Their logarithms. */
  readonly logarithms: Expr
}

/**
 * A way from teacher logits `[R, K]` and a temperature `[]` to targets, with what it keeps between steps. `rows`, bool `[R]`,
 * says which rows count; without it all do. The others have no part in what is kept, nor in the targets of any other row.
 */
export interface Centring {
  readonly state: ReadonlyMap<string, Declaration>
  readonly run: (logits: Expr, temperature: Expr, rows?: Expr) => State<LossState, Targets>
}

/** P = softmax(z / tau): sharpening alone, for a teacher that stays as it is. */
export const sharpen: Centring = {
  state: new Map(),
  run: (raw, temperature, rows) => (state) => {
    const logarithms = logSoftmax(-1)(div(keepRows(rows)(stopGradient(raw)), temperature))
    return [{ probabilities: exp(logarithms), logarithms }, state]
  },
}

export interface CentreOptions {
  /** Name of the kept centre `[1, K]`. */
  readonly path: string
  /** K */
  readonly prototypes: number
  /** Share of the old centre in the new one. */
  readonly momentum: number
}

/**
 * P = softmax((z - c) / tau) with the centre c from before this batch; then c <- m c + (1 - m) mean over all rows of z
 * (eq. 4; dino `main_dino.py` DINOLoss.update_center; dinov2 keeps the batch's mean and applies it at the start of the next
 * step, which gives the same values). Fault: logits of another K.
 */
export const centre = (o: CentreOptions): Centring => ({
  state: new Map([[o.path, param([1, o.prototypes], zeros, false)]]),
  run: (raw, temperature, rows) => (state) => {
    const given =
      raw.type.shape[raw.type.shape.length - 1] === o.prototypes
        ? stopGradient(raw)
        : misuse('centre', [raw], {
            allowed: `teacher logits [R, ${o.prototypes}], one for each prototype of the loss`,
            remedy: 'give the loss as many prototypes as the head has',
          })
    const logits = keepRows(rows)(given)
    const old = kept(o.path, state)
    const logarithms = logSoftmax(-1)(div(sub(logits, old), temperature))
    const next = add(mul(old, o.momentum), mul(meanOfRows(rows)(logits), 1 - o.momentum))
    return [{ probabilities: exp(logarithms), logarithms }, new Map([...state, [o.path, next]])]
  },
})
