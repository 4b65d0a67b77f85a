/**
 * Small Parquet files, as the format's definition lays them (parquet-format: README and parquet.thrift; thrift's compact protocol): flat
 * columns that always have a value, or lists of boxes, one page for each in a row group.
 */

/** A column: encoded pictures or texts, whole numbers, or `name.bbox`, lists of lists of four numbers, as datasets of objects have. */
export type Column =
  | { readonly name: string; readonly bytes: ReadonlyArray<Uint8Array> }
  | { readonly name: string; readonly whole: ReadonlyArray<number> }
  | { readonly name: string; readonly boxes: ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>> }

/** How pages are packed: the number of the codec, and what packs. */
export interface Packing {
  readonly codec: number
  readonly pack: (page: Buffer) => Buffer
}

const plain: Packing = { codec: 0, pack: (page) => page }

const varint = (n: number): Buffer => {
  const out: number[] = []
  for (let rest = n; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...out, rest])
    out.push((rest % 128) + 128)
  }
}

/** A field of a struct: its number, its type, and its bytes. */
type Field = readonly [id: number, type: number, body: Buffer]

const i32 = (id: number, n: number): Field => [id, 5, varint(2 * n)]
const i64 = (id: number, n: number): Field => [id, 6, varint(2 * n)]
const text = (s: string): Buffer => Buffer.concat([varint(Buffer.byteLength(s)), Buffer.from(s)])

const struct = (...fields: ReadonlyArray<Field>): Buffer => {
  let last = 0
  const parts = fields.map(([id, type, body]) => {
    const head = Buffer.from([((id - last) << 4) | type])
    last = id
    return Buffer.concat([head, body])
  })
  return Buffer.concat([...parts, Buffer.from([0])])
}

const list = (id: number, type: number, items: ReadonlyArray<Buffer>): Field => [
  id,
  9,
  Buffer.concat([
    items.length < 15 ? Buffer.from([(items.length << 4) | type]) : Buffer.concat([Buffer.from([0xf0 | type]), varint(items.length)]),
    ...items,
  ]),
]

const length = (c: Column): number => ('bytes' in c ? c.bytes : 'whole' in c ? c.whole : c.boxes).length

/** BYTE_ARRAY, INT64, DOUBLE. */
const typeOf = (c: Column): number => ('bytes' in c ? 6 : 'whole' in c ? 2 : 5)

/** Where the values of a column are. */
const pathOf = (c: Column): ReadonlyArray<string> => ('boxes' in c ? [c.name, 'bbox', 'list', 'element', 'list', 'element'] : [c.name])

/** Levels of repetition and definition of the boxes of some rows: a list may be empty, a box has numbers. */
const levelsOf = (rows: ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>>): ReadonlyArray<readonly [again: number, defined: number]> =>
  rows.flatMap((boxes): ReadonlyArray<readonly [number, number]> =>
    boxes.length === 0 ? [[0, 0] as const] : boxes.flatMap((box, b) => box.map((_, k) => [k > 0 ? 2 : b > 0 ? 1 : 0, 2] as const)),
  )

/** Numbers below 4 as runs of one each, behind their length. */
const runs = (levels: ReadonlyArray<number>): Buffer => {
  const body = Buffer.from(levels.flatMap((v) => [2, v]))
  const n = Buffer.alloc(4)
  n.writeUInt32LE(body.length)
  return Buffer.concat([n, body])
}

/** The parts of a schema that a column is: of a list of lists, the groups around it (LogicalTypes.md, Lists). */
const schemaOf = (c: Column): ReadonlyArray<Buffer> => {
  if (!('boxes' in c)) return [struct(i32(1, typeOf(c)), i32(3, 0), [4, 8, text(c.name)])]
  const group = (name: string, repetition: number, converted?: number): Buffer =>
    struct(i32(3, repetition), [4, 8, text(name)], i32(5, 1), ...(converted === undefined ? [] : [i32(6, converted)]))
  const [lists, repeated] = [3, 2]
  return [
    group(c.name, 0),
    group('bbox', 0, lists),
    group('list', repeated),
    group('element', 0, lists),
    group('list', repeated),
    struct(i32(1, typeOf(c)), i32(3, 0), [4, 8, text('element')]),
  ]
}

/** How many values the rows from one to another have, empty lists among them. */
const countOf = (c: Column, from: number, to: number): number => ('boxes' in c ? levelsOf(c.boxes.slice(from, to)).length : to - from)

const boxesPage = (rows: ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>>): Buffer => {
  const levels = levelsOf(rows)
  const numbers = Buffer.from(Float64Array.from(rows.flat(2)).buffer)
  return Buffer.concat([runs(levels.map(([again]) => again)), runs(levels.map(([, defined]) => defined)), numbers])
}

/** The values from one row to another, one after the other. */
const valuesOf = (c: Column, from: number, to: number): Buffer =>
  'boxes' in c
    ? boxesPage(c.boxes.slice(from, to))
    : 'bytes' in c
      ? Buffer.concat(
          c.bytes.slice(from, to).flatMap((b) => {
            const n = Buffer.alloc(4)
            n.writeUInt32LE(b.length)
            return [n, Buffer.from(b)]
          }),
        )
      : Buffer.concat(
          c.whole.slice(from, to).map((v) => {
            const n = Buffer.alloc(8)
            n.writeBigInt64LE(BigInt(v))
            return n
          }),
        )

/** A file of these columns, in row groups of at most `rows`. */
export const parquetFile = (columns: ReadonlyArray<Column>, rows = 1000, { codec, pack }: Packing = plain): Buffer => {
  const total = columns.length === 0 ? 0 : length(columns[0])
  const parts: Buffer[] = [Buffer.from('PAR1')]
  let at = 4
  const groups: Buffer[] = []
  for (let from = 0; from < total; from += rows) {
    const n = Math.min(rows, total - from)
    const chunks = columns.map((c) => {
      const page = valuesOf(c, from, from + n)
      const packed = pack(page)
      const header = struct(i32(1, 0), i32(2, page.length), i32(3, packed.length), [
        5,
        12,
        struct(i32(1, countOf(c, from, from + n)), i32(2, 0), i32(3, 3), i32(4, 3)),
      ])
      const metadata = struct(
        i32(1, typeOf(c)),
        list(2, 5, [varint(0)]),
        list(3, 8, pathOf(c).map(text)),
        i32(4, codec),
        i64(5, countOf(c, from, from + n)),
        i64(6, header.length + page.length),
        i64(7, header.length + packed.length),
        i64(9, at),
      )
      const chunk = struct(i64(2, at), [3, 12, metadata])
      parts.push(header, packed)
      at += header.length + packed.length
      return chunk
    })
    groups.push(struct(list(1, 12, chunks), i64(2, at), i64(3, n)))
  }
  const schema = [struct([4, 8, text('schema')], i32(5, columns.length)), ...columns.flatMap(schemaOf)]
  const footer = struct(i32(1, 1), list(2, 12, schema), i64(3, total), list(4, 12, groups))
  const end = Buffer.alloc(4)
  end.writeUInt32LE(footer.length)
  return Buffer.concat([...parts, footer, end, Buffer.from('PAR1')])
}
