/** From layers to settings: everything that is wrong, each with its file and line, its path, and the nearest valid name. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { fault, together } from '../../core/fault.ts'
import { masked } from '../../core/text.ts'
import { join } from '../../core/tree.ts'
import { showValue } from '../../data/formats/codec.ts'
import type { AnyField, Field } from './field.ts'
import type { Layer } from './layers.ts'
import { stacked } from './layers.ts'
import { nameRemedy, thereBeside, valueRemedy } from './remedy.ts'
import { isNoSuchName, isTogether } from './section.ts'

/** A setting as help and messages list it. */
export interface SettingLine {
  readonly path: string
  readonly field: AnyField
  /** Of a section of several kinds: the one whose settings follow, as this line is their heading. */
  readonly kind?: string
}

const within = (parts: AnyField['parts'], at: string): ReadonlyArray<SettingLine> =>
  Object.entries(parts).flatMap(([name, part]) => [{ path: join(at, name), field: part }, ...settingsOf(part, join(at, name))])

/** All settings by path, sections before what is in them; of a section of several kinds, those of each. */
export const settingsOf = (f: AnyField, at = ''): ReadonlyArray<SettingLine> =>
  f.kinds.size === 0
    ? within(f.parts, at)
    : [
        { path: join(at, 'kind'), field: f.parts['kind'] },
        ...[...f.kinds].flatMap(([kind, of]) => [{ path: at, field: of, kind }, ...settingsOf(of, at)]),
      ]

/** The names of all settings, each once. */
export const namesOf = (f: AnyField): ReadonlySet<string> => new Set(settingsOf(f).flatMap(({ path }) => path.split('.').slice(-1)))

/** Where a path, the section around it, or something in it was written. */
const placeOf = (origins: ReadonlyMap<string, string>, path: string): string => {
  for (let at = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) {
    const place = origins.get(at)
    if (place !== undefined) return `${place}: ${path}`
  }
  const [within] = [...origins].filter(([at]) => at.startsWith(`${path}.`)).map(([, place]) => place)
  if (within !== undefined) return `${within}: ${path}`
  return `the defaults: ${path}`
}

/** Where something was written that a rule between values speaks of: at its own path, in it, or beside it. */
const placeAround = (origins: ReadonlyMap<string, string>, path: string): string => {
  const section = path.slice(0, path.lastIndexOf('.') + 1)
  const [beside] = [...origins].filter(([at]) => section !== '' && at.startsWith(section)).map(([, place]) => place)
  return beside === undefined || [...origins.keys()].some((at) => at === path || at.startsWith(`${path}.`))
    ? placeOf(origins, path)
    : `${beside}: ${path}`
}

const pathOf = (e: t.ValidationError): string =>
  e.context
    .map((c) => c.key)
    .filter((k) => k !== '')
    .join('.')

const problem = (root: AnyField, { tree, origins }: Layer) => {
  const there = thereBeside(root, tree)
  return (e: t.ValidationError): Fault => {
    const path = pathOf(e)
    const at = e.context.at(-1)?.type
    const place = path === '' ? 'the configuration' : (isTogether(at) ? placeAround : placeOf)(origins, path)
    if (isNoSuchName(at)) {
      const section = path.slice(0, Math.max(0, path.lastIndexOf('.')))
      const names = there.some((s) => s.path === section && s.field.kinds.size > 0) ? ['kind', ...at.names] : at.names
      return fault('config', {
        place,
        found: `an unknown setting${typeof e.value === 'object' ? '' : `: ${showValue(e.value)}`}`,
        allowed: names.join(', '),
        remedy: nameRemedy(there, path, names),
      })
    }
    const found = masked(JSON.stringify(e.value) ?? 'nothing')
    return fault('config', {
      place,
      found: found.length <= 60 ? found : masked(showValue(e.value)),
      allowed: at?.name ?? 'something else',
      remedy: isTogether(at) ? at.remedy : valueRemedy(there, path, e.value, at),
    })
  }
}

/** File and line of a place, `recipe.yaml:12: optimizer.lr`, to put faults of one file in order. */
const lineOf = (f: Fault): readonly [string, number] => {
  const m = /^(.*?):(\d+): /.exec(f.place)
  return m === null ? [f.place, 0] : [m[1], Number(m[2])]
}

/** The faults of each file together and by line, files in the order of their first fault. */
const inOrder = (faults: ReadonlyArray<Fault>): ReadonlyArray<Fault> => {
  const files = new Map<string, Array<Fault>>()
  for (const f of faults) files.set(lineOf(f)[0], [...(files.get(lineOf(f)[0]) ?? []), f])
  return [...files.values()].flatMap((of) => of.sort((x, y) => lineOf(x)[1] - lineOf(y)[1]))
}

/** Whether a mistake may come from a file that is missing: what holds between values, and names that another kind of a section has. */
const mayFollow = (root: AnyField) => {
  const all = new Set(settingsOf(root).map((s) => s.path))
  return (e: t.ValidationError): boolean => {
    const at = e.context.at(-1)?.type
    return isTogether(at) || (isNoSuchName(at) && all.has(pathOf(e)))
  }
}

/** Settings from layers over the defaults. `Left`: all that is wrong, in the order of the files, what could not be read too. */
export const resolve =
  <A>(root: Field<A>) =>
  (layers: ReadonlyArray<Layer>): Either<Fault, A> => {
    const all = stacked(layers)
    const { tree, faults } = all
    const r = root.validate(tree, [])
    if (E.isRight(r) && faults.length === 0) return r
    const wrong = E.isRight(r) ? [] : faults.length === 0 ? r.left : r.left.filter((e) => !mayFollow(root)(e))
    const [first, ...rest] = inOrder([...faults.flatMap((f) => [{ ...f, also: [] }, ...(f.also ?? [])]), ...wrong.map(problem(root, all))])
    return E.left(together([first, ...rest]))
  }

/** Changes given by a program, such as a test or a run that comes before another. */
export const given = (tree: unknown, place = 'the program'): Layer => {
  const walk = (u: unknown, at: string): ReadonlyArray<readonly [string, string]> =>
    typeof u === 'object' && u !== null && !Array.isArray(u)
      ? Object.entries(u).flatMap(([k, v]) => [[join(at, k), place] as const, ...walk(v, join(at, k))])
      : []
  return { tree, origins: new Map(walk(tree, '')), faults: [] }
}
