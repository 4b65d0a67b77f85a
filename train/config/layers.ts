/**
 * Layers of a configuration: a file, the files that it extends, the environment, `--set`. Each is a tree of values that remembers
 * where every value was written; later ones lie over earlier ones. What cannot be read is remembered too, so that it is reported
 * together with what is wrong in all that can.
 */
import { readFile, readdir } from 'node:fs/promises'
import { basename, dirname, join as joinPath, relative, resolve as resolvePath } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Task } from 'fp-ts/lib/Task.js'
import type { Document } from 'yaml'
import { LineCounter, isMap, isPair, isScalar, isSeq, parseDocument, visit } from 'yaml'
import type { Fault } from '../../core/fault.ts'
import { codeOf, faultsOf, messageOf, together } from '../../core/fault.ts'
import { join } from '../../core/tree.ts'
import { isRecord, showValue } from '../../data/formats/codec.ts'
import { systemFault } from '../../data/formats/file.ts'
import { treeOf } from './older.ts'
import { filesIn, pathsIn, pluginsKey } from './plugins.ts'
import { nearest } from './spelling.ts'
import { merged } from './section.ts'

export interface Layer {
  readonly tree: unknown
  /** Where the value of a path was written: `recipe.yaml:12`, `--set`. */
  readonly origins: ReadonlyMap<string, string>
  /** What could not be read. */
  readonly faults: ReadonlyArray<Fault>
}

export const noLayer: Layer = { tree: {}, origins: new Map(), faults: [] }

/** Nothing but what is wrong. */
const unread = (f: Fault): Layer => ({ ...noLayer, faults: [f] })

/** What was read, or why it was not. */
export const layerOr = (r: Either<Fault, Layer>): Layer => (E.isLeft(r) ? unread(r.left) : r.right)

/** The later over the earlier. */
export const stacked = (layers: ReadonlyArray<Layer>): Layer => ({
  tree: layers.reduce<unknown>((under, l) => merged(under, l.tree), {}),
  origins: new Map(layers.flatMap((l) => [...l.origins])),
  faults: layers.flatMap((l) => l.faults),
})

/** One value at a path. */
export const layerAt = (path: string, value: unknown, place: string): Layer => ({
  tree: path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value),
  origins: new Map([[path, place]]),
  faults: [],
})

/** Values of settings by path: `{ 'optimizer.lr': 0.002 }`. */
export type Choice = Readonly<Record<string, unknown>>

/** Each of them. */
export const layersAt = (c: Choice, place: string): ReadonlyArray<Layer> =>
  Object.entries(c).map(([path, value]) => layerAt(path, value, place))

const wrong = faultsOf('config')

/** What is wrong with a text of YAML, and where it begins. */
interface Wrong {
  readonly at: number
  readonly text: string
}

/** A text of YAML with its value, or all that its grammar has against it; names of values that are nowhere, or stand for too much, too. */
const parsed = (
  text: string,
  lines?: LineCounter,
): Either<readonly [Wrong, ...ReadonlyArray<Wrong>], { readonly doc: Document.Parsed; readonly value: unknown }> => {
  try {
    const doc = parseDocument(text, lines === undefined ? {} : { lineCounter: lines })
    const [first, ...rest] = doc.errors.map((e) => ({ at: e.pos[0], text: messageOf(e).split('\n')[0] }))
    if (first !== undefined) return E.left([first, ...rest])
    const value: unknown = doc.toJS()
    // what refers to itself has no end
    JSON.stringify(value)
    return E.right({ doc, value })
  } catch (e) {
    return E.left([{ at: 0, text: messageOf(e).split('\n')[0] }])
  }
}

