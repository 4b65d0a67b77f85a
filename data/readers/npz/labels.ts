/** Labels of the entries of an array: numbers or names, one or several each. Labels never stop training without them. */
import type { NpyHeader } from '../../formats/npy.ts'
import { npyNumbers, npyTexts } from '../../formats/npy.ts'
import { counted } from '../note.ts'
import { countOf } from '../../formats/tensor.ts'

/** One number for each entry, -1 for none, or a vector of several classes. */
export interface Labels {
  readonly perEntry: number
  readonly values: Float64Array
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

const named = (texts: ReadonlyArray<string>): ReadLabels => {
  const names = [...new Set(texts.filter((t) => !missing.has(t.toLowerCase())))].sort((a, b) => (a < b ? -1 : 1))
  const at = new Map(names.map((n, i) => [n, i]))
  const values = Float64Array.from(texts, (t) => at.get(t) ?? -1)
  return { labels: { perEntry: 1, values, names }, notes: noneNote(values.filter((v) => v < 0).length, 'empty or no name') }
}

const noneNote = (n: number, what: string): ReadonlyArray<string> =>
  n === 0 ? [] : [`${counted(n, 'label is', 'labels are')} ${what}: ${n === 1 ? 'its image has' : 'these images have'} no label`]

/** 255 beside few classes is how bytes write no label. */
const isUnset = (h: NpyHeader, values: Float64Array): boolean =>
  h.type === 'u1' && values.includes(255) && values.every((v) => v === 255 || v < 200)

const single = (h: NpyHeader, values: Float64Array): ReadLabels => {
  const unset = isUnset(h, values)
  const set = values.map((v) => (Number.isNaN(v) || v < 0 || (unset && v === 255) ? -1 : v))
  const odd = set.find((v) => !Number.isSafeInteger(v))
  if (odd !== undefined) return without(`labels such as ${odd}, which are no classes`)
  const distinct = new Set(set)
  // a large number is a name: a text for every smaller one would fill the memory
  if (Math.max(...distinct) > 1e6) return named(Array.from(set, (v) => (v < 0 ? '' : String(v))))
  return {
    labels: { perEntry: 1, values: set, names: undefined },
    notes: noneNote(set.filter((v) => v < 0).length, unset ? 'negative, NaN or 255' : 'negative or NaN'),
  }
}

const several = (perEntry: number, values: Float64Array): ReadLabels => {
  const bad = values.find((v) => !(Number.isNaN(v) || Number.isSafeInteger(v)))
  if (bad !== undefined) return without(`label vectors with values such as ${bad}, which are no classes`)
  const rows = Array.from({ length: values.length / perEntry }, (_, i) => values.subarray(i * perEntry, (i + 1) * perEntry))
  if (rows.every((r) => r.filter((v) => v === 1).length === 1 && r.every((v) => v === 0 || v === 1))) {
    return {
      labels: {
        perEntry: 1,
        values: Float64Array.from(rows, (r) => r.indexOf(1)),
        names: Array.from({ length: perEntry }, (_, c) => String(c)),
      },
      notes: [`label vectors with one 1 each are taken as one class of ${perEntry}`],
    }
  }
  const unknown = values.filter((v) => !(v >= 0)).length
  return {
    labels: { perEntry, values: values.map((v) => (v >= 0 ? v : 0)), names: undefined },
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
  if (h.type === 'S' || h.type === 'U')
    return perEntry === 1 ? named(npyTexts(h, bytes)) : without(`${perEntry} texts as labels of each image`)
  const values = npyNumbers(h, bytes)
  return perEntry === 1 ? single(h, values) : several(perEntry, values)
}
