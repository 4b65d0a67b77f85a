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
