/**
 * Sections: records of fields. All that is wrong in a section is found at once, unknown names too; what is not given is the
 * default. Laws, tested: a section decodes nothing to its defaults, and what it decoded to itself.
 */
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import type { Json } from '../../data/formats/codec.ts'
import { JsonValue, isRecord } from '../../data/formats/codec.ts'
import type { AnyField, Facts, Schema } from './field.ts'
import { decoderOf, Field, oneOf } from './field.ts'

/** A part of a section: what is not named stays as it is. */
export type Given<A> = A extends ReadonlyArray<unknown> ? A : A extends object ? { readonly [K in keyof A]?: Given<A[K]> } : A

/** Where a name that is not there stands in an error. */
export class NoSuchName extends t.Type<never, never> {
  readonly _tag = 'NoSuchName'
  readonly names: ReadonlyArray<string>
  constructor(names: ReadonlyArray<string>) {
    super('no such name', t.never.is, (u, c) => t.failure(u, c), t.identity)
    this.names = names
  }
}

/** Where values that are right by themselves do not go together. */
export class Together extends t.Type<never, never> {
  readonly _tag = 'Together'
  readonly remedy: string
  constructor(allowed: string, remedy: string) {
    super(allowed, t.never.is, (u, c) => t.failure(u, c), t.identity)
    this.remedy = remedy
  }
}

/**
 * Whether an error speaks of such a name. By its tag: a plugin that is CommonJS has this package a second time, and its classes are others.
 */
export const isNoSuchName = (u: object | undefined): u is NoSuchName => u !== undefined && '_tag' in u && u._tag === 'NoSuchName'

export const isTogether = (u: object | undefined): u is Together => u !== undefined && '_tag' in u && u._tag === 'Together'

/** What must hold between the values of a section. */
export interface Rule<A> {
  /** The name that is to blame. */
  readonly at: keyof A & string
  /** The names that it is about: where one of them is wrong by itself, the rule is not asked. */
  readonly of: ReadonlyArray<keyof A & string>
  readonly holds: (a: A) => boolean
  readonly allowed: (a: A) => string
  readonly remedy: string
}

/**
 * The second over the first: records name by name, all else as a whole, and so a record of another kind. What is undefined is not given.
 */
export const merged = (under: unknown, over: unknown): unknown => {
  if (over === undefined) return under
  if (!isRecord(under) || !isRecord(over)) return over
  if (over['kind'] !== undefined && under['kind'] !== undefined && over['kind'] !== under['kind']) return over
  // names that every record inherits, such as constructor, are none of its own
  const own = (r: Readonly<Record<string, unknown>>, k: string): unknown => (Object.hasOwn(r, k) ? r[k] : undefined)
  return Object.fromEntries(
    [...new Set([...Object.keys(under), ...Object.keys(over)])].map((k) => [k, merged(own(under, k), own(over, k))]),
  )
}

const isJson = (u: unknown): u is Json => JsonValue.is(u)

type Parts = Readonly<Record<string, AnyField>>

interface Decoded {
  /** Every field's value, the default where it was wrong. */
  readonly values: Readonly<Record<string, unknown>>
  readonly errors: t.Errors
  readonly wrong: ReadonlySet<string>
}

const decodeParts = (parts: Parts, u: Readonly<Record<string, unknown>>, c: t.Context): Decoded => {
  const errors: Array<t.ValidationError> = []
  const wrong = new Set<string>()
  const out: Record<string, unknown> = {}
  for (const key of Object.keys(u)) {
    if (!Object.hasOwn(parts, key)) errors.push({ value: u[key], context: t.appendContext(c, key, new NoSuchName(Object.keys(parts))) })
  }
  for (const [key, field] of Object.entries(parts)) {
    const r = field.validate(u[key], t.appendContext(c, key, decoderOf(field)))
    if (E.isRight(r)) out[key] = r.right
    else {
      errors.push(...r.left)
      wrong.add(key)
      out[key] = field.facts.initial
    }
  }
  return { values: out, errors, wrong }
}

