/**
 * The elements of a DICOM data set (PS3.5 section 7): where each value lies and how it is written. Values are read when
 * they are asked for; sequences are entered only where a reader needs them, all others are passed over by their length.
 */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'

/** A tag as one number: group * 65536 + element. */
export type Tag = number

/** One element: its value is at [offset, offset + length); sequences have items instead. */
export interface Element {
  readonly tag: Tag
  /** Two letters; '' where the encoding does not say. */
  readonly vr: string
  readonly offset: number
  /** -1 where the length is not stated and the value ends at a delimiter. */
  readonly length: number
  readonly items: ReadonlyArray<DataSet>
}

/** A parsed data set over the bytes that hold its values. */
export interface DataSet {
  readonly bytes: Uint8Array
  readonly little: boolean
  readonly elements: ReadonlyMap<Tag, Element>
}

/** How elements are written. */
export interface Encoding {
  readonly explicit: boolean
  readonly little: boolean
}

/** What parsing gives besides the data set. */
export interface Parsed {
  readonly dataSet: DataSet
  /** An element that is not written as the file says; none where all are. */
  readonly odd: Tag | undefined
  /** The byte after the last element. */
  readonly end: number
  /** The element at which parsing was to stop, if it came. */
  readonly stopped: Element | undefined
}

const itemTag = 0xfffee000
const itemEnd = 0xfffee00d
const sequenceEnd = 0xfffee0dd
const unstated = 0xffffffff
const maxDepth = 32

/** Value representations with a length of four bytes after two reserved ones (PS3.5 section 7.1.2). */
const isLong = (vr: string): boolean =>
  vr === 'OB' ||
  vr === 'OW' ||
  vr === 'SQ' ||
  vr === 'UN' ||
  vr === 'UT' ||
  vr === 'OF' ||
  vr === 'OD' ||
  vr === 'OL' ||
  vr === 'OV' ||
  vr === 'SV' ||
  vr === 'UV' ||
  vr === 'UC' ||
  vr === 'UR'

/** Sequences that readers enter: functional groups and what they hold, the modality LUT (PS3.3 C.7.6.16, C.11.1). */
const wanted: ReadonlySet<Tag> = new Set([0x52009229, 0x52009230, 0x00289110, 0x00289145, 0x00209113, 0x00209116, 0x00283000])

/** A tag as people write it: (0028,0010). */
export const showTag = (t: Tag): string => {
  const hex = t.toString(16).padStart(8, '0').toUpperCase()
  return `(${hex.slice(0, 4)},${hex.slice(4)})`
}

interface Cursor {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Elements that are not written as the file says. */
  readonly odd: Tag[]
}

const cursorOf = (bytes: Uint8Array): Cursor => ({ bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), odd: [] })

const isLetter = (b: number): boolean => b >= 65 && b <= 90

const early = (at: number): Either<string, never> => E.left(`the end of the data at byte ${at}, within an element`)

/** Every value representation (PS3.5 section 6.2). */
const representations: ReadonlySet<string> = new Set(
  'AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV'.split(' '),
)

/** Whether bytes 4 and 5 after `at` name a value representation. */
export const namesVr = (bytes: Uint8Array, at: number): boolean =>
  representations.has(String.fromCharCode(bytes[at + 4] ?? 0, bytes[at + 5] ?? 0))

/** Whether an element may end at `at`: at the end, or where one with a larger tag begins. */
const mayEnd = ({ view }: Cursor, at: number, to: number, e: Encoding, tag: Tag): boolean =>
  at === to || (at + 8 <= to && view.getUint16(at, e.little) * 65536 + view.getUint16(at + 2, e.little) > tag)

/**
 * Reads an element's tag, VR and length. How elements are written is said once for the file and shown by each of them: one that cannot be
 * written as the file says is read as its own bytes show. Left: too few bytes, no VR where one belongs.
 */
