/**
 * The contract between models and losses: what student and teacher said about one batch. Models return records of these
 * shapes, losses ask for the fields they need, and neither knows the other.
 *
 * B images; a group holds all crops of one size, crop-major: rows 0 .. B-1 are crop 0 of all images, then crop 1, …
 */
import type { Expr } from '../core/expr.ts'

/** Head outputs of a group of R = crops x B crops: `[R, K]`. */
export interface Logits {
  readonly logits: Expr
}

/** Class tokens after the final norm, before the head: `[R, D]`. */
export interface ClassTokens {
  readonly cls: Expr
}

/** Patch tokens after the final norm: `[R, N, D]`. */
export interface PatchTokens {
  readonly patches: Expr
}

/**
 * What the head said about the patches that were hidden from the student: one row for each of them in the order of the flat
 * mask, then padding up to the fixed length U: logits `[U, K]`. The teacher saw these patches, and lists them in the same order.
 */
export interface MaskedLogits extends Logits, Masks {
  /** 1 / (hidden patches of the same crop) for each row, 0 for padding: `[U]`. */
  readonly weights: Expr
}

/** Which patches of the global crops were hidden: bool `[G B, N]`. */
export interface Masks {
  readonly mask: Expr
}

/** What a loss over masked patches asks for. */
export interface MaskedFeatures {
  readonly student: { readonly masked: MaskedLogits }
  readonly teacher: { readonly masked: Logits }
}

/**
 * What Gram anchoring asks for: the student's patches of the global crops `[G B, N, D]` and those of the network that it is
 * anchored to, on the same grid. Masks where only some patches are compared.
 */
export interface GramFeatures {
  readonly student: { readonly global: PatchTokens; readonly masked?: Masks }
  readonly teacher: { readonly gram: PatchTokens }
}

/** What distillation of features asks for: the student's, brought to the teacher's width and grid, and the teacher's. */
export interface DistilledFeatures<G> {
  readonly student: { readonly projected: G }
  readonly teacher: TeacherViews<G>
}

/** What the student says by group of crops; without local crops there is no local group. */
export interface StudentViews<G> {
  readonly global: G
  readonly local?: G
}

/** The teacher sees the global crops alone. */
export interface TeacherViews<G> {
  readonly global: G
}

/** What a loss over groups of the kind `G` asks for. */
export interface Features<G> {
  /** B */
  readonly images: number
  readonly student: StudentViews<G>
  readonly teacher: TeacherViews<G>
}
