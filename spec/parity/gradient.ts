/** The gradient of a scalar as an output of a graph. */
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import { gradOptions } from '../../compiler/grad.ts'
import type { Expr } from '../../core/expr.ts'
import type { Output } from '../../core/graph.ts'
import { value } from '../../core/graph.ts'

/** d `loss` / d `of` as the value `path`; nothing where there is none. */
export const gradient = (path: string, loss: Expr, of: Expr): ReadonlyArray<Output> =>
  pipe(
    gradOptions(loss, [of])[0],
    O.match(
      () => [],
      (g) => [value(path, g)],
    ),
  )
