/** Decoding of what comes from outside by io-ts, with a fault that names the path of the first wrong value. */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import { fault } from '../../core/fault.ts'
import type { Fault, FaultKind } from '../../core/fault.ts'

/** A whole number in [0, 2^53). */
export const Whole = new t.Type<number, number, unknown>(
  'a whole number >= 0',
  (u): u is number => typeof u === 'number' && Number.isSafeInteger(u) && u >= 0,
  (u, c) => (typeof u === 'number' && Number.isSafeInteger(u) && u >= 0 ? t.success(u) : t.failure(u, c)),
  t.identity,
)

/** Plain JSON: what survives a round trip through text unchanged. */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** Deeper values are refused rather than risking the call stack. */
const maxDepth = 100

const isPlain = (u: object): boolean => {
  const p: unknown = Object.getPrototypeOf(u)
  return p === Object.prototype || p === null
}

const isJson = (u: unknown, depth: number): u is Json => {
  if (u === null || typeof u === 'boolean' || typeof u === 'string') return true
  if (typeof u === 'number') return Number.isFinite(u)
  if (typeof u !== 'object' || depth > maxDepth) return false
  if (Array.isArray(u)) return u.every((x: unknown) => isJson(x, depth + 1))
  return isPlain(u) && Object.entries(u).every(([k, x]) => k !== '__proto__' && isJson(x, depth + 1))
}

/** Plain JSON of at most 100 levels, without NaN, infinities or a key `__proto__`. */
export const JsonValue = new t.Type<Json, Json, unknown>(
  'plain JSON',
  (u): u is Json => isJson(u, 0),
  (u, c) => (isJson(u, 0) ? t.success(u) : t.failure(u, c)),
  t.identity,
)

/** A value in a message: short, on one line. */
export const showValue = (u: unknown): string => {
  if (Array.isArray(u)) return `a list of ${u.length}`
  if (typeof u === 'object' && u !== null) return 'a record'
  const text = typeof u === 'string' ? JSON.stringify(u) : String(u)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

/** The members of an intersection or a union have places of their own in io-ts, and none in the value. */
const isComposite = (codec: t.Decoder<unknown, unknown> | undefined): boolean =>
  codec instanceof t.IntersectionType || codec instanceof t.UnionType

/** Decodes `u`; the fault's place is `place` and the path of the first value that does not fit. */
export const decodeAs =
  <A>(codec: t.Type<A, unknown>, kind: FaultKind, place: string, remedy: string) =>
  (u: unknown): Either<Fault, A> => {
    const result = codec.decode(u)
    if (E.isRight(result)) return result
    const first = result.left[0]
    // what a union allows is all of its members, and not the one that was tried first
    const union = first.context.findIndex((c) => c.type instanceof t.UnionType)
    const context = union < 0 ? first.context : first.context.slice(0, union + 1)
    const path = context
      .filter((c, i) => c.key !== '' && !isComposite(context[i - 1]?.type))
      .map((c) => c.key)
      .join('.')
    const {
      actual,
      type: { name: wanted },
    } = context[context.length - 1]
    return E.left(
      fault(kind, {
        place: path === '' ? place : `${place}: ${path}`,
        found: actual === undefined ? 'nothing' : showValue(actual),
        allowed: wanted,
        remedy,
      }),
    )
  }

/** What lies under some names within each other; undefined where one is missing. */
export const valueAt = (u: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce((v, key) => (isRecord(v) ? v[key] : undefined), u)

/** An object with named values, as JSON has them; no list. */
export const isRecord = (u: unknown): u is Readonly<Record<string, unknown>> => typeof u === 'object' && u !== null && !Array.isArray(u)
