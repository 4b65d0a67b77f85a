/** What turns a primitive into operators of ONNX: a site where it is applied, and what may be made of it. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Expr, Json } from '../../../core/expr.ts'
import type { Primitive } from '../../../core/primitive.ts'
import type { DType } from '../../../core/type.ts'
import type { Builder, Value } from './builder.ts'
import { full } from './builder.ts'
import type { Size } from './size.ts'

/** An application: its expression at every point that the graph was traced at, its arguments, and the type of its result. */
export interface Site {
  readonly at: ReadonlyArray<Expr>
  readonly args: ReadonlyArray<Value>
  readonly dtype: DType
  readonly shape: ReadonlyArray<Size>
  readonly b: Builder
  /** Sizes of numbers that differ from point to point. */
  readonly sizes: (values: ReadonlyArray<ReadonlyArray<number>>) => ReadonlyArray<Size>
}

/** A site with the parameters of its primitive; `sizesOf` are sizes of theirs. */
export interface Applied<P> extends Site {
  readonly params: P
  readonly sizesOf: (of: (p: P) => ReadonlyArray<number>) => ReadonlyArray<Size>
}

/** Left: why opset 17 cannot say it. */
export type Operator = (s: Site) => Either<string, Value>

/** An operator of a primitive, which is given its parameters. */
export const operator =
  <P extends Json>(primitive: Primitive<P>, emit: (s: Applied<P>) => Either<string, Value>): Operator =>
  (s) => {
    const params = s.at.flatMap((e) => {
      const found = primitive.match(e)
      return O.isSome(found) ? [found.value.params] : []
    })
    return params.length < s.at.length
      ? E.left(`no application of ${primitive.primitive}`)
      : emit({ ...s, params: params[0], sizesOf: (of) => s.sizes(params.map(of)) })
  }

/** What no graph has any more when it is written. */
export const takenApart: Operator = () => E.left('a region that is taken apart before')

/** A collective, which of one rank is the identity: programs of several do not come here. */
export const ofOneRank: Operator = (s) => E.right(s.args[0])

export const unsayable =
  (why: string): Operator =>
  () =>
    E.left(why)

/** All arguments with every entry written out. */
export const fullArgs = (s: Site): ReadonlyArray<Value> => s.args.map((v) => full(s.b, v))
