/**
 * Expressions: immutable, hash-consed, each with its type. Equal expressions are the same object, so that sharing is
 * `===` and common subexpressions cost nothing. Scope and source line are side data and never part of identity.
 */
import type { Either } from 'fp-ts/lib/Either.js'
import type { Option } from 'fp-ts/lib/Option.js'
import type { Fault } from './fault.ts'
import { fault } from './fault.ts'
import { userLine } from './place.ts'
import type { Scalar, Scatter } from './scalar.ts'
import type { DType, Shape, TensorType } from './type.ts'
import { showType, tensorType } from './type.ts'

export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** What a misuse of an op has to say besides the shapes that were found. */
export interface Misuse {
  readonly allowed: string
  readonly remedy: string
}

/** What a vjp rule sees: the arguments, the result, and the cotangent of the result. */
export interface Pull {
  readonly args: ReadonlyArray<Expr>
  readonly out: Expr
  readonly ct: Expr
}

/** One primitive with its parameters closed over; the parameters stay plain JSON for printing and saving. */
export interface Op {
  readonly name: string
  readonly params: Json
  /** Name and parameters as one string: equal keys mean equal ops. */
  readonly key: string
  readonly type: (args: ReadonlyArray<TensorType>) => Either<Misuse, TensorType>
  readonly vjp: (pull: Pull) => ReadonlyArray<Option<Expr>>
  readonly lower: (args: ReadonlyArray<TensorType>, out: TensorType) => Scalar
  /** The op whose result has another extent along some axes. */
  readonly resized: (shape: Shape, axes: ReadonlyArray<number>) => Op
  readonly scatter: Option<(args: ReadonlyArray<TensorType>, out: TensorType) => Scatter>
}

export type Distribution =
  | { readonly _tag: 'Uniform'; readonly low: number; readonly high: number }
  | { readonly _tag: 'Normal'; readonly mean: number; readonly std: number }
  | { readonly _tag: 'Bernoulli'; readonly p: number }
  | { readonly _tag: 'Permutation' }

/**
 * Where a leaf's value comes from. `Param` and `State` live on the device between runs; `Input` and `Hyper` are given
 * at every run; `Draw` is filled from the counter stream; `Fill` and `Table` are constants.
 */
export type Source =
  | { readonly _tag: 'Param'; readonly path: string }
  | { readonly _tag: 'State'; readonly path: string }
  | { readonly _tag: 'Input'; readonly path: string }
  | { readonly _tag: 'Hyper'; readonly path: string }
  | { readonly _tag: 'Draw'; readonly path: string; readonly distribution: Distribution }
  | { readonly _tag: 'Fill'; readonly value: number }
  | { readonly _tag: 'Table'; readonly values: ReadonlyArray<number> }

export interface Leaf {
  readonly _tag: 'Leaf'
  readonly id: number
  readonly type: TensorType
  readonly source: Source
}

export interface Apply {
  readonly _tag: 'Apply'
  readonly id: number
  readonly type: TensorType
  readonly op: Op
  readonly args: ReadonlyArray<Expr>
  /** A recompute region: expressions of different regions are never shared, which keeps checkpointing alive. */
  readonly region: Option<string>
}

/** A misuse, kept in place of a value: `trace` turns the reachable ones into one `Left`. Never shared. */
export interface Invalid {
  readonly _tag: 'Invalid'
  readonly id: number
  readonly type: TensorType
  readonly fault: Fault
}

export type Expr = Leaf | Apply | Invalid

/**
 * The weak intern table: the one piece of module-level state of the language. It holds expressions weakly by identity
 * key, and their scopes beside them.
 */
interface Interning {
  readonly byKey: Map<string, WeakRef<Leaf | Apply>>
  readonly dead: FinalizationRegistry<string>
  readonly scopes: WeakMap<Expr, string>
  next: number
}

const openInterning = (): Interning => {
  const byKey = new Map<string, WeakRef<Leaf | Apply>>()
  const dead = new FinalizationRegistry<string>((key) => {
    if (byKey.get(key)?.deref() === undefined) byKey.delete(key)
  })
  return { byKey, dead, scopes: new WeakMap(), next: 0 }
}

const isInterning = (u: unknown): u is Interning => typeof u === 'object' && u !== null && 'byKey' in u

/**
 * One table in a process, however often this file is loaded: a loader of TypeScript loads a package twice in a CommonJS project, for
 * `require` and for `import()`, and equal expressions of the two must be the same object.
 */
