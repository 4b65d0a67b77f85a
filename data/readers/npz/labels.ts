/** Labels of the entries of an array: numbers or names, one or several each. Labels never stop training without them. */
import type { NpyHeader } from '../../formats/npy.ts'
import { npyAt, npyTexts } from '../../formats/npy.ts'
import { classesOf, labelText, marked, onlyOne } from '../manifest/labels.ts'
import { countOf } from '../../formats/tensor.ts'

/** One number for each entry, -1 for none, or a vector of several classes: in as many bytes as classes need. */
export interface Labels {
  readonly perEntry: number
  readonly values: Int8Array | Int16Array | Int32Array | Uint8Array
  /** Names of the classes, where labels are text. */
  readonly names: ReadonlyArray<string> | undefined
}

/** Numbers from -1 to below `classes`. */
const small = (length: number, classes: number): Int8Array | Int16Array | Int32Array =>
  classes <= 2 ** 7 ? new Int8Array(length) : classes <= 2 ** 15 ? new Int16Array(length) : new Int32Array(length)

/** Labels as far as there are any, and what is to be said of them. */
export interface ReadLabels {
  readonly labels: Labels | undefined
  readonly notes: ReadonlyArray<string>
}

const without = (note: string): ReadLabels => ({ labels: undefined, notes: [`${note}: read without labels`] })

/** One label an entry, by the rules that tables have. Classes that are counted from 0 keep their numbers. */
const single = (count: number, textOf: (i: number) => string, none: ReadonlyArray<string>): ReadLabels => {
  const counts = new Map<string, number>()
  for (let i = 0; i < count; i++) counts.set(textOf(i), (counts.get(textOf(i)) ?? 0) + 1)
  const { classes, place, said } = classesOf(counts, none)
  if (place === undefined) return { labels: undefined, notes: said }
  const values = small(count, classes.length)
  for (let i = 0; i < count; i++) values[i] = place.get(textOf(i)) ?? -1
  return { labels: { perEntry: 1, values, names: classes.every((c, i) => c === String(i)) ? undefined : classes }, notes: said }
}

/** Texts of numbers, of which most come again. */
const textsOf = (numberOf: (i: number) => number): ((i: number) => string) => {
  const known = new Map<number, string>()
  return (i) => {
    const v = numberOf(i)
    const text = known.get(v) ?? labelText(v)
    // as many as classes can be
    if (known.size < 65536) known.set(v, text)
    return text
  }
}

/** Several labels an entry, by the rules that tables have: 1 is yes, all else no. */
const several = (perEntry: number, count: number, numberOf: (i: number) => number): ReadLabels => {
  const total = perEntry * count
  for (let i = 0; i < total; i++) {
    const v = numberOf(i)
    if (!(Number.isNaN(v) || Number.isSafeInteger(v))) return without(`label vectors with values such as ${v}, which are no classes`)
  }
  const { values, said } = marked(total, numberOf)
  const names = Array.from({ length: perEntry }, (_, c) => String(c))
  const read = onlyOne({ classes: names, several: { values, given: new Uint8Array(count).fill(1) }, said })
  if (read.single !== undefined) {
    const own = small(count, perEntry)
    own.set(read.single)
    return {
      labels: { perEntry: 1, values: own, names },
      notes: [`label vectors with one 1 each are taken as one class of ${perEntry}`],
    }
  }
  return { labels: { perEntry, values, names: undefined }, notes: said }
}

/** The labels of `count` entries in an array's bytes; `none`: texts that stand for no label. */
export const labelsIn = (h: NpyHeader, bytes: Uint8Array, count: number, none: ReadonlyArray<string>): ReadLabels => {
  const { shape } = h
  const perEntry = countOf(shape.slice(1))
  const single1 = shape.length === 0 && count === 1
  if (!single1 && (shape.length < 1 || shape.length > 2 || shape[0] !== count || perEntry < 1))
    return without(`labels of shape [${shape.join(', ')}] for ${count} images`)
  if (h.type === 'S' || h.type === 'U') {
    if (perEntry !== 1) return without(`${perEntry} texts as labels of each image`)
    const texts = npyTexts(h, bytes).map(labelText)
    return single(count, (i) => texts[i], none)
  }
  const numberOf = npyAt(h, bytes)
  return perEntry === 1 ? single(count, textsOf(numberOf), none) : several(perEntry, count, numberOf)
}