/** A text of the command line or the environment, read as YAML: `0.1` is a number, `true` a flag, `[0.4, 1]` a list. */
export const layerOfText = (path: string, text: string, place: string): Either<Fault, Layer> =>
  pipe(
    parsed(text),
    E.bimap(
      ([first]) =>
        wrong(
          `${place}: ${path}`,
          `${text.length > 60 ? `${text.slice(0, 60)}…` : text}: ${first.text}`,
          'a number, a text, true, false, null, or a list like [0.4, 1]',
          /^[*&!]/.test(text)
            ? `${text[0]} begins something else in YAML: put it in quotes, and these in quotes for the shell: '${path}="${text}"'`
            : 'correct the value, and quote it for the shell',
        ),
      ({ value }) => layerAt(path, value, place),
    ),
  )

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
        if (isSeq(a) && i + 1 < chain.length)
          names.push(String(i + 1 === chain.length - 1 ? key : a.items.findIndex((x) => x === chain[i + 1])))
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
  const read = parsed(text, lines)
  if (E.isLeft(read)) {
    const faultAt = ({ at, text: found }: Wrong): Fault => {
      const { line, col } = lines.linePos(at)
      return wrong(
        `${file}:${line}:${col}`,
        found,
        'YAML: names, a colon, values, and the same indentation within a section',
        'correct the line',
      )
    }
    const [first, ...rest] = read.left
    return E.left(together([faultAt(first), ...rest.map(faultAt)]))
  }
  const { doc, value: tree } = read.right
  if (doc.contents === null) return E.right(noLayer)
  if (!isMap(doc.contents))
    return E.left(wrong(file, showValue(tree), 'sections with values', 'write names with their values, such as "steps: 300"'))
  return E.right({ tree: treeOf(text, tree), origins: originsOf(doc, file, lines), faults: [] })
}

/** A file that another one names, or the command line. */
interface Asked {
  /** `recipe.yaml:2: extends`, `--config`. */
  readonly place: string
  /** Where its path begins. */
  readonly folder: string
}

/** The file that may have been meant by the path of one that is not there. */
const meantFile = async (file: string, { place, folder }: Asked): Promise<string> => {
  const names = await readdir(dirname(file)).catch((): ReadonlyArray<string> => [])
  const near = nearest(
    basename(file),
    names.filter((n) => /\.ya?ml$/.test(n) && !place.includes(`${n}:`)),
  )
  return near === undefined ? 'correct the path' : `did you mean ${relative(folder, joinPath(dirname(file), near))}?`
}

const readText = async (file: string, asked: Asked): Promise<Either<Fault, string>> => {
  try {
    return E.right(await readFile(file, 'utf8'))
  } catch (e) {
    return E.left(
      codeOf(e) === 'ENOENT'
        ? wrong(
            asked.place,
            `no such file: ${file}`,
            `a file, by its path from ${asked.folder === '' ? 'the working folder' : asked.folder}`,
            await meantFile(file, asked),
          )
        : { ...systemFault('config', file)(e), remedy: `check the file named at ${asked.place}` },
    )
  }
}

const without = (tree: unknown, name: string): unknown =>
  isRecord(tree) ? Object.fromEntries(Object.entries(tree).filter(([k]) => k !== name)) : tree

const textsOf = (u: unknown): ReadonlyArray<string> | undefined =>
  u === undefined
    ? []
    : typeof u === 'string'
      ? [u]
      : Array.isArray(u) && u.every((x): x is string => typeof x === 'string')
        ? u
        : undefined

/** The name under which a file names those that it changes. */
export const extendsKey = 'extends'

/** The section that may be a file of its own. */
export const ownFileKey = 'accelerator'

/** What lies in a folder that was made by a run, or that a model came in. */
const handedOn = ['checkpoints', 'environment.json', 'config.json', 'adapter_config.json', 'model.safetensors', 'pytorch_model.bin']

/**
 * The paths of plugins, as the file or the command line in `folder` means them, from the root of the disk. A file that lies with a run or a
 * model names none: what it names would be run by whoever uses the model.
 */
