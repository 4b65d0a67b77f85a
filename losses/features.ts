/**
 * The contract between models and losses: what student and teacher said about one batch. Models return records of these
 * shapes, losses ask for the fields they need, and neither knows the other.
 *
 * B images; a group holds all crops of one size, crop-major: rows 0 .. B-1 are crop 0 of all images, then crop 1, …: row c B + i is
 * crop c of image i. `reshape([-1, images, D])(cls)` has crops, images and components as axes.
 */
import type { Expr } from '../core/expr.ts'

/** What the head says of the class tokens of a group of R = crops x B crops. */
export interface Logits {
  /** `[R, K]`, K prototypes; of hidden patches `[U, K]`. Rows of a group are crop-major: row c B + i is crop c of image i. No softmax. */
  readonly logits: Expr
}

/** Class tokens of a group of R = crops x B crops, after the final norm, before the head. */
export interface ClassTokens {
  /**
   * `[R, D]`, not brought to unit length. Crop-major: rows 0 .. B-1 are crop 0 of all images, then crop 1, …: row c B + i is
   * crop c of image i, and `reshape([-1, images, D])(cls)` is `[crops, B, D]`.
   */
  readonly cls: Expr
}

/** Patch tokens of a group of R = crops x B crops, after the final norm. */
export interface PatchTokens {
  /**
   * `[R, N, D]`: N patches row by row of the grid. Crops are in the order of class tokens: row c B + i is crop c of image i. Local crops
   * have an N of their own.
   */
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
  /** Bool `[G B, N]`, crops in the order of class tokens, patches row by row of the grid; true: hidden. */
  readonly mask: Expr
}

/** What a loss over masked patches asks for: in `student.masked` and `teacher.masked`, row u is the same patch. */
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
  /** Of the G B global crops. */
  readonly global: G
  /** Of the L B local crops, which are smaller; missing where there are none. */
  readonly local?: G
}

/** The teacher sees the global crops alone. */
export interface TeacherViews<G> {
  /** Of the same G B global crops, in the same order. No gradient reaches the teacher. */
  readonly global: G
}

/** What a loss over groups of the kind `G` asks for. */
export interface Features<G> {
  /** B, the images of the batch (of a micro-batch, where gradients are accumulated). A group has a multiple of B rows, crop-major. */
  readonly images: number
  readonly student: StudentViews<G>
  readonly teacher: TeacherViews<G>
}
