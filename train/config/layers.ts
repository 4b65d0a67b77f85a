/**
 * Layers of a configuration: a file, the files that it extends, the environment, `--set`. Each is a tree of values that remembers
 * where every value was written; later ones lie over earlier ones.
 */
import { readFile } from 'node:fs/promises'
import { dirname, resolve as resolvePath } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Document } from 'yaml'
import { LineCounter, isMap, isPair, isScalar, isSeq, parseDocument, visit } from 'yaml'
import type { Fault } from '../../core/fault.ts'
import { fault, messageOf, together } from '../../core/fault.ts'
import { join } from '../../core/tree.ts'
import { showValue } from '../../data/decode.ts'
import { systemFault } from '../../data/file.ts'
import { isRecord, merged } from './section.ts'

export interface Layer {
  readonly tree: unknown
  /** Where the value of a path was written: `recipe.yaml:12`, `--set`. */
  readonly origins: ReadonlyMap<string, string>
}

export const noLayer: Layer = { tree: {}, origins: new Map() }

/** The later over the earlier. */
export const stacked = (layers: ReadonlyArray<Layer>): Layer => ({
  tree: layers.reduce<unknown>((under, l) => merged(under, l.tree), {}),
  origins: new Map(layers.flatMap((l) => [...l.origins])),
})

/** One value at a path. */
export const layerAt = (path: string, value: unknown, place: string): Layer =>
  ({ tree: path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value), origins: new Map([[path, place]]) })

const wrong = (place: string, found: string, allowed: string, remedy: string): Fault => fault('config', { place, found, allowed, remedy })

/** A text of the command line or the environment, read as YAML: `0.1` is a number, `true` a flag, `[0.4, 1]` a list. */
export const layerOfText = (path: string, text: string, place: string): Either<Fault, Layer> => {
  const doc = parseDocument(text)
  const [first] = doc.errors
  const value: unknown = doc.toJS()
  return first === undefined
    ? E.right(layerAt(path, value, place))
    : E.left(wrong(`${place}: ${path}`, `${text}: ${messageOf(first).split('\n')[0]}`, 'a number, a text, true, false, null, or a list like [0.4, 1]', 'correct the value, and quote it for the shell'))
}

/** The line of every key of a document, by path. */
const originsOf = (doc: Document.Parsed, file: string, lines: LineCounter): ReadonlyMap<string, string> => {
  const out = new Map<string, string>()
  const placeOf = (node: unknown): string | undefined =>
    isScalar(node) && node.range !== null && node.range !== undefined ? `${file}:${lines.linePos(node.range[0]).line}` : undefined
  visit(doc, {
    Node: (key, node, ancestors: ReadonlyArray<unknown>) => {
      const names: Array<string> = []
      const chain: ReadonlyArray<unknown> = [...ancestors, node]
      chain.forEach((a, i) => {
        if (isPair(a) && isScalar(a.key)) names.push(String(a.key.value))
        if (isSeq(a) && i + 1 < chain.length) names.push(String(i + 1 === chain.length - 1 ? key : a.items.findIndex((x) => x === chain[i + 1])))
      })
      const parent = ancestors.at(-1)
      const place = isPair(parent) ? placeOf(parent.key) : placeOf(node)
      if (names.length > 0 && place !== undefined && key !== 'key') out.set(names.join('.'), place)
    },
  })
  return out
}

/** A YAML text as a layer, or every error that its grammar has. */
export const layerOfYaml = (file: string, text: string): Either<Fault, Layer> => {
  const lines = new LineCounter()
  const doc = parseDocument(text, { lineCounter: lines })
  const [first, ...rest] = doc.errors.map((e) => {
    const { line, col } = lines.linePos(e.pos[0])
    return wrong(`${file}:${line}:${col}`, messageOf(e).split('\n')[0], 'YAML: names, a colon, values, and the same indentation within a section', 'correct the line')
  })
  if (first !== undefined) return E.left(together([first, ...rest]))
  if (doc.contents === null) return E.right(noLayer)
  if (!isMap(doc.contents)) return E.left(wrong(file, showValue(doc.toJS()), 'sections with values', 'write names with their values, such as "steps: 300"'))
  const tree: unknown = doc.toJS()
  return E.right({ tree, origins: originsOf(doc, file, lines) })
}

const readText = async (file: string, asked: string): Promise<Either<Fault, string>> => {
  try {
    return E.right(await readFile(file, 'utf8'))
  } catch (e) {
    return E.left({ ...systemFault('config', file)(e), remedy: `check ${asked}` })
  }
}

