/** Features as a Parquet file: a row for each image, with lists of numbers. */
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { ColumnSource, SchemaElement } from 'hyparquet-writer'
import type { Fault } from '../../../core/fault.ts'
import { unexpected } from '../../../core/fault.ts'
import { writeFile } from '../../../data/formats/file.ts'
import type { Encoding } from './encoder.ts'
import type { Table, Tables } from './table.ts'

/** Rows that are turned into lists at a time, and stand in one row group. */
const rows = 1000

/** A list of lists, as deep as a shape is long. */
const listOf = (name: string, [, ...inner]: ReadonlyArray<number>): ReadonlyArray<SchemaElement> => [
  { name, converted_type: 'LIST', repetition_type: 'REQUIRED', num_children: 1 },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  ...(inner.length === 0
    ? [{ name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' } satisfies SchemaElement]
    : listOf('element', inner)),
]

/** Numbers as lists of lists, by a shape. */
const nested = ([n, ...inner]: ReadonlyArray<number>, data: Float32Array): ReadonlyArray<unknown> => {
  const size = data.length / n
  return inner.length === 0 ? Array.from(data) : Array.from({ length: n }, (_, i) => nested(inner, data.subarray(i * size, (i + 1) * size)))
}

const schemaOf = (features: Encoding): SchemaElement[] => [
  { name: 'root', num_children: 4 + features.size },
  { name: 'split', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
  { name: 'file', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
  { name: 'label', type: 'INT32', repetition_type: 'OPTIONAL' },
  { name: 'class', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
  ...[...features].flatMap(([name, { shape }]) => listOf(name, shape)),
]

/** Rows `from` to `to` of a table, as columns. */
const columnsOf = ({ split, files, labels, classes, features }: Table, from: number, to: number): ColumnSource[] => {
  const chosen = files.slice(from, to)
  const own = chosen.map((_, i) => labels?.[from + i])
  const numbers = [...features].map(([name, { shape, data }]): ColumnSource => {
    const size = shape.reduce((n, d) => n * d, 1)
    // of floats nothing is gained by packing
    const row = (i: number): ReadonlyArray<unknown> => nested(shape, data.subarray(i * size, (i + 1) * size))
    return { name, codec: 'UNCOMPRESSED', data: chosen.map((_, i) => row(from + i)) }
  })
  return [
    { name: 'split', data: chosen.map(() => split) },
    { name: 'file', data: chosen },
    { name: 'label', data: own },
    { name: 'class', data: own.map((l) => (l === undefined ? undefined : classes[l])) },
    ...numbers,
  ]
}

/** All splits in one table: class tokens `[D]` and patches `[N, D]` are lists, and lists of lists. */
export const asParquet = (path: string, all: Tables): TaskEither<Fault, void> => {
  const make = async (): Promise<Uint8Array> => {
    const { ByteWriter, ParquetWriter } = await import('hyparquet-writer')
    const writer = new ByteWriter()
    const file = new ParquetWriter({
      writer,
      schema: schemaOf(all.splits[0]?.features ?? new Map()),
      kvMetadata: Object.entries(all.metadata).map(([key, value]) => ({ key, value })),
    })
    for (const t of all.splits)
      for (let from = 0; from < t.files.length; from += rows)
        await file.write({ columnData: columnsOf(t, from, Math.min(t.files.length, from + rows)), rowGroupSize: rows })
    await file.finish()
    return writer.getBytes()
  }
  return pipe(
    TE.tryCatch(make, unexpected),
    TE.chain((bytes) => writeFile('data', path)([() => bytes])),
  )
}