const openedOnce = (): Interning => {
  const name = Symbol.for(`dinograph interning ${new URL('.', import.meta.url).href}`)
  const there: unknown = Reflect.get(globalThis, name)
  if (isInterning(there)) return there
  const made = openInterning()
  Object.defineProperty(globalThis, name, { value: made })
  return made
}

const interning = openedOnce()

const interned = <E extends Leaf | Apply>(key: string, same: (e: Leaf | Apply) => e is E, make: (id: number) => E): E => {
  const found = interning.byKey.get(key)?.deref()
  if (found !== undefined && same(found)) return found
  const made = make(interning.next++)
  interning.byKey.set(key, new WeakRef(made))
  interning.dead.register(made, key)
  return made
}

const isLeaf = (e: Leaf | Apply): e is Leaf => e._tag === 'Leaf'
const isApply = (e: Leaf | Apply): e is Apply => e._tag === 'Apply'

/**
 * Structural key of plain JSON: equal keys mean equal values, numbers to the bit. JSON itself has no infinities and no NaN, and
 * gives -0 as 0. Object keys are in order of writing, which every primitive keeps fixed.
 */
export const keyOf = (j: Json): string => {
  if (typeof j === 'number') return Object.is(j, -0) ? '-0' : `${j}`
  if (j === null || typeof j !== 'object') return JSON.stringify(j)
  if (isList(j)) return `[${j.map(keyOf).join()}]`
  return `{${Object.entries(j)
    .map(([name, value]) => `${JSON.stringify(name)}:${keyOf(value)}`)
    .join()}}`
}

const isList = (j: Json): j is ReadonlyArray<Json> => Array.isArray(j)

export const leaf = (type: TensorType, source: Source): Leaf =>
  interned(`leaf ${showType(type)} ${keyOf(source)}`, isLeaf, (id) => ({ _tag: 'Leaf', id, type, source }))

/** A constant of one repeated value. */
export const fill = (dtype: DType, shape: Shape, value: number): Leaf => leaf(tensorType(dtype, shape), { _tag: 'Fill', value })

/** A constant given element by element, row-major. Meant for small tables: index lists, interpolation taps. */
export const table = (dtype: DType, shape: Shape, values: ReadonlyArray<number>): Leaf =>
  leaf(tensorType(dtype, shape), { _tag: 'Table', values })

/** Applies an op whose arguments are known to fit (`type` has said so). */
export const applied = (op: Op, args: ReadonlyArray<Expr>, type: TensorType, region: Option<string>): Apply =>
  interned(`${op.key}(${args.map((a) => a.id).join()})${region._tag === 'Some' ? `@${region.value}` : ''}`, isApply, (id) => ({
    _tag: 'Apply',
    id,
    type,
    op,
    args,
    region,
  }))

/** The line of the user's program that the library was called from, in brackets; nothing where none of it is waiting. */
const sourceLine = (): string => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = Infinity
  const stack = new Error().stack ?? ''
  Error.stackTraceLimit = limit
  const line = userLine(stack)
  return line === undefined ? '' : ` (${line})`
}

/** A misuse of `op`: carries the fault in place of a value, with the type that later ops may go on with. */
export const invalid = (op: string, found: string, misuse: Misuse, type: TensorType): Invalid => ({
  _tag: 'Invalid',
  id: interning.next++,
  type,
  fault: fault('type', { place: `${op}${sourceLine()}`, found, ...misuse }),
})

/** The scope (`blocks.3.attn.qkv`) in which an expression was first made; empty at top level. */
export const scopeOf = (e: Expr): string => interning.scopes.get(e) ?? ''

/** The id that the next new expression will get: what is made from now on has an id of at least this. */
export const mark = (): number => interning.next

/** Gives every expression under `roots` that was made since `since` and has no scope yet the scope `scope`. */
export const labelScope = (scope: string, since: number, roots: ReadonlyArray<Expr>): void => {
  const stack = roots.filter((e) => e.id >= since)
  const seen = new Set<Expr>(stack)
  for (let e = stack.pop(); e !== undefined; e = stack.pop()) {
    if (!interning.scopes.has(e)) interning.scopes.set(e, scope)
    if (e._tag !== 'Apply') continue
    for (const a of e.args) {
      if (a.id >= since && !seen.has(a)) {
        seen.add(a)
        stack.push(a)
      }
    }
  }
}
