/**
 * Gradient transforms: what stands between gradients and the change of parameters. Each is a pure function from proposals to
 * proposals, which names the tensors that it keeps between steps. They form a Monoid; an optimizer is a chain of them.
 *
 * Laws, tested: `identity` is neutral and `chain` associative, on the very expressions that they build.
 */
import { concatAll } from 'fp-ts/lib/Monoid.js'
import type { Monoid } from 'fp-ts/lib/Monoid.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import type { Expr } from '../../core/expr.ts'
import { hyper, resident } from '../../core/leaves.ts'
import type { Declaration } from '../../core/model.ts'
import { join } from '../../core/tree.ts'
import type { Operand } from '../../ops/elementwise.ts'
import { greater, mul, where } from '../../ops/elementwise.ts'

/** A parameter by its official name (`backbone.blocks.0.norm1.weight`), and what it was declared as. */
export interface Parameter {
  readonly path: string
  readonly declaration: Declaration
}

/** A parameter with the change that is proposed for it. */
export interface Proposal extends Parameter {
  readonly value: Expr
  /** The gradient at first, in the end the change to add; of the shape of `value`. */
  readonly update: Expr
  /** The hyper that says at each step whether the parameter takes part: where it is 0, nothing of it moves. */
  readonly gate: Option<string>
  /** The phase of the run in which the parameter was trained first, where that is not the first one (run/phases.ts). */
  readonly begun: Option<string>
}

/** A tensor that a transform keeps between steps, and its value after this one. */
export interface Kept extends Parameter {
  readonly next: Expr
}

export interface Transformed {
  readonly proposals: ReadonlyArray<Proposal>
  readonly kept: ReadonlyArray<Kept>
}

export interface GradientTransform {
  readonly update: (proposals: ReadonlyArray<Proposal>) => Transformed
}

/** The root of all that optimizers keep. */
export const optimizerRoot = 'optimizer'

/** What was kept under `path` at the step before. */
export const before = (p: Parameter): Expr => resident(join(optimizerRoot, p.path), p.declaration)

/** A transform that keeps nothing and changes each proposal by itself. */
export const each = (f: (p: Proposal) => Proposal): GradientTransform => ({
  update: (proposals) => ({ proposals: proposals.map(f), kept: [] }),
})

export const identity: GradientTransform = each((p) => p)

/** First one transform, then the other. */
export const transformMonoid: Monoid<GradientTransform> = {
  empty: identity,
  concat: (first, second) => ({
    update: (proposals) => {
      const a = first.update(proposals)
      const b = second.update(a.proposals)
      return { proposals: b.proposals, kept: [...a.kept, ...b.kept] }
    },
  }),
}

export const chain: (transforms: ReadonlyArray<GradientTransform>) => GradientTransform = concatAll(transformMonoid)

/** `x` where the gate is open (or there is none), else `y`. */
export const whileOpen = (gate: Option<string>, x: Expr, y: Operand): Expr =>
  O.isNone(gate) ? x : where(greater(hyper(gate.value), 0), x, y)

/**
 * Puts the parameters that `applies` names behind the scalar `hyper.name`. Where it is 0 they have no gradient at that step: their
 * moments, decay and step count do not change, as in PyTorch when `grad` is None, and nothing is recompiled.
 */
export const gated = (name: string, applies: (p: Parameter) => boolean): GradientTransform =>
  each((p) => (applies(p) ? { ...p, gate: O.some(name) } : p))

/**
 * Multiplies the change of the parameters that `applies` names by the scalar `hyper.name`. Behind an optimizer, where it is 0 they stand
 * still, decay included, while their moments and step counts go on, as in DINOv2, which freezes the last layer by a learning rate of 0.
 */
export const scaledBy = (name: string, applies: (p: Parameter) => boolean): GradientTransform =>
  each((p) => (applies(p) ? { ...p, update: mul(p.update, hyper(name)) } : p))
