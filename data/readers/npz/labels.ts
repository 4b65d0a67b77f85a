/** Labels of the entries of an array: numbers or names, one or several each. Labels never stop training without them. */
import type { NpyHeader } from '../../formats/npy.ts'
import { npyNumbers, npyTexts } from '../../formats/npy.ts'
import { labelText, onlyOne, singleLabels, vectorLabels } from '../manifest/labels.ts'
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

/** One label an entry, by the rules that tables have (`manifest/labels.ts`). Classes that are counted from 0 keep their numbers. */
const single = (texts: ReadonlyArray<string>, none: ReadonlyArray<string>): ReadLabels => {
  const { classes, single: own, said } = singleLabels(texts, none)
  if (own === undefined) return { labels: undefined, notes: said }
  const counted = classes.every((c, i) => c === String(i))
  return { labels: { perEntry: 1, values: Float64Array.from(own), names: counted ? undefined : classes }, notes: said }
}

/** Several labels an entry, by the rules that tables have. */
const several = (perEntry: number, values: Float64Array): ReadLabels => {
  const bad = values.find((v) => !(Number.isNaN(v) || Number.isSafeInteger(v)))
  if (bad !== undefined) return without(`label vectors with values such as ${bad}, which are no classes`)
  const rows = Array.from({ length: values.length / perEntry }, (_, i) =>
    Array.from(values.subarray(i * perEntry, (i + 1) * perEntry), labelText),
  )
  const names = Array.from({ length: perEntry }, (_, c) => String(c))
  const read = onlyOne(vectorLabels(rows, names))
  if (read.single !== undefined) {
    return {
      labels: { perEntry: 1, values: Float64Array.from(read.single), names },
      notes: [`label vectors with one 1 each are taken as one class of ${perEntry}`],
    }
  }
  return { labels: { perEntry, values: Float64Array.from(read.several?.values ?? []), names: undefined }, notes: read.said }
}

/** The labels of `count` entries in an array's bytes; `none`: texts that stand for no label. */
export const labelsIn = (h: NpyHeader, bytes: Uint8Array, count: number, none: ReadonlyArray<string>): ReadLabels => {
  const { shape } = h
  const perEntry = countOf(shape.slice(1))
  const single1 = shape.length === 0 && count === 1
  if (!single1 && (shape.length < 1 || shape.length > 2 || shape[0] !== count || perEntry < 1))
    return without(`labels of shape [${shape.join(', ')}] for ${count} images`)
  if (h.type === 'S' || h.type === 'U')
    return perEntry === 1 ? single(npyTexts(h, bytes).map(labelText), none) : without(`${perEntry} texts as labels of each image`)
  const values = npyNumbers(h, bytes)
  return perEntry === 1 ? single(Array.from(values, labelText), none) : several(perEntry, values)
}
