/**
 * Settings: the numbers of an experiment, as plain data. What an example writes down are the defaults and, by their kinds,
 * the specification: a file or `--set` may change any of them, to a value of the same kind.
 */
import { readFile } from 'node:fs/promises'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { LineCounter, isMap, isNode, isScalar, parseDocument, parse as parseYaml } from 'yaml'
import type { Fault } from '../core/fault.ts'
import { fault, messageOf } from '../core/fault.ts'
import { join } from '../core/tree.ts'
import type { Assignment } from './arguments.ts'
import { nearest } from './nearest.ts'

export type Setting = number | string | boolean | ReadonlyArray<number> | Settings
export interface Settings { readonly [name: string]: Setting }

/** One change: where it was asked for, the path, and the new value as read. */
export interface Change {
  readonly place: string
  readonly path: string
  readonly value: unknown
}

const kindOf = (v: unknown): string =>
  Array.isArray(v) ? 'a list of numbers' : typeof v === 'object' ? 'a section' : `a ${typeof v}`

const isSection = (v: unknown): v is Settings => typeof v === 'object' && v !== null && !Array.isArray(v)
const isNumbers = (v: unknown): v is ReadonlyArray<number> => Array.isArray(v) && v.every((x) => typeof x === 'number' && Number.isFinite(x))

/** A value of the same kind as the default, or what is wrong. */
const sameKind = (old: Setting, value: unknown): Setting | undefined => {
  if (typeof old === 'number') return typeof value === 'number' && Number.isFinite(value) ? value : undefined
  if (typeof old === 'string') return typeof value === 'string' ? value : undefined
  if (typeof old === 'boolean') return typeof value === 'boolean' ? value : undefined
  return Array.isArray(old) && isNumbers(value) ? value : undefined
}

const wrong = (place: string, found: string, allowed: string, remedy: string): Fault => fault('config', { place, found, allowed, remedy })

/** Paths of all values, for messages. */
const pathsOf = (s: Settings, at = ''): ReadonlyArray<string> =>
  Object.entries(s).flatMap(([k, v]) => (isSection(v) ? pathsOf(v, join(at, k)) : [join(at, k)]))

/** The settings with one value changed. Faults: an unknown path, with the nearest valid one; a value of another kind. */
const changed = <S extends Settings>(all: Settings, s: S, keys: ReadonlyArray<string>, c: Change): Either<Fault, S> => {
  const [key, ...rest] = keys
  const old: Setting | undefined = Object.hasOwn(s, key) ? s[key] : undefined
  if (old === undefined) {
    const close = nearest(c.path, pathsOf(all))
    return E.left(wrong(`${c.place}: ${c.path}`, 'an unknown setting', pathsOf(all).join(', '), close !== undefined ? `did you mean ${close}?` : 'name one of these'))
  }
  if (isSection(old)) {
    if (rest.length === 0) return E.left(wrong(`${c.place}: ${c.path}`, kindOf(c.value), `a section with ${Object.keys(old).join(', ')}`, 'change the values in it by their own paths'))
    return E.map((inner: Settings): S => ({ ...s, [key]: inner }))(changed(all, old, rest, c))
  }
  const value = rest.length === 0 ? sameKind(old, c.value) : undefined
  return value === undefined
    ? E.left(wrong(`${c.place}: ${c.path}`, JSON.stringify(c.value), `${kindOf(old)}, such as ${JSON.stringify(old)}`, 'give a value of that kind'))
    : E.right({ ...s, [key]: value })
}

/** Applies changes in order; all that are wrong are reported at once. */
export const applyChanges = (changes: ReadonlyArray<Change>) => <S extends Settings>(defaults: S): Either<ReadonlyArray<Fault>, S> => {
  let now = defaults
  const faults: Array<Fault> = []
  for (const c of changes) {
    const next = changed(now, now, c.path.split('.'), c)
    if (E.isLeft(next)) faults.push(next.left)
    else now = next.right
  }
  return faults.length === 0 ? E.right(now) : E.left(faults)
}

/** `--set a.b=0.1`: the text is read as YAML, so `0.1` is a number and `true` a boolean. */
export const changeOf = (a: Assignment): Either<Fault, Change> =>
  E.tryCatch(
    (): Change => ({ place: '--set', path: a.path, value: parseYaml(a.value) }),
    (e) => wrong(`--set ${a.path}`, `${a.value}: ${messageOf(e).split('\n')[0]}`, 'a number, a text, true, false, or a list like [0.4, 1]', 'correct the value, and quote it for the shell'),
  )

/** The changes that a YAML text asks for, each with its line. */
const changesIn = (file: string, text: string): Either<Fault, ReadonlyArray<Change>> => {
  const lines = new LineCounter()
  const doc = parseDocument(text, { lineCounter: lines })
  const [first] = doc.errors
  if (first !== undefined) return E.left(wrong(file, messageOf(first), 'YAML', 'correct the file'))
  const out: Array<Change> = []
  const walk = (path: string, node: unknown, line: number): void => {
    if (!isMap(node)) {
      out.push({ place: `${file}:${line}`, path, value: isNode(node) ? node.toJS(doc) : node })
      return
    }
    for (const pair of node.items) {
      const key = isScalar(pair.key) ? pair.key : undefined
      walk(join(path, String(key?.value)), pair.value, key?.range === undefined || key.range === null ? line : lines.linePos(key.range[0]).line)
    }
  }
  if (doc.contents !== null) walk('', doc.contents, 1)
  return E.right(out)
}

/** The changes of a configuration file. */
export const readChanges = (file: string): TaskEither<Fault, ReadonlyArray<Change>> => async () => {
  try {
    return changesIn(file, await readFile(file, 'utf8'))
  } catch (e) {
    return E.left(fault('io', { place: file, found: messageOf(e), allowed: 'a readable YAML file', remedy: 'check the path given to --config' }))
  }
}

/** Several faults as one text is what a user corrects in one go; the first keeps its kind. */
export const joinFaults = (faults: ReadonlyArray<Fault>): Fault => {
  const [first, ...rest] = faults
  return rest.length === 0 ? first : { ...first, remedy: `${first.remedy}\n${rest.map((f) => `and at ${f.place}\n  found:   ${f.found}\n  allowed: ${f.allowed}\n  remedy:  ${f.remedy}`).join('\n')}` }
}

/** Resolves a command line's changes against an experiment's defaults. */
export const resolve = <S extends Settings>(defaults: S, file: string | undefined, set: ReadonlyArray<Change>): TaskEither<Fault, S> =>
  async () => {
    const fromFile: Either<Fault, ReadonlyArray<Change>> = file === undefined ? E.right([]) : await readChanges(file)()
    return E.chain((changes: ReadonlyArray<Change>) => E.mapLeft(joinFaults)(applyChanges([...changes, ...set])(defaults)))(fromFile)
  }
