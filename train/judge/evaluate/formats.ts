/** The kinds of files that features are written to. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { writeFile } from '../../../data/formats/file.ts'
import type { NpzArray } from '../../../data/formats/npz.ts'
import { writeNpz } from '../../../data/formats/npz.ts'
import { writeSafetensors } from '../../../data/formats/safetensors.ts'
import { asParquet } from './parquet.ts'
import type { Tables } from './table.ts'
import { tensorsOf, textsOf } from './table.ts'

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
  parquet: asParquet,
} satisfies Readonly<Record<string, (path: string, all: Tables) => TaskEither<Fault, void>>>

export const isFormat = (name: string): name is keyof typeof formats => Object.hasOwn(formats, name)
