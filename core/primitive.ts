/**
 * One primitive is one record: its parameters' codec, its typing rule, its adjoint and its meaning. Nothing else in the
 * house knows it by name: fusion, targets and printing read the record.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Option } from 'fp-ts/lib/Option.js'
import * as O from 'fp-ts/lib/Option.js'
import type * as t from 'io-ts'
import type { Expr, Json, Misuse, Op, Pull } from './expr.ts'
import { applied, invalid, keyOf } from './expr.ts'
import type { Scalar, Scatter } from './scalar.ts'
import type { Shape, TensorType } from './type.ts'
import { showType, tensorType } from './type.ts'

export interface Rules<P extends Json> {
  /** Decodes saved parameters. */
  readonly params: t.Type<P, Json>
  /** How many arguments it takes; the other rules may rely on it. */
  readonly arity: number | 'many'
  /** The type of the result, or how the arguments should have looked. */
  readonly type: (p: P, args: ReadonlyArray<TensorType>) => E.Either<Misuse, TensorType>
  /** The cotangent of each argument, in ops again; `none` where it is mathematically zero. */
  readonly vjp: (p: P, pull: Pull) => ReadonlyArray<Option<Expr>>
  /** What one element of the result is. */
  readonly lower: (p: P, args: ReadonlyArray<TensorType>, out: TensorType) => Scalar
  /**
   * For parameters that state the result's shape: those for `shape`, another along `axes`, whose elements there are the argument's first.
   */
  readonly resized?: (p: P, shape: Shape, axes: ReadonlyArray<number>) => P
  /** For a scatter, the cheap write form beside the per-element form. */
  readonly scatter?: (p: P, args: ReadonlyArray<TensorType>, out: TensorType) => Scatter
}

export interface Primitive<P extends Json = Json> {
  (p: P, ...args: ReadonlyArray<Expr>): Expr
  readonly primitive: string
  readonly op: (p: P) => Op
  /** Reads saved parameters back. */
  readonly load: (params: unknown) => Option<Op>
  /** The parameters of `e` where it is an application of this primitive. */
  readonly match: (e: Expr) => Option<{ readonly params: P; readonly args: ReadonlyArray<Expr> }>
}

/**
 * Makes a primitive from its record. The result is called with its parameters first, `sum({ axes: [1] }, x)`; ops wrap it with
 * broadcasting. Its ops keep their typed parameters for `match`; those of an op that another loading of this file has made are read
 * again.
 */
export const primitive = <P extends Json>(name: string, rules: Rules<P>): Primitive<P> => {
  const typed = new WeakMap<Op, P>()
  const op = (p: P): Op => {
    const made: Op = {
      name,
      params: p,
      key: p === null ? name : `${name}${keyOf(p)}`,
      type: (args) =>
        rules.arity === 'many' || args.length === rules.arity
          ? rules.type(p, args)
          : E.left({ allowed: `as many arguments as ${name} takes: ${rules.arity}`, remedy: 'pass them all, and no more' }),
      vjp: (pull) => rules.vjp(p, pull),
      lower: (args, out) => rules.lower(p, args, out),
      resized: (shape, axes) => (rules.resized === undefined ? made : op(rules.resized(p, shape, axes))),
      scatter: rules.scatter === undefined ? O.none : O.some(rules.scatter.bind(undefined, p)),
    }
    typed.set(made, p)
    return made
  }
  const read = (params: unknown): Option<P> => O.fromEither(rules.params.decode(params))
  const call = (p: P, ...args: ReadonlyArray<Expr>): Expr => apply(op(p), args)
  return Object.assign(call, {
    primitive: name,
    op,
    load: (params: unknown): Option<Op> => O.map(op)(read(params)),
    match: (e: Expr): Option<{ readonly params: P; readonly args: ReadonlyArray<Expr> }> => {
      if (e._tag !== 'Apply' || e.op.name !== name) return O.none
      const params = typed.get(e.op)
      return O.map((known: P) => ({ params: known, args: e.args }))(params === undefined ? read(e.op.params) : O.some(params))
    },
  })
}

/** What was found, as a user reads it: the types of the arguments. */
export const showArgs = (args: ReadonlyArray<Expr>): string => args.map((a) => showType(a.type)).join(', ') || 'no arguments'

/** Applies an op: a misuse becomes an `Invalid`, and an `Invalid` argument passes through unchanged. */
export const apply = (op: Op, args: ReadonlyArray<Expr>, region: Option<string> = O.none): Expr => {
  const bad = args.find((a) => a._tag === 'Invalid')
  if (bad !== undefined) return bad
  const type = op.type(args.map((a) => a.type))
  return E.isRight(type)
    ? applied(op, args, type.right, region)
    : invalid(op.name, showArgs(args), type.left, args[0]?.type ?? tensorType('f32', []))
}

/** A misuse that a user-level op found before any primitive was reached (a broadcast that does not fit). */
export const misuse = (op: string, args: ReadonlyArray<Expr>, m: Misuse): Expr =>
  args.find((a) => a._tag === 'Invalid') ?? invalid(op, showArgs(args), m, args[0]?.type ?? tensorType('f32', []))