export const withPlugins = async (l: Layer, folder: string): Promise<Layer> => {
  const { tree } = l
  if (!isRecord(tree) || filesIn(tree[pluginsKey]).length === 0) return l
  const names = folder === '' ? [] : await readdir(folder).catch((): ReadonlyArray<string> => [])
  const beside = handedOn.find((name) => names.includes(name))
  if (beside === undefined) return { ...l, tree: { ...tree, [pluginsKey]: pathsIn(tree[pluginsKey], folder) } }
  return {
    ...l,
    tree: without(tree, pluginsKey),
    faults: [
      ...l.faults,
      wrong(
        `${l.origins.get(pluginsKey) ?? folder}: ${pluginsKey}`,
        `${filesIn(tree[pluginsKey]).join(', ')}, named beside ${beside}`,
        'plugins that a configuration of your own names, or the command line: files that come with a run or a model are not run',
        'read the file, and if you trust it, name it with --plugin FILE; or keep the configuration in a folder of its own',
      ),
    ],
  }
}

const below = (l: Layer, path: string): Layer => ({
  ...l,
  tree: { [path]: l.tree },
  origins: new Map([...l.origins].map(([p, place]) => [join(path, p), place])),
})

/** The accelerator's file, which holds the section itself or, like the whole configuration, by its name. */
export const withOwnFile = async (l: Layer, folder: string): Promise<Layer> => {
  const named = isRecord(l.tree) ? l.tree[ownFileKey] : undefined
  if (typeof named !== 'string') return l
  const file = resolvePath(folder, named)
  const text = await readText(file, { place: `${l.origins.get(ownFileKey) ?? ''}: ${ownFileKey}`, folder })
  // a whole configuration names plugins too, from where it is
  const own = await withPlugins(layerOr(E.chain((source: string) => layerOfYaml(file, source))(text)), dirname(file))
  return stacked([{ ...l, tree: without(l.tree, ownFileKey) }, isRecord(own.tree) && ownFileKey in own.tree ? own : below(own, ownFileKey)])
}

/** A file over those that it extends, nearest first. */
const readFrom = async (file: string, asked: Asked, open: ReadonlyArray<string>): Promise<Layer> => {
  const whole = resolvePath(file)
  if (open.includes(whole))
    return unread(
      wrong(
        asked.place,
        `files that extend each other: ${[...open, whole].join(', ')}`,
        'a file that extends others',
        `remove one "${extendsKey}"`,
      ),
    )
  const text = await readText(file, asked)
  const read = E.chain((source: string) => layerOfYaml(file, source))(text)
  if (E.isLeft(read)) return unread(read.left)
  const { tree, origins } = read.right
  const place = `${origins.get(extendsKey) ?? file}: ${extendsKey}`
  const named = isRecord(tree) ? tree[extendsKey] : undefined
  const bases = textsOf(named)
  const folder = dirname(file)
  const under =
    bases === undefined
      ? [unread(wrong(place, showValue(named), 'the name of a file, or a list of names', 'name files relative to this one'))]
      : await Promise.all(bases.map((base) => readFrom(resolvePath(folder, base), { place, folder }, [...open, whole])))
  return stacked([...under, await withOwnFile(await withPlugins({ tree: without(tree, extendsKey), origins, faults: [] }, folder), folder)])
}

/** A configuration file with all that it extends. */
export const readLayer =
  (file: string): Task<Layer> =>
  () =>
    readFrom(file, { place: '--config', folder: '' }, [])

/** What variables of the environment that change settings begin with; `__` stands between the names of a path. */
export const environmentPrefix = 'DINOGRAPH__'

const plain = (name: string): string => name.toLowerCase().replaceAll('_', '')

/**
 * The variables that change settings: `DINOGRAPH__OPTIMIZER__MIN_LR=1e-5` is `optimizer.minLr`. `names` are those of settings, to find
 * which is meant whatever the case of its letters.
 */
export const environmentLayer = (environment: Readonly<Record<string, string | undefined>>, names: Iterable<string>): Layer => {
  const known = new Map([...names].map((n) => [plain(n), n]))
  const given = Object.entries(environment).sort(([a], [b]) => (a < b ? -1 : 1))
  return stacked(
    given.flatMap(([variable, text]) => {
      if (!variable.startsWith(environmentPrefix) || text === undefined || text === '') return []
      const path = variable
        .slice(environmentPrefix.length)
        .split('__')
        .map((n) => known.get(plain(n)) ?? n.toLowerCase())
        .join('.')
      return [layerOr(layerOfText(path, text, variable))]
    }),
  )
}
