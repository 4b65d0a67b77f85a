/** Features with what they are of: files, classes, the network; and the kinds of files that they are written to. */
import { createHash } from 'node:crypto'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { declarations } from '../../../core/model.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import { writeFile } from '../../../data/formats/file.ts'
import type { NpzArray } from '../../../data/formats/npz.ts'
import { writeNpz } from '../../../data/formats/npz.ts'
import { writeSafetensors } from '../../../data/formats/safetensors.ts'
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
const textsOf = (all: Tables): ReadonlyArray<readonly [string, ReadonlyArray<string>]> =>
  all.splits.flatMap((t) => [
    [`${prefixOf(all, t)}files`, t.files] as const,
    ...(t.classes.length === 0 ? [] : [[`${prefixOf(all, t)}classes`, t.classes] as const]),
  ])

const asSafetensors = (path: string, all: Tables): TaskEither<Fault, void> =>
  writeSafetensors(path)({
    tensors: tensorsOf(all),
    metadata: { ...all.metadata, ...Object.fromEntries(textsOf(all).map(([name, texts]) => [name, JSON.stringify(texts)])) },
  })

const asNpz = (path: string, all: Tables): TaskEither<Fault, void> =>
  writeNpz(path)(
    new Map<string, NpzArray>([
      ...[...tensorsOf(all)].map(([name, x]): readonly [string, NpzArray] => [
        name,
        x.dtype === 'i32' ? { _tag: 'Ints', shape: x.shape, data: x.data } : { _tag: 'Floats', shape: x.shape, data: x.data },
      ]),
      ...textsOf(all).map(([name, texts]): readonly [string, NpzArray] => [name, { _tag: 'Texts', texts }]),
      ...Object.entries(all.metadata).map(([name, text]): readonly [string, NpzArray] => [name, { _tag: 'Texts', texts: [text] }]),
    ]),
  )

const cell = (s: string): string => (/[",\r\n]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s)

/** Nine digits give every float32 back. */
const digits = (x: number): string => `${Number(x.toPrecision(9))}`

/** One row for one image: class tokens alone. */
function* csvLines(all: Tables): Generator<string> {
  const dim = all.splits[0]?.features.get('cls')?.dim ?? 0
  yield `${['split', 'file', 'label', 'class', ...Array.from({ length: dim }, (_, k) => `cls_${k}`)].join()}\n`
  for (const { split, files, labels, classes, features } of all.splits) {
    const rows = features.get('cls')?.data ?? new Float32Array()
    for (const [i, file] of files.entries()) {
      const label = labels?.[i]
      const row = Array.from(rows.subarray(i * dim, (i + 1) * dim), digits)
      yield `${[split, file, label === undefined ? '' : `${label}`, label === undefined ? '' : (classes[label] ?? '')].map(cell).join()},${row.join()}\n`
    }
  }
}

const asCsv = (path: string, all: Tables): TaskEither<Fault, void> =>
  all.splits.some((t) => t.features.has('patches'))
    ? TE.left(
        fault('usage', {
          place: path,
          found: 'patch features for a table of one row an image',
          allowed: 'class tokens alone in csv',
          remedy: 'pass --no-patches, or --format npz',
        }),
      )
    : writeFile('data', path)(Array.from(csvLines(all), (line) => () => new TextEncoder().encode(line)))

/** The kinds of files, by their endings. */
export const formats = {
  safetensors: asSafetensors,
  npz: asNpz,
  csv: asCsv,
} satisfies Readonly<Record<string, (path: string, all: Tables) => TaskEither<Fault, void>>>

export const isFormat = (name: string): name is keyof typeof formats => Object.hasOwn(formats, name)
