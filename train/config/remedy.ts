/** What to do about a mistake in settings: names and values that are allowed where it is, beside all else that is said there. */
import type * as t from 'io-ts'
import { join } from '../../core/tree.ts'
import { valueAt } from '../../data/formats/codec.ts'
import type { AnyField, Schema } from './field.ts'
import { isField, showDefault } from './field.ts'
import { editDistance, nearest } from './spelling.ts'

/** A setting that there is. */
interface There {
  readonly path: string
  readonly field: AnyField
}

/** What is in a section beside such values: where it has several kinds, what the one has that they choose. */
const partsBeside = (f: AnyField, values: unknown): AnyField['parts'] => {
  if (f.kinds.size === 0) return f.parts
  const kind = valueAt(values, 'kind') ?? valueAt(f.facts.initial, 'kind')
  return { kind: f.parts['kind'], ...f.kinds.get(String(kind))?.parts }
}

/** The settings that there are beside such values, sections before what is in them. */
export const thereBeside = (f: AnyField, values: unknown, at = ''): ReadonlyArray<There> =>
  Object.entries(partsBeside(f, values)).flatMap(([name, field]) => {
    const path = join(at, name)
    return [{ path, field }, ...thereBeside(field, valueAt(values, name), path)]
  })

const lastOf = (path: string): string => path.slice(path.lastIndexOf('.') + 1)

/** Settings of such a name, where they are few enough to be meant. */
const called = (there: ReadonlyArray<There>, is: (name: string) => boolean): string | undefined => {
  const paths = there.map(({ path }) => path).filter((path) => is(lastOf(path)))
  return paths.length === 0 || paths.length > 2 ? undefined : `did you mean ${paths.join(' or ')}?`
}

/**
 * Of a name that is not there: the kinds of its section that have it, the nearest one of `names`, or settings that are called so elsewhere,
 * but for one letter.
 */
export const nameRemedy = (there: ReadonlyArray<There>, path: string, names: ReadonlyArray<string>): string => {
  const section = path.slice(0, Math.max(0, path.lastIndexOf('.')))
  const name = lastOf(path)
  const around = there.find((s) => s.path === section)?.field.kinds ?? new Map<string, AnyField>()
  const others = [...around].filter(([, of]) => Object.hasOwn(of.parts, name)).map(([kind]) => kind)
  if (others.length > 0)
    return `remove it, or choose another ${join(section, 'kind')}: ${others.join(', ')} ${others.length === 1 ? 'has' : 'have'} it`
  const here = nearest(name, names)
  if (here !== undefined) return `did you mean ${join(section, here)}?`
  const close = (other: string): boolean => name.length > 3 && editDistance(name.toLowerCase(), other.toLowerCase()) <= 1
  return called(there, (other) => other === name) ?? called(there, close) ?? 'remove it; --help lists all settings'
}

/** The texts that a schema allows. */
const textsIn = (u: unknown): ReadonlyArray<string> => {
  const [names, either, each] = ['enum', 'anyOf', 'items'].map((key) => valueAt(u, key))
  return [
    ...(Array.isArray(names) ? names.filter((x): x is string => typeof x === 'string') : []),
    ...(Array.isArray(either) ? either.flatMap(textsIn) : []),
    ...(each === undefined ? [] : textsIn(each)),
  ]
}

const nearestIn = (schema: Schema, value: unknown): string | undefined =>
  typeof value === 'string' ? nearest(value, textsIn(schema)) : undefined

/** Longer lists of what is allowed are read where they stand. */
const shortest = 80

/** Of a value that is not allowed: the nearest that is, or what to set, with the default. `at`: what would have decoded it. */
export const valueRemedy = (
  there: ReadonlyArray<There>,
  path: string,
  value: unknown,
  at: t.Decoder<unknown, unknown> | undefined,
): string => {
  if (path === '') return 'write names with their values, such as "steps: 300"'
  const field = there.find((s) => s.path === path)?.field ?? (isField(at) ? at : undefined)
  if (field === undefined) return `set ${path} to ${at?.name ?? 'something else'}`
  const { facts } = field
  const near = nearestIn(facts.schema, value)
  if (near !== undefined) return `did you mean ${near}?`
  const within = thereBeside(field, facts.initial, path).find((s) => Object.keys(s.field.parts).length === 0)
  if (within !== undefined)
    return `${facts.initial === null ? `set ${path} to null, or` : 'leave it out, or'} set what is in it, such as ${within.path}=${showDefault(within.field.facts.initial)}`
  // what one item of a list would be by itself is no default of it
  const usual = !/\.\d+$/.test(path) && field.is(facts.initial) ? `; the default is ${showDefault(facts.initial)}` : ''
  return `set ${path} to ${facts.allowed.length > shortest ? 'one of these' : facts.allowed}${usual}`
}