const without = (tree: unknown, name: string): unknown =>
  isRecord(tree) ? Object.fromEntries(Object.entries(tree).filter(([k]) => k !== name)) : tree

const textsOf = (u: unknown): ReadonlyArray<string> | undefined =>
  u === undefined ? [] : typeof u === 'string' ? [u] : Array.isArray(u) && u.every((x): x is string => typeof x === 'string') ? u : undefined

/** The name under which a file names those that it changes. */
export const extendsKey = 'extends'

/** The section that may be a file of its own. */
export const ownFileKey = 'accelerator'

const below = (l: Layer, path: string): Layer =>
  ({ tree: { [path]: l.tree }, origins: new Map([...l.origins].map(([p, place]) => [join(path, p), place])) })

/** The accelerator's file, which holds the section itself or, like the whole configuration, by its name. */
export const withOwnFile = async (l: Layer, folder: string): Promise<Either<Fault, Layer>> => {
  const named = isRecord(l.tree) ? l.tree[ownFileKey] : undefined
  if (typeof named !== 'string') return E.right(l)
  const place = l.origins.get(ownFileKey) ?? ''
  const file = resolvePath(folder, named)
  const text = await readText(file, `the file named at ${place}: ${ownFileKey}`)
  const read = E.chain((source: string) => layerOfYaml(file, source))(text)
  const rest: Layer = { tree: without(l.tree, ownFileKey), origins: l.origins }
  return E.map((own: Layer) => stacked([rest, isRecord(own.tree) && ownFileKey in own.tree ? own : below(own, ownFileKey)]))(read)
}

/** A file over those that it extends, nearest first. */
const readFrom = async (file: string, asked: string, open: ReadonlyArray<string>): Promise<Either<Fault, Layer>> => {
  const whole = resolvePath(file)
  if (open.includes(whole)) return E.left(wrong(file, `files that extend each other: ${[...open, whole].join(', ')}`, 'a file that extends others', `remove one "${extendsKey}"`))
  const text = await readText(file, asked)
  const read = E.chain((source: string) => layerOfYaml(file, source))(text)
  if (E.isLeft(read)) return read
  const { tree, origins } = read.right
  const place = origins.get(extendsKey) ?? file
  const bases = textsOf(isRecord(tree) ? tree[extendsKey] : undefined)
  if (bases === undefined) return E.left(wrong(`${place}: ${extendsKey}`, showValue(isRecord(tree) ? tree[extendsKey] : tree), 'the name of a file, or a list of names', 'name files relative to this one'))
  const layers: Array<Layer> = []
  const faults: Array<Fault> = []
  for (const base of bases) {
    const under = await readFrom(resolvePath(dirname(file), base), `the file named at ${place}: ${extendsKey}`, [...open, whole])
    if (E.isLeft(under)) faults.push(under.left)
    else layers.push(under.right)
  }
  const own = await withOwnFile({ tree: without(tree, extendsKey), origins }, dirname(file))
  if (E.isLeft(own)) faults.push(own.left)
  else layers.push(own.right)
  const [first, ...rest] = faults
  return first === undefined ? E.right(stacked(layers)) : E.left(together([first, ...rest]))
}

/** A configuration file with all that it extends. Faults, all at once: files that cannot be read, errors of their grammar. */
export const readLayer = (file: string): TaskEither<Fault, Layer> => () => readFrom(file, 'the path given to --config', [])

/** What variables of the environment that change settings begin with; `__` stands between the names of a path. */
export const environmentPrefix = 'DINOGRAPH__'

const plain = (name: string): string => name.toLowerCase().replaceAll('_', '')

/**
 * The variables that change settings: `DINOGRAPH__OPTIMIZER__MIN_LR=1e-5` is `optimizer.minLr`. `names` are those of settings, to find
 * which is meant whatever the case of its letters.
 */
export const environmentLayer = (environment: Readonly<Record<string, string | undefined>>, names: Iterable<string>): Either<Fault, Layer> => {
  const known = new Map([...names].map((n) => [plain(n), n]))
  const faults: Array<Fault> = []
  const layers: Array<Layer> = []
  for (const [variable, text] of Object.entries(environment).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!variable.startsWith(environmentPrefix) || text === undefined || text === '') continue
    const path = variable.slice(environmentPrefix.length).split('__').map((n) => known.get(plain(n)) ?? n.toLowerCase()).join('.')
    const layer = layerOfText(path, text, variable)
    if (E.isLeft(layer)) faults.push(layer.left)
    else layers.push(layer.right)
  }
  const [first, ...rest] = faults
  return first === undefined ? E.right(stacked(layers)) : E.left(together([first, ...rest]))
}
