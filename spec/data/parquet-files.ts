/**
 * Small Parquet files, as the format's definition lays them (parquet-format: README and parquet.thrift; thrift's compact protocol): flat
 * columns that always have a value, one page for each in a row group.
 */

/** A column: encoded pictures or texts, or whole numbers. */
export type Column =
  { readonly name: string; readonly bytes: ReadonlyArray<Uint8Array> } | { readonly name: string; readonly whole: ReadonlyArray<number> }

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

const length = (c: Column): number => ('bytes' in c ? c.bytes : c.whole).length

const typeOf = (c: Column): number => ('bytes' in c ? 6 : 2)

/** The values from one row to another, one after the other. */
const valuesOf = (c: Column, from: number, to: number): Buffer =>
  'bytes' in c
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
        struct(i32(1, n), i32(2, 0), i32(3, 3), i32(4, 3)),
      ])
      const metadata = struct(
        i32(1, typeOf(c)),
        list(2, 5, [varint(0)]),
        list(3, 8, [text(c.name)]),
        i32(4, codec),
        i64(5, n),
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
  const schema = [
    struct([4, 8, text('schema')], i32(5, columns.length)),
    ...columns.map((c) => struct(i32(1, typeOf(c)), i32(3, 0), [4, 8, text(c.name)])),
  ]
  const footer = struct(i32(1, 1), list(2, 12, schema), i64(3, total), list(4, 12, groups))
  const end = Buffer.alloc(4)
  end.writeUInt32LE(footer.length)
  return Buffer.concat([...parts, footer, end, Buffer.from('PAR1')])
}