const readHead = (c: Cursor, at: number, to: number, e: Encoding): Either<string, Element> => {
  const { bytes, view } = c
  if (at + 8 > to) return early(at)
  const tag = view.getUint16(at, e.little) * 65536 + view.getUint16(at + 2, e.little)
  const done = (vr: string, offset: number, length: number): Element => ({
    tag,
    vr,
    offset,
    length: length === unstated ? -1 : length,
    items: [],
  })
  const other = (x: Element): Either<string, Element> => {
    c.odd.push(tag)
    return E.right(x)
  }
  const implicit = (): Element => done('', at + 8, view.getUint32(at + 4, e.little))
  const fits = (x: Element): boolean => x.length < 0 || (x.offset + x.length <= to && mayEnd(c, x.offset + x.length, to, e, tag))
  const explicit = (vr: string): Either<string, Element> =>
    !isLong(vr)
      ? E.right(done(vr, at + 8, view.getUint16(at + 6, e.little)))
      : at + 12 > to
        ? early(at)
        : E.right(done(vr, at + 12, view.getUint32(at + 8, e.little)))
  if (tag >= 0xfffe0000 && tag < 0xffff0000) return E.right(implicit())
  const vr = String.fromCharCode(bytes[at + 4], bytes[at + 5])
  if (!e.explicit) {
    if (!namesVr(bytes, at) || fits(implicit())) return E.right(implicit())
    const x = explicit(vr)
    return E.isRight(x) && fits(x.right) ? other(x.right) : E.right(implicit())
  }
  if (isLetter(bytes[at + 4]) && isLetter(bytes[at + 5])) return explicit(vr)
  if (implicit().length >= 0 && fits(implicit())) return other(implicit())
  const unnamed = done('', at + 8, view.getUint16(at + 6, e.little))
  return fits(unnamed) ? other(unnamed) : E.left(`no value representation at byte ${at + 4}, in the element ${showTag(tag)}`)
}

/** Reads the items of a sequence. Items of stated length are parsed only where the sequence is wanted. */
const readItems = (
  c: Cursor,
  element: Element,
  to: number,
  e: Encoding,
  depth: number,
): Either<string, { readonly items: ReadonlyArray<DataSet>; readonly end: number }> => {
  if (depth > maxDepth) return E.left(`sequences nested more than ${maxDepth} deep at byte ${element.offset}`)
  const items: DataSet[] = []
  const limit = element.length < 0 ? to : element.offset + element.length
  let at = element.offset
  while (at < limit) {
    const head = readHead(c, at, limit, e)
    if (E.isLeft(head)) return head
    const { tag, offset, length } = head.right
    if (tag === sequenceEnd) return E.right({ items, end: offset })
    if (tag !== itemTag) return E.left(`the element ${showTag(tag)} at byte ${at}, where an item of ${showTag(element.tag)} belongs`)
    if (length >= 0 && offset + length > limit) return early(at)
    if (length >= 0 && !wanted.has(element.tag)) {
      at = offset + length
      continue
    }
    const parsed = parseWithin(c, offset, length < 0 ? limit : offset + length, e, depth + 1, length < 0 ? itemEnd : undefined)
    if (E.isLeft(parsed)) return parsed
    if (length < 0 && parsed.right.stopped === undefined) return early(parsed.right.end)
    items.push(parsed.right.dataSet)
    at = length < 0 ? (parsed.right.stopped?.offset ?? limit) : offset + length
  }
  return element.length < 0 ? early(at) : E.right({ items, end: limit })
}

const parseWithin = (c: Cursor, from: number, to: number, e: Encoding, depth: number, stop: Tag | undefined): Either<string, Parsed> => {
  const elements = new Map<Tag, Element>()
  const dataSet: DataSet = { bytes: c.bytes, little: e.little, elements }
  let at = from
  while (at < to) {
    const head = readHead(c, at, to, e)
    if (E.isLeft(head)) return head
    const element = head.right
    if (element.tag === stop || (stop !== undefined && depth === 0 && element.tag > stop))
      return E.right({ dataSet, end: at, stopped: element, odd: c.odd.at(0) })
    if (element.length < 0 || (wanted.has(element.tag) && (element.vr === '' || element.vr === 'SQ' || element.vr === 'UN'))) {
      // the content of UN is implicit, little-endian (PS3.5 section 6.2.2, note 4)
      const within = element.vr === 'UN' ? { explicit: false, little: true } : e
      if (element.length >= 0 && element.offset + element.length > to) return early(at)
      const read = readItems(c, element, to, within, depth)
      if (E.isLeft(read)) return read
      elements.set(element.tag, { ...element, items: read.right.items })
      at = read.right.end
      continue
    }
    if (element.offset + element.length > to) return early(at)
    elements.set(element.tag, element)
    at = element.offset + element.length
  }
  return E.right({ dataSet, end: at, stopped: undefined, odd: c.odd.at(0) })
}

