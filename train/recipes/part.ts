/**
 * Parts of experiments: settings, and what they make. `images({ train: 8000 })` is the part with other defaults; what it makes, it makes
 * of the settings as a file, the environment or `--set` leave them. A part of one's own is a section of fields and a function:
 *
 *     const noisy = part(section('noise', { amount: real(0.1, 'deviation') }), ({ amount }) => …)
 */
import type { Field } from '../config/field.ts'
import type { Choice, Given, Section } from '../config/section.ts'

/** Settings, whatever they are, and what they make. */
export interface Maker<S extends object, A> {
  readonly settings: Field<S>
  readonly make: (s: S) => A
}

export interface Part<S extends object, A> extends Maker<S, A> {
  readonly settings: Section<S>
}

/** A part by its own defaults or others. */
export const part =
  <S extends object, A>(settings: Section<S>, make: (s: S) => A) =>
  (given?: Given<S>): Part<S, A> => ({ settings: settings.with(given), make })

/** The same of settings of several kinds. */
export const choice =
  <S extends object, A>(settings: Choice<S>, make: (s: S) => A) =>
  (given?: Given<S>): Maker<S, A> => ({ settings: settings.with(given), make })
