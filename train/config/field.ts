/**
 * Fields: io-ts codecs of configuration values that also say their default, their range and what they mean. From one field
 * follow its decoding, its line in `--help`, its part of the JSON Schema, and the type that programs see.
 */
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import type { Json } from '../../data/formats/codec.ts'
import { isShare } from './length.ts'

/** A part of a JSON Schema. */
export type Schema = { readonly [key: string]: Json }

export interface Facts {
  /** The default, as it would be written down. */
  readonly initial: unknown
  /** What it means, for `--help` and editors. */
  readonly about: string
  /** What is allowed, in words. */
  readonly allowed: string
  readonly schema: Schema
}

/** What all fields have in common, whatever their values are. */
export interface AnyField {
  readonly facts: Facts
  readonly is: (u: unknown) => boolean
  readonly validate: t.Validate<unknown, unknown>
  /** The fields within, by name; of every kind, where there are several. */
  readonly parts: Readonly<Record<string, AnyField>>
  /** Where `kind` chooses what is within: the section of each. */
  readonly kinds: ReadonlyMap<string, AnyField>
}

/** A default on a line: short. */
export const showDefault = (u: unknown): string => (u === '' ? "''" : typeof u === 'string' ? u : JSON.stringify(u))

/** Whether what decodes a value is a field. */
export const isField = (u: unknown): u is AnyField =>
  typeof u === 'object' && u !== null && ['facts', 'parts', 'kinds', 'is', 'validate'].every((name) => name in u)

/** A field as errors have it where it has decoded something. */
export const decoderOf = (f: AnyField): AnyField & t.Decoder<unknown, unknown> => ({
  facts: f.facts,
  is: f.is,
  validate: f.validate,
  parts: f.parts,
  kinds: f.kinds,
  name: f.facts.allowed,
  decode: (u) => f.validate(u, []),
})

/** Nothing given is the default, which is decoded as everything else: a wrong default is found too. */
export class Field<A> extends t.Type<A> implements AnyField {
  readonly facts: Facts
  readonly parts: Readonly<Record<string, AnyField>>
  readonly kinds: ReadonlyMap<string, AnyField>
  constructor(facts: Facts, decode: t.Validate<unknown, A>, parts: AnyField['parts'] = {}, kinds: AnyField['kinds'] = new Map()) {
    super(
      facts.allowed,
      (u): u is A => E.isRight(decode(u, [])),
      (u, c) => decode(u === undefined ? facts.initial : u, c),
      t.identity,
    )
    this.facts = facts
    this.parts = parts
    this.kinds = kinds
  }
}

/** The values of a field. */
export type ValueOf<F> = F extends Field<infer A> ? A : never

/** A field of values that a guard recognises. */
const guardedField = <A>(facts: Facts, is: (u: unknown) => u is A): Field<A> =>
  new Field(facts, (u, c) => (is(u) ? t.success(u) : t.failure(u, c)))

/** Ends of a range: inclusive `min` and `max`, exclusive `above` and `below`. */
export interface Ends {
  readonly min?: number
  readonly max?: number
  readonly above?: number
  readonly below?: number
}

const within =
  (e: Ends) =>
  (x: number): boolean =>
    x >= (e.min ?? -Infinity) && x <= (e.max ?? Infinity) && x > (e.above ?? -Infinity) && x < (e.below ?? Infinity)

/** `in [0, 1]`, `of at least 1`, `above 0`. */
const showEnds = (e: Ends): string => {
  const [low, high] = [e.min ?? e.above, e.max ?? e.below]
  if (low !== undefined && high !== undefined)
    return ` in ${e.min === undefined ? '(' : '['}${low}, ${high}${e.max === undefined ? ')' : ']'}`
  if (low !== undefined) return e.min === undefined ? ` above ${low}` : ` of at least ${low}`
  return high === undefined ? '' : e.max === undefined ? ` below ${high}` : ` of at most ${high}`
}

const endsSchema = (e: Ends): Schema => ({
  ...(e.min === undefined ? {} : { minimum: e.min }),
  ...(e.max === undefined ? {} : { maximum: e.max }),
  ...(e.above === undefined ? {} : { exclusiveMinimum: e.above }),
  ...(e.below === undefined ? {} : { exclusiveMaximum: e.below }),
})

/** A whole number: `whole(64, 'images of one step', { min: 1 })`. Default ends: at least 0. */
export const whole = (initial: number, about: string, ends: Ends = { min: 0 }): Field<number> => {
  const good = within(ends)
  return guardedField(
    { initial, about, allowed: `a whole number${showEnds(ends)}`, schema: { type: 'integer', ...endsSchema(ends) } },
    (u): u is number => typeof u === 'number' && Number.isSafeInteger(u) && good(u),
  )
}

/** A finite number: `real(0.04, 'weight decay', { min: 0 })`. */
export const real = (initial: number, about: string, ends: Ends = {}): Field<number> => {
  const good = within(ends)
  return guardedField(
    { initial, about, allowed: `a number${showEnds(ends)}`, schema: { type: 'number', ...endsSchema(ends) } },
    (u): u is number => typeof u === 'number' && Number.isFinite(u) && good(u),
  )
}

