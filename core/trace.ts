/** From a user's outputs to a verified graph, or to the one fault that a user can act upon. */
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from './fault.ts'
import type { Graph, Output } from './graph.ts'
import { verify } from './verify.ts'

/** The graph of `outputs`. `Left` names the op, the shapes, the scope, the user's line and the remedy of the first misuse. */
export const trace = (name: string, outputs: ReadonlyArray<Output>): Either<Fault, Graph> => verify({ name, outputs })
