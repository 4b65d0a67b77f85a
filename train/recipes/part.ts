/**
 * Parts of experiments: settings, and what they make. `images({ train: 8000 })` is the part with other defaults; what it makes, it makes
 * of the settings as a file, the environment or `--set` leave them. A part of one's own is a section of fields and a function:
 *
 *     const noisy = part(section('noise', { amount: real(0.1, 'deviation') }), ({ amount }) => …)
 */
import type { Given, Section } from '../config/section.ts'

export interface Part<S extends object, A> {
  readonly settings: Section<S>
  readonly make: (s: S) => A
}

/** A part by its own defaults or others. */
export const part =
  <S extends object, A>(settings: Section<S>, make: (s: S) => A) =>
  (given?: Given<S>): Part<S, A> => ({ settings: settings.with(given), make })
