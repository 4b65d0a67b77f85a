/** Labels of the entries of an array: numbers or names, one or several each. Labels never stop training without them. */
import type { NpyHeader } from '../../formats/npy.ts'
import { npyAt, npyTexts } from '../../formats/npy.ts'
import { counted } from '../note.ts'
import { countOf } from '../../formats/tensor.ts'

/** One number for each entry, -1 for none, or a vector of several classes. */
export interface Labels {
  readonly perEntry: number
  readonly values: Int16Array | Int32Array
  /** Names of the classes, where labels are text. */
  readonly names: ReadonlyArray<string> | undefined
}

/** Labels as far as there are any, and what is to be said of them. */
export interface ReadLabels {
  readonly labels: Labels | undefined
  readonly notes: ReadonlyArray<string>
}

const without = (note: string): ReadLabels => ({ labels: undefined, notes: [`${note}: read without labels`] })

/** Words that stand for no label. */
const missing: ReadonlySet<string> = new Set(['', 'nan', 'na', 'n/a', 'none', 'null', '-1'])

/** Whole numbers, as narrow as they may be: of bytes there can be as many as of pixels. */
const holding = (h: NpyHeader, n: number): Labels['values'] => (h.bytes === 1 ? new Int16Array(n) : new Int32Array(n))

/** The number of element i, as it is stored. */
type Numbers = (i: number) => number

const named = (n: number, textAt: (i: number) => string): ReadLabels => {
  const distinct = new Set<string>()
  for (let i = 0; i < n; i++) distinct.add(textAt(i))
  const names = [...distinct].filter((t) => !missing.has(t.toLowerCase())).sort((a, b) => (a < b ? -1 : 1))
  const at = new Map(names.map((name, i) => [name, i]))
  const values = new Int32Array(n)
  let none = 0
  for (let i = 0; i < n; i++) {
    values[i] = at.get(textAt(i)) ?? -1
    if (values[i] < 0) none++
  }
  return { labels: { perEntry: 1, values, names }, notes: noneNote(none, 'empty or no name') }
}

const noneNote = (n: number, what: string): ReadonlyArray<string> =>
  n === 0 ? [] : [`${counted(n, 'label is', 'labels are')} ${what}: ${n === 1 ? 'its image has' : 'these images have'} no label`]

/** 255 beside few classes is how bytes write no label. */
const isUnset = (h: NpyHeader, n: number, at: Numbers): boolean => {
  if (h.type !== 'u1') return false
  let some = false
  for (let i = 0; i < n; i++) {
    const v = at(i)
    if (v === 255) some = true
    else if (v >= 200) return false
  }
  return some
}

/** The largest class that is a number: a text for every smaller one would fill the memory, and larger ones are names. */
const mostNumber = 1e6

const single = (h: NpyHeader, n: number, at: Numbers): ReadLabels => {
  const unset = isUnset(h, n, at)
  const isNone = (v: number): boolean => Number.isNaN(v) || v < 0 || (unset && v === 255)
  const values = holding(h, n)
  let [none, large] = [0, false]
  for (let i = 0; i < n; i++) {
    const v = at(i)
    if (isNone(v)) {
      values[i] = -1
      none++
    } else if (!Number.isSafeInteger(v)) return without(`labels such as ${v}, which are no classes`)
    else if (v > mostNumber) large = true
    else values[i] = v
  }
  if (large) return named(n, (i) => (isNone(at(i)) ? '' : String(at(i))))
  return { labels: { perEntry: 1, values, names: undefined }, notes: noneNote(none, unset ? 'negative, NaN or 255' : 'negative or NaN') }
}

/** The largest number of a vector of classes. */
const mostOfVector = 2 ** 31 - 1

const several = (h: NpyHeader, n: number, perEntry: number, at: Numbers): ReadLabels => {
  const values = holding(h, n)
  const ones = new Int32Array(n / perEntry)
  let [unknown, flags] = [0, true]
  for (let i = 0; i < n; i++) {
    const v = at(i)
    if (!(Number.isNaN(v) || (Number.isSafeInteger(v) && Math.abs(v) <= mostOfVector)))
      return without(`label vectors with values such as ${v}, which are no classes`)
    if (!(v >= 0)) unknown++
    values[i] = v >= 0 ? v : 0
    if (v === 1) ones[Math.floor(i / perEntry)]++
    else if (v !== 0) flags = false
  }
  if (flags && ones.every((count) => count === 1)) {
    const classes = holding(h, ones.length)
    for (let i = 0; i < n; i++) if (values[i] === 1) classes[Math.floor(i / perEntry)] = i % perEntry
    return {
      labels: { perEntry: 1, values: classes, names: Array.from({ length: perEntry }, (_, c) => String(c)) },
      notes: [`label vectors with one 1 each are taken as one class of ${perEntry}`],
    }
  }
  return {
    labels: { perEntry, values, names: undefined },
    notes: unknown === 0 ? [] : [`${unknown} entries of label vectors are negative or NaN: they count as 0, no`],
  }
}

/** The labels of `count` entries in an array's bytes. */
export const labelsIn = (h: NpyHeader, bytes: Uint8Array, count: number): ReadLabels => {
  const { shape } = h
  const perEntry = countOf(shape.slice(1))
  const single1 = shape.length === 0 && count === 1
  if (!single1 && (shape.length < 1 || shape.length > 2 || shape[0] !== count || perEntry < 1))
    return without(`labels of shape [${shape.join(', ')}] for ${count} images`)
  const n = countOf(shape)
  if (h.type === 'S' || h.type === 'U') {
    if (perEntry !== 1) return without(`${perEntry} texts as labels of each image`)
    const texts = npyTexts(h, bytes)
    return named(n, (i) => texts[i])
  }
  const at = npyAt(h, bytes)
  return perEntry === 1 ? single(h, n, at) : several(h, n, perEntry, at)
}
