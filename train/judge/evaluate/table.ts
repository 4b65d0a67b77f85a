/** Features with what they are of: files, classes, the network. */
import { createHash } from 'node:crypto'
import * as O from 'fp-ts/lib/Option.js'
import { declarations } from '../../../core/model.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import type { HostTensor } from '../../../data/formats/tensor.ts'
import type { Encoding } from './encoder.ts'
import type { Frozen } from './network.ts'

/** The features of one split, in the order of its items. */
export interface Table {
  readonly split: string
  /** Where each item comes from: a file below the data's root, or its number. */
  readonly files: ReadonlyArray<string>
  /** None where not all items have one. */
  readonly labels: Int32Array | undefined
  readonly classes: ReadonlyArray<string>
  readonly features: Encoding
}

export interface Tables {
  readonly splits: ReadonlyArray<Table>
  readonly metadata: Readonly<Record<string, string>>
}

/** sha256 of a network's numbers: its tensors in order of their names, each name followed by its float32 values. */
export const digestOf = ({ params, weights }: Frozen): string => {
  const hash = createHash('sha256')
  const names = declarations(params).map(([path]) => path)
  for (const path of names.sort()) {
    const values = weights.get(path) ?? new Float32Array()
    hash.update(`${path}\0`).update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }
  return hash.digest('hex')
}

export const tableOf = (split: string, d: Dataset, features: Encoding): Table => {
  const items = Array.from({ length: d.length }, (_, i) => i)
  const labels = items.map((i) => O.toUndefined(d.label(i)))
  return {
    split,
    files: items.map((i) => d.sourceOf?.(i) ?? `${i}`),
    labels: labels.every((l) => l !== undefined) ? Int32Array.from(labels) : undefined,
    classes: d.classes,
    features,
  }
}

const prefixOf = ({ splits }: Tables, t: Table): string => (splits.length > 1 ? `${t.split}/` : '')

type Numbers = Extract<HostTensor, { readonly dtype: 'f32' | 'i32' }>

/** All tensors by their names in a file: those of several splits begin with theirs. */
export const tensorsOf = (all: Tables): ReadonlyMap<string, Numbers> => {
  const out = new Map<string, Numbers>()
  for (const t of all.splits) {
    const n = t.files.length
    for (const [name, x] of t.features) out.set(`${prefixOf(all, t)}${name}`, { dtype: 'f32', shape: [n, ...x.shape], data: x.data })
    if (t.labels !== undefined) out.set(`${prefixOf(all, t)}label`, { dtype: 'i32', shape: [n], data: t.labels })
  }
  return out
}

/** Texts beside the tensors, by the same names. */
export const textsOf = (all: Tables): ReadonlyArray<readonly [string, ReadonlyArray<string>]> =>
  all.splits.flatMap((t) => [
    [`${prefixOf(all, t)}files`, t.files] as const,
    ...(t.classes.length === 0 ? [] : [[`${prefixOf(all, t)}classes`, t.classes] as const]),
  ])