/** A field as it is shown where a section around it gives it another default. */
const withDefault = (f: AnyField, given: unknown): AnyField =>
  given === undefined
    ? f
    : {
        facts: { ...f.facts, initial: merged(f.facts.initial, given) },
        is: f.is,
        validate: f.validate,
        parts: withDefaults(f.parts, given),
        kinds: kindsWith(f.kinds, merged(f.facts.initial, given)),
      }

const withDefaults = (parts: Parts, given: unknown): Parts =>
  isRecord(given)
    ? Object.fromEntries(Object.entries(parts).map(([k, f]) => [k, withDefault(f, Object.hasOwn(given, k) ? given[k] : undefined)]))
    : parts

/** Defaults are those of the kind that they name. */
const kindsWith = (kinds: AnyField['kinds'], given: unknown): AnyField['kinds'] =>
  new Map([...kinds].map(([name, f]) => [name, isRecord(given) && given['kind'] === name ? withDefault(f, given) : f]))

const initialOf = (parts: Parts): unknown => Object.fromEntries(Object.entries(parts).map(([k, f]) => [k, f.facts.initial]))

const propertyOf = (f: AnyField): Schema => ({
  description: f.facts.about,
  ...f.facts.schema,
  ...(Object.keys(f.parts).length === 0 && isJson(f.facts.initial) ? { default: f.facts.initial } : {}),
})

const schemaOf = (parts: Parts): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties: Object.fromEntries(Object.entries(parts).map(([k, f]) => [k, propertyOf(f)])),
})

/** A record of fields, with defaults of its own for some. */
export class Section<A extends object> extends Field<A> {
  private readonly own: Parts
  private readonly isWhole: (u: unknown) => u is A
  private readonly rules: ReadonlyArray<Rule<A>>
  private readonly defaults: unknown

  constructor(about: string, own: Parts, isWhole: (u: unknown) => u is A, rules: ReadonlyArray<Rule<A>>, defaults: unknown) {
    const decode = (u: unknown, c: t.Context): t.Validation<A> => {
      if (!isRecord(u)) return t.failure(u, c)
      const all = merged(defaults, u)
      const { values, errors, wrong } = decodeParts(own, isRecord(all) ? all : {}, c)
      const a: unknown = values
      if (!isWhole(a)) return errors.length > 0 ? t.failures([...errors]) : t.failure(u, c)
      const broken = rules
        .filter((rule) => !rule.of.some((k) => wrong.has(k)) && !rule.holds(a))
        .map((rule): t.ValidationError => ({
          value: a[rule.at],
          context: t.appendContext(c, rule.at, new Together(rule.allowed(a), rule.remedy)),
        }))
      return errors.length + broken.length === 0 ? t.success(a) : t.failures([...errors, ...broken])
    }
    const allowed = `a section with ${Object.keys(own).join(', ')}`
    const shown = withDefaults(own, defaults)
    super({ initial: initialOf(shown), about, allowed, schema: schemaOf(shown) }, decode, shown)
    this.own = own
    this.isWhole = isWhole
    this.rules = rules
    this.defaults = defaults
  }

  /** The same section with other defaults: `network.with({ depth: 3 })`. */
  with(given?: Given<A>): Section<A> {
    return new Section(this.facts.about, this.own, this.isWhole, this.rules, merged(this.defaults, given))
  }

  /** The fields of another section beside these, with the rules of both. */
  and<B extends object>(other: Section<B>): Section<A & B> {
    const [mine, its] = [this.isWhole, other.isWhole]
    const isBoth = (u: unknown): u is A & B => mine(u) && its(u)
    const defaults = merged(this.defaults, other.defaults)
    return new Section<A & B>(this.facts.about, { ...this.own, ...other.own }, isBoth, [...this.rules, ...other.rules], defaults)
  }

  /** The same section with further fields that its type does not know: their values stay in what it decodes. */
  beside(more: Parts): Section<A> {
    return new Section(this.facts.about, { ...this.own, ...more }, this.isWhole, this.rules, this.defaults)
  }

  /** The same section in which more must hold. */
  ruled(rules: ReadonlyArray<Rule<A>>): Section<A> {
    return new Section(this.facts.about, this.own, this.isWhole, [...this.rules, ...rules], this.defaults)
  }
}

/** A field for each value of a record. */
export type Fields<A> = { readonly [K in keyof A]: Field<A[K]> }