/** A length within a run: steps, or what share of its steps. */
export const stepsOrShare = (initial: number, about: string): Field<number> =>
  guardedField(
    {
      initial,
      about,
      allowed: 'a whole number of steps, or a share of the run in (0, 1)',
      schema: {
        anyOf: [
          { type: 'integer', minimum: 0 },
          { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
        ],
      },
    },
    (u): u is number => typeof u === 'number' && (isShare(u) || (Number.isSafeInteger(u) && u >= 0)),
  )

/** A share of a whole. */
export const share = (initial: number, about: string): Field<number> => real(initial, about, { min: 0, max: 1 })

export const flag = (initial: boolean, about: string): Field<boolean> =>
  guardedField({ initial, about, allowed: 'true or false', schema: { type: 'boolean' } }, (u): u is boolean => typeof u === 'boolean')

export const text = (initial: string, about: string): Field<string> =>
  guardedField({ initial, about, allowed: 'a text', schema: { type: 'string' } }, (u): u is string => typeof u === 'string')

/** One of some names, the first of which is the default: `oneOf(['stop', 'skip'], '…')`. */
export const oneOf = <const N extends readonly [string, ...ReadonlyArray<string>]>(
  names: N,
  about: string,
  initial: N[number] = names[0],
): Field<N[number]> => {
  const is = (u: unknown): u is N[number] => typeof u === 'string' && names.includes(u)
  return new Field<N[number]>(
    { initial, about, allowed: names.length === 1 ? names[0] : `one of ${names.join(', ')}`, schema: { enum: [...names] } },
    (u, c) => {
      // a name that looks like a number, as a file or --set writes it
      const named = typeof u === 'number' ? String(u) : u
      return is(named) ? t.success(named) : t.failure(u, c)
    },
  )
}

/** Two numbers of a range, the second no smaller than the first. */
export const pair = (initial: readonly [number, number], about: string, ends: Ends = {}): Field<readonly [number, number]> => {
  const good = within(ends)
  return guardedField(
    {
      initial,
      about,
      allowed: `two ascending numbers [low, high]${showEnds(ends).replace(/^ in/, ' within').replace(/^ of/, ', each')}`,
      schema: { type: 'array', items: { type: 'number', ...endsSchema(ends) }, minItems: 2, maxItems: 2 },
    },
    (u): u is readonly [number, number] =>
      Array.isArray(u) && u.length === 2 && u.every((x) => typeof x === 'number' && Number.isFinite(x) && good(x)) && u[0] <= u[1],
  )
}

/** A list of what another field is. */
export const list = <A>(of: Field<A>, initial: ReadonlyArray<A>, about: string): Field<ReadonlyArray<A>> =>
  new Field<ReadonlyArray<A>>(
    { initial, about, allowed: `a list, each ${of.facts.allowed}`, schema: { type: 'array', items: of.facts.schema } },
    (u, c) => {
      // one value stands for a list of it, as --set writes it, and -1 for a text
      const one = [u, String(u)].find((x) => (typeof u === 'string' || typeof u === 'number') && of.is(x))
      if (!Array.isArray(u) && one === undefined) return t.failure(u, c)
      const items: ReadonlyArray<unknown> = Array.isArray(u) ? u : [one]
      const errors: Array<t.ValidationError> = []
      const out: Array<A> = []
      items.forEach((x, i) => {
        const r = of.validate(x ?? null, t.appendContext(c, String(i), of))
        if (E.isLeft(r)) errors.push(...r.left)
        else out.push(r.right)
      })
      return errors.length > 0 ? t.failures(errors) : t.success(out)
    },
  )

/** A record of what another field is, under names of one's own: `table(whole(8, 'a rank'), {}, '…')`. */
export const table = <A>(of: Field<A>, initial: Readonly<Record<string, A>>, about: string): Field<Readonly<Record<string, A>>> =>
  new Field<Readonly<Record<string, A>>>(
    { initial, about, allowed: `names, each with ${of.facts.allowed}`, schema: { type: 'object', additionalProperties: of.facts.schema } },
    (u, c) => {
      if (typeof u !== 'object' || u === null || Array.isArray(u)) return t.failure(u, c)
      const errors: Array<t.ValidationError> = []
      const out: Array<readonly [string, A]> = []
      for (const [name, x] of Object.entries(u)) {
        const r = of.validate(x ?? null, t.appendContext(c, name, of))
        if (E.isLeft(r)) errors.push(...r.left)
        else out.push([name, r.right])
      }
      return errors.length > 0 ? t.failures(errors) : t.success(Object.fromEntries(out))
    },
  )

const isExpression = (u: unknown): u is string => {
  if (typeof u !== 'string') return false
  try {
    return new RegExp(u, 'u') instanceof RegExp
  } catch {
    return false
  }
}

/** A regular expression. */
export const expression = (initial: string, about: string): Field<string> =>
  guardedField({ initial, about, allowed: 'a regular expression', schema: { type: 'string', format: 'regex' } }, isExpression)

/** What one field is, or else another, whose values are lists. */
export const orList = <A, B>(one: Field<A>, several: Field<ReadonlyArray<B>>): Field<A | ReadonlyArray<B>> =>
  new Field<A | ReadonlyArray<B>>(
    {
      initial: one.facts.initial,
      about: one.facts.about,
      allowed: `${one.facts.allowed}, or ${several.facts.allowed}`,
      schema: { anyOf: [one.facts.schema, several.facts.schema] },
    },
    (u, c) => (Array.isArray(u) ? several.validate(u, c) : one.validate(u, c)),
  )

/** A field or null, which is the default and means: not used. */
export const optional = <A>(of: Omit<AnyField, 'validate'> & { readonly validate: t.Validate<unknown, A> }): Field<A | null> =>
  new Field<A | null>(
    {
      initial: null,
      about: of.facts.about,
      allowed: `null, or ${of.facts.allowed}`,
      schema: { anyOf: [{ type: 'null' }, of.facts.schema] },
    },
    (u, c) => (u === null ? t.success(null) : of.validate(u, c)),
    of.parts,
    of.kinds,
  )
