/** Files as `torch.save` writes them, byte by byte: for tests of what reads them. */
import { crc32 } from 'node:zlib'

/** A tensor as a view of a storage. */
export interface Saved {
  readonly key: string
  readonly type: string
  readonly storage: ArrayBufferView
  readonly elements: number
  readonly offset?: number
  readonly size: ReadonlyArray<number>
  readonly stride: ReadonlyArray<number>
}

/** What a pickle of a test holds; `call`: a name of Python and its arguments. */
export type Value =
  | number
  | string
  | null
  | Saved
  | { readonly call: readonly [module: string, name: string, ...args: ReadonlyArray<Value>] }
  | { readonly dict: ReadonlyArray<readonly [string | number, Value]> }

const text = (s: string): ReadonlyArray<number> => [...new TextEncoder().encode(s)]
const u32 = (n: number): ReadonlyArray<number> => [n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >>> 24) & 255]
const u16 = (n: number): ReadonlyArray<number> => [n & 255, (n >> 8) & 255]
const word = (s: string): ReadonlyArray<number> => [0x58, ...u32(text(s).length), ...text(s)]
const int = (n: number): ReadonlyArray<number> => [0x4a, ...u32(n)]
const global = (module: string, name: string): ReadonlyArray<number> => [0x63, ...text(`${module}\n${name}\n`)]
const tuple = (items: ReadonlyArray<ReadonlyArray<number>>): ReadonlyArray<number> => [0x28, ...items.flat(), 0x74]

const row = (values: ArrayLike<number>, type = 'FloatStorage'): Omit<Saved, 'key' | 'size' | 'stride'> => ({
  type,
  storage: Float32Array.from(values),
  elements: values.length,
})

/** A tensor that lies row by row. */
export const floats = (key: string, size: ReadonlyArray<number>, values: ArrayLike<number>): Saved => ({
  key,
  ...row(values),
  size,
  stride: size.map((_, i) => size.slice(i + 1).reduce((a, b) => a * b, 1)),
})

const isSaved = (v: Value): v is Saved => typeof v === 'object' && v !== null && 'storage' in v

const code = (v: Value, legacy: boolean): ReadonlyArray<number> => {
  if (v === null) return [0x4e]
  if (typeof v === 'number') return int(v)
  if (typeof v === 'string') return word(v)
  if ('call' in v) {
    const [module, name, ...args] = v.call
    return [...global(module, name), ...tuple(args.map((a) => code(a, legacy))), 0x52]
  }
  if ('dict' in v)
    return [
      ...global('collections', 'OrderedDict'),
      0x29,
      0x52,
      0x28,
      ...v.dict.flatMap(([k, x]) => [...code(k, legacy), ...code(x, legacy)]),
      0x75,
    ]
  const storage = [
    ...tuple([word('storage'), global('torch', v.type), word(v.key), word('cpu'), int(v.elements), ...(legacy ? [[0x4e]] : [])]),
    0x51,
  ]
  return [
    ...global('torch._utils', '_rebuild_tensor_v2'),
    ...tuple([storage, int(v.offset ?? 0), tuple(v.size.map(int)), tuple(v.stride.map(int)), [0x89], code({ dict: [] }, legacy)]),
    0x52,
  ]
}

/** A pickle of protocol 2. */
const pickle = (body: ReadonlyArray<number>): Uint8Array => Uint8Array.from([0x80, 2, ...body, 0x2e])

const storages = (v: Value): ReadonlyArray<Saved> =>
  isSaved(v)
    ? [v]
    : typeof v === 'object' && v !== null
      ? 'dict' in v
        ? v.dict.flatMap(([, x]) => storages(x))
        : 'call' in v
          ? v.call.slice(2).flatMap((x) => storages(x))
          : []
      : []

const distinct = (v: Value): ReadonlyArray<Saved> => [...new Map(storages(v).map((s) => [s.key, s])).values()]

const bytesOf = (a: ArrayBufferView): Uint8Array => new Uint8Array(a.buffer, a.byteOffset, a.byteLength)

const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) {
    out.set(p, at)
    at += p.length
  }
  return out
}

/** A zip archive of members that are stored plainly. */
export const archive = (members: ReadonlyArray<readonly [string, Uint8Array]>): Uint8Array => {
  const parts: Uint8Array[] = []
  const directory: number[] = []
  let at = 0
  for (const [name, data] of members) {
    const common = [
      ...u16(20),
      ...u16(0),
      ...u16(0),
      ...u16(0),
      ...u16(0),
      ...u32(crc32(data)),
      ...u32(data.length),
      ...u32(data.length),
      ...u16(text(name).length),
      ...u16(0),
    ]
    const head = Uint8Array.from([...u32(0x04034b50), ...common, ...text(name)])
    directory.push(...u32(0x02014b50), ...u16(20), ...common, ...u16(0), ...u16(0), ...u16(0), ...u32(0), ...u32(at), ...text(name))
    parts.push(head, data)
    at += head.length + data.length
  }
  return joined([
    ...parts,
    Uint8Array.from(directory),
    Uint8Array.from([
      ...u32(0x06054b50),
      ...u16(0),
      ...u16(0),
      ...u16(members.length),
      ...u16(members.length),
      ...u32(directory.length),
      ...u32(at),
      ...u16(0),
    ]),
  ])
}

/** As PyTorch writes since 1.6. */
export const torchArchive = (v: Value): Uint8Array =>
  archive([
    ['archive/data.pkl', pickle(code(v, false))],
    ['archive/byteorder', Uint8Array.from(text('little'))],
    ...distinct(v).map((s) => [`archive/data/${s.key}`, bytesOf(s.storage)] as const),
    ['archive/version', Uint8Array.from(text('3\n'))],
  ])

/** As PyTorch wrote before. */
export const torchLegacy = (v: Value): Uint8Array => {
  const all = distinct(v)
  const magic = [0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]
  const keys = [0x5d, 0x28, ...all.flatMap((s) => word(s.key)), 0x65]
  return joined([
    pickle(magic),
    pickle(int(1001)),
    pickle([0x7d]),
    pickle(code(v, true)),
    pickle(keys),
    ...all.flatMap((s) => [Uint8Array.from([...u32(s.elements), 0, 0, 0, 0]), bytesOf(s.storage)]),
  ])
}
