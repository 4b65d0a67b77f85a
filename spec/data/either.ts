import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { showFault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'

/** The value, or a failed test that shows the fault. */
export const right = <A>(e: E.Either<Fault, A>): A => {
  if (E.isLeft(e)) throw new Error(showFault(e.left))
  return e.right
}

/** The fault, or a failed test. */
export const left = <A>(e: E.Either<Fault, A>): Fault => {
  if (E.isRight(e)) throw new Error('expected a fault')
  return e.left
}

/** The value of an either whose left is a text, or a failed test. */
export const rightOf = <A>(e: E.Either<string, A>): A => {
  if (E.isLeft(e)) throw new Error(e.left)
  return e.right
}

/** What an option holds, or a failed test. */
export const some = <A>(o: O.Option<A>): A => {
  if (O.isNone(o)) throw new Error('expected a value')
  return o.value
}