/**
 * Parses elements in [from, bytes.length) up to the first whose tag is at least `stop`, of which only the head is read.
 * Left: what was found and where, for data that end early or are no elements.
 */
export const parseElements = (bytes: Uint8Array, from: number, encoding: Encoding, stop: Tag): Either<string, Parsed> =>
  parseWithin(cursorOf(bytes), from, bytes.length, encoding, 0, stop)

/**
 * Parses the file meta information (PS3.10 section 7.1): the elements of group 2 from byte `from` on, explicit little endian, unless its
 * bytes show otherwise.
 */
export const parseMeta = (bytes: Uint8Array, from: number): Either<string, Parsed> => {
  const c = cursorOf(bytes)
  const elements = new Map<Tag, Element>()
  const dataSet: DataSet = { bytes, little: true, elements }
  let at = from
  while (bytes[at] === 2 && bytes[at + 1] === 0) {
    const head = readHead(c, at, bytes.length, { explicit: true, little: true })
    if (E.isLeft(head)) return head
    const { tag, offset, length } = head.right
    if (length < 0 || offset + length > bytes.length) return early(at)
    elements.set(tag, head.right)
    at = offset + length
  }
  return E.right({ dataSet, end: at, stopped: undefined, odd: c.odd.at(0) })
}

/** The bytes of an element's value; none where the element is missing. */
export const valueBytes = (d: DataSet, tag: Tag): Uint8Array => {
  const e = d.elements.get(tag)
  return e === undefined || e.length < 0 ? new Uint8Array(0) : d.bytes.subarray(e.offset, e.offset + e.length)
}

/** The text of an element, without padding; '' where it is missing or empty. */
export const textOf = (d: DataSet, tag: Tag): string => {
  const bytes = valueBytes(d, tag)
  let out = ''
  for (let i = 0; i < Math.min(bytes.length, 1024); i++) out += String.fromCharCode(bytes[i])
  return out.replace(/\0/g, ' ').trim()
}

/**
 * A number as DS and IS write it (PS3.5 section 6.2): a sign, digits with a point, an exponent; nothing else that a language may read as
 * one.
 */
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/** Several numbers with points, between which commas stand for backslashes. */
const commaList = /^[^\\]*\d\.\d[^\\]*,[^\\]*\d\.\d[^\\]*$/

/** The numbers in a text, NaN for what is none, and whether commas were taken for what they should not be. */
export const numbersIn = (text: string): { readonly values: ReadonlyArray<number>; readonly comma: boolean } => {
  const listed = commaList.test(text)
  // a separator after the last number separates nothing
  const parts =
    text === ''
      ? []
      : text
          .replace(/[\\\s]+$/, '')
          .split(listed ? ',' : '\\')
          .map((t) => t.trim())
  const pointed = parts.map((t) => (t.includes('.') || t.split(',').length !== 2 ? t : t.replace(',', '.')))
  return { values: pointed.map((t) => (decimal.test(t) ? Number(t) : NaN)), comma: listed || parts.some((t, i) => t !== pointed[i]) }
}

/** The numbers of a decimal or integer string (DS, IS); NaN for what is none. A comma where no point is stands for one. */
export const decimalsOf = (d: DataSet, tag: Tag): ReadonlyArray<number> => numbersIn(textOf(d, tag)).values

/** The numbers of an element of 16-bit integers (US, or SS where `signed`). */
export const shortsOf = (d: DataSet, tag: Tag, signed = false): ReadonlyArray<number> => {
  const bytes = valueBytes(d, tag)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length >> 1 }, (_, i) => (signed ? view.getInt16(2 * i, d.little) : view.getUint16(2 * i, d.little)))
}

/** The items of a sequence; none where it is missing. */
export const itemsOf = (d: DataSet, tag: Tag): ReadonlyArray<DataSet> => d.elements.get(tag)?.items ?? []
