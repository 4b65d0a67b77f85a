/**
 * Parts of experiments: settings, and what they make. `images({ train: 8000 })` is the part with other defaults; what it makes, it makes
 * of the settings as a file, the environment or `--set` leave them. A part of one's own is a section of fields and a function:
 *
 *     const noisy = part(section('noise', { amount: real(0.1, 'deviation') }), ({ amount }) => …)
 */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type * as t from 'io-ts'
import { valueAt } from '../../data/formats/codec.ts'
import type { AnyField, Field } from '../config/field.ts'
import { optional } from '../config/field.ts'
import type { Choice, Given, Section } from '../config/section.ts'

/** What is made of settings that are of no known type: those of a plugin. */
export interface AnyMaker<A> {
  readonly settings: AnyField
  readonly of: (u: unknown) => t.Validation<A>
}

/** Settings, whatever they are, and what they make. */
export interface Maker<S extends object, A> extends AnyMaker<A> {
  readonly settings: Field<S>
  readonly make: (s: S) => A
}

/** Parts of plugins, by the names that configurations have for them. */
export type Own<A> = ReadonlyMap<string, AnyMaker<A>>

/** Their sections, each null where it is not used. */
export const ownSections = (own: Own<unknown>): Readonly<Record<string, AnyField>> =>
  Object.fromEntries([...own].map(([name, m]) => [name, optional(m.settings)]))

/** What those that `s` uses make, in order; `none`: of settings that are those of no such part, which no decoded ones are. */
export const ownMade = <A>(own: Own<A>, s: object, none: (name: string, settings: AnyField) => A): ReadonlyArray<A> =>
  [...own].flatMap(([name, m]) => {
    const given = valueAt(s, name)
    if (given === null || given === undefined) return []
    const made = m.of(given)
    return [E.isRight(made) ? made.right : none(name, m.settings)]
  })

export const ofAny =
  <S extends object, A>(settings: Field<S>, make: (s: S) => A): AnyMaker<A>['of'] =>
  (u) =>
    pipe(settings.decode(u), E.map(make))

export interface Part<S extends object, A> extends Maker<S, A> {
  readonly settings: Section<S>
}

/** A part of such settings. */
export const partOf = <S extends object, A>(settings: Section<S>, make: (s: S) => A): Part<S, A> => ({
  settings,
  make,
  of: ofAny(settings, make),
})

/** A part by its own defaults or others. */
export const part =
  <S extends object, A>(settings: Section<S>, make: (s: S) => A) =>
  (given?: Given<S>): Part<S, A> =>
    partOf(settings.with(given), make)

/** The same of settings of several kinds. */
export const choice =
  <S extends object, A>(settings: Choice<S>, make: (s: S) => A) =>
  (given?: Given<S>): Maker<S, A> => {
    const own = settings.with(given)
    return { settings: own, make, of: ofAny(own, make) }
  }
