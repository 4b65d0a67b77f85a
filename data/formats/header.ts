/** The header of a safetensors file: JSON that says where every tensor lies. Every rule of the format is checked here. */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { faultsOf, messageOf } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { Whole, decodeAs, showValue } from './codec.ts'
import { elements, isElementName } from './element.ts'
import type { HostDType } from './tensor.ts'
import { countOf } from './tensor.ts'

/** The largest header that the format permits. */
export const maxHeaderBytes = 100_000_000

/** The key of the free text in a header; no tensor may be called so. */
export const reservedName = '__metadata__'

/** Where one tensor lies: bytes [begin, end) after the header. */
export interface TensorEntry {
  readonly name: string
  /** The element type as the header calls it. */
  readonly type: string
  /** None for a type that is not known here: such a tensor can be passed over, and not be read. */
  readonly dtype: HostDType | undefined
  readonly shape: ReadonlyArray<number>
  readonly begin: number
  readonly end: number
}

/** What a file holds, in the order of its bytes. */
export interface SafetensorsIndex {
  readonly entries: ReadonlyArray<TensorEntry>
  readonly metadata: Readonly<Record<string, string>>
  /** What of the free text was passed over, in words. */
  readonly notes: ReadonlyArray<string>
  /** Bytes after the header. */
  readonly bodyBytes: number
}

/** io-ts takes the first two of three. */
const Offsets = t.refinement(t.readonlyArray(Whole), (all) => all.length === 2, 'two whole numbers')

const Entry = t.type({ dtype: t.string, shape: t.array(Whole), data_offsets: Offsets })

const damaged = 'the file is damaged or of another kind: copy, export or download it again'

const wrong = (place: string, found: string, allowed: string): Fault => faultsOf('data')(place, found, allowed, damaged)

const decodeText = (place: string, bytes: Uint8Array): Either<Fault, string> => {
  if (bytes[0] !== 0x7b) {
    const found = bytes.length === 0 ? 'an empty header' : `a header that starts with byte ${bytes[0]}`
    return E.left(wrong(place, found, "a header that starts with '{'"))
  }
  return E.tryCatch(
    () => new TextDecoder('utf-8', { fatal: true }).decode(bytes),
    () => wrong(place, 'a header that is not UTF-8', 'JSON in UTF-8'),
  )
}

/** The first key that the outermost record of a valid JSON text has twice: `JSON.parse` would hide it. */
const repeatedKey = (text: string): string | undefined => {
  const seen = new Set<string>()
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (c === '{' || c === '[') depth++
    else if (c === '}' || c === ']') depth--
    else if (c === '"') {
      const start = i
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++
      let after = i + 1
      while (' \t\r\n'.includes(text[after])) after++
      if (depth !== 1 || text[after] !== ':') continue
      const key: unknown = JSON.parse(text.slice(start, i + 1))
      if (typeof key !== 'string') continue
      if (seen.has(key)) return key
      seen.add(key)
    }
  }
  return undefined
}

const entryOf = (file: string, name: string, value: unknown): Either<Fault, TensorEntry> => {
  const place = `${file}: ${name}`
  return pipe(
    value,
    decodeAs(Entry, 'data', place, damaged),
    E.chain(({ dtype, shape, data_offsets: [begin, end] }) => {
      if (!isElementName(dtype)) {
        return end >= begin
          ? E.right({ name, type: dtype, dtype: undefined, shape, begin, end })
          : E.left(wrong(place, `the bytes [${begin}, ${end})`, 'an end that is not before the begin'))
      }
      const element = elements[dtype]
      const bytes = countOf(shape) * element.bytes
      if (!Number.isSafeInteger(bytes) || end - begin !== bytes) {
        return E.left(wrong(place, `the bytes [${begin}, ${end}) for ${dtype}[${shape.join(', ')}]`, `${bytes} bytes`))
      }
      return E.right({ name, type: dtype, dtype: element.dtype, shape, begin, end })
    }),
  )
}

/** The fault of a tensor whose element type is not known, for those who want to read it. */
export const unknownType = (file: string, { name, type }: TensorEntry): Fault =>
  wrong(`${file}: ${name}`, `the element type ${JSON.stringify(type)}`, Object.keys(elements).join(', '))

/** Text of `__metadata__`; writers that put other things there are common, and no tensor depends on them. */
const textOf = (value: unknown): Pick<SafetensorsIndex, 'metadata' | 'notes'> => {
  if (!t.UnknownRecord.is(value)) return { metadata: {}, notes: [`${reservedName} is ${showValue(value)} and was passed over`] }
  const [text, rest] = [new Map<string, string>(), new Array<string>()]
  for (const [key, x] of Object.entries(value)) {
    if (typeof x === 'string') text.set(key, x)
    else rest.push(key)
  }
  return {
    metadata: Object.fromEntries(text),
    notes: rest.length === 0 ? [] : [`${reservedName}: no text and passed over: ${rest.join(', ')}`],
  }
}

/** Tensors must fill the body without a hole and without sharing a byte. */
const checkCover = (file: string, entries: ReadonlyArray<TensorEntry>, bodyBytes: number): Either<Fault, void> => {
  let at = 0
  for (const e of entries) {
    const place = `${file}: ${e.name}`
    if (e.end > bodyBytes)
      return E.left(wrong(place, `the bytes [${e.begin}, ${e.end}) in a body of ${bodyBytes} bytes`, 'bytes within the file'))
    if (e.begin > at)
      return E.left(wrong(place, `a hole of ${e.begin - at} bytes before byte ${e.begin}`, 'tensors without holes between them'))
    if (e.begin < at)
      return E.left(wrong(place, `the bytes [${e.begin}, ${e.end}), which overlap the tensor before`, 'tensors that share no bytes'))
    at = e.end
  }
  return at === bodyBytes
    ? E.right(undefined)
    : E.left(wrong(file, `${bodyBytes - at} bytes after the last tensor`, 'a file that ends with its last tensor'))
}

/**
 * Parses a header, without the 8 bytes of its length; `bodyBytes` is what follows it in the file.
 * Faults: not JSON, a repeated or wrong key, a shape that does not fit its byte range, a range
 * outside the file, a hole, an overlap, bytes left over.
 */
export const parseHeader =
  (file: string) =>
  (header: Uint8Array, bodyBytes: number): Either<Fault, SafetensorsIndex> =>
    pipe(
      decodeText(file, header),
      E.chain((text) =>
        pipe(
          E.tryCatch(
            (): unknown => JSON.parse(text),
            (e) => wrong(file, `a header that is not JSON: ${messageOf(e)}`, 'a JSON record'),
          ),
          E.chain((json) => {
            const twice = repeatedKey(text)
            return twice === undefined ? E.right(json) : E.left(wrong(`${file}: ${twice}`, 'the same name twice', 'names that differ'))
          }),
        ),
      ),
      E.chain(decodeAs(t.UnknownRecord, 'data', file, damaged)),
      E.chain((json) => {
        const entries: TensorEntry[] = []
        let free: Pick<SafetensorsIndex, 'metadata' | 'notes'> = { metadata: {}, notes: [] }
        for (const [name, value] of Object.entries(json)) {
          if (name === reservedName) {
            free = textOf(value)
            continue
          }
          const entry = entryOf(file, name, value)
          if (E.isLeft(entry)) return entry
          entries.push(entry.right)
        }
        entries.sort((a, b) => a.begin - b.begin || a.end - b.end)
        return pipe(
          checkCover(file, entries, bodyBytes),
          E.map((): SafetensorsIndex => ({ entries, ...free, bodyBytes })),
        )
      }),
    )