/** Makes a section of fields. `rules` say what must hold between them. */
export const section = <A extends object>(about: string, fields: Fields<A>, rules: ReadonlyArray<Rule<A>> = []): Section<A> => {
  const parts: Parts = Object.fromEntries(Object.entries<AnyField>(fields))
  const isWhole = (u: unknown): u is A => isRecord(u) && Object.entries(parts).every(([k, f]) => f.is(u[k]))
  return new Section(about, parts, isWhole, rules, {})
}

/** A value of a kind of which only its name is known here. */
export interface OtherKind {
  readonly kind: string
  readonly [name: string]: unknown
}

type Variants = Readonly<Record<string, object>>

/** A value of one of several sections, which `kind` names. */
export type Variant<V extends Variants> = { readonly [K in keyof V & string]: { readonly kind: K } & V[K] }[keyof V & string]

/** One of several sections, with defaults of its own for some of its fields. */
export class Choice<A extends object> extends Field<A> {
  private readonly made: Making

  constructor(facts: Facts, decode: t.Validate<unknown, A>, parts: Parts, made: Making) {
    super(facts, decode, parts, kindsWith(made.sections, made.given))
    this.made = made
  }

  /** The same with other defaults, of another kind where they name one: `network.with({ kind: 'swin', width: 24 })`. */
  with(given?: Given<A>): Choice<A> {
    return choiceOf<A>({ ...this.made, given: merged(this.made.given, given) })
  }

  /** The same with further kinds. */
  beside(more: ReadonlyMap<string, AnyField>): Choice<A | OtherKind> {
    return choiceOf<A | OtherKind>({ ...this.made, sections: new Map([...this.made.sections, ...more]) })
  }
}

/** What a choice is made of: sections by kind, the kind that is the default, and other defaults than theirs. */
interface Making {
  readonly about: string
  readonly sections: ReadonlyMap<string, AnyField>
  readonly initial: string
  readonly given: unknown
}

const choiceOf = <A extends object>(made: Making): Choice<A> => {
  const { about, sections, initial, given } = made
  const names = [...sections.keys()]
  const defaults = merged({ kind: initial }, given)
  const kind = oneOf([initial, ...names.filter((n) => n !== initial)], 'which one')
  const isVariant = (u: unknown): u is A => isRecord(u) && sections.get(String(u['kind'])) !== undefined
  const decode = (u: unknown, c: t.Context): t.Validation<A> => {
    const whole = merged(defaults, u)
    if (!isRecord(whole)) return t.failure(u, c)
    const { kind: named, ...rest } = whole
    const chosen = kind.validate(named, t.appendContext(c, 'kind', kind))
    if (E.isLeft(chosen)) return chosen
    const of = sections.get(chosen.right)
    if (of === undefined) return t.failure(u, c)
    const r = of.validate(rest, c)
    if (E.isLeft(r)) return r
    const a: unknown = isRecord(r.right) ? { kind: chosen.right, ...r.right } : undefined
    return isVariant(a) ? t.success(a) : t.failure(u, c)
  }
  const all: Record<string, AnyField> = { kind }
  for (const of of sections.values()) for (const [name, f] of Object.entries(of.parts)) if (!(name in all)) all[name] = f
  const schema: Schema = {
    oneOf: [...sections].map(([name, f]) => {
      const properties = f.facts.schema['properties']
      return {
        description: f.facts.about,
        ...f.facts.schema,
        ...(name === initial ? {} : { required: ['kind'] }),
        properties: { kind: { const: name, description: kind.facts.about }, ...(isRecord(properties) ? properties : {}) },
      }
    }),
  }
  const facts = { initial: defaults, about, allowed: `a section of the kind ${names.join(', ')}`, schema }
  return new Choice(facts, decode, withDefaults(all, defaults), { ...made, given: defaults })
}

/** Sections of which `kind` chooses one; `initial` is the default. Names of another kind are unknown here. */
export const variants = <V extends Variants>(
  about: string,
  kinds: { readonly [K in keyof V]: Section<V[K]> },
  initial: keyof V & string,
): Choice<Variant<V>> => choiceOf({ about, sections: new Map(Object.entries<AnyField>(kinds)), initial, given: {} })
