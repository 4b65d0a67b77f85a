/** What a run is given, checked against what the graph declares: the same faults on every target. */
import * as E from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import { faultsOf } from '../../core/fault.ts'
import type { NamedSource } from '../../core/graph.ts'
import { draw, stream } from '../../core/random.ts'
import type { TensorType } from '../../core/type.ts'
import { equalType, showType, sizeOf } from '../../core/type.ts'
import type { Feed, HostArray } from '../target.ts'

const bad = faultsOf('target')

const elements = (t: TensorType): string => `${showType(t)}: ${sizeOf(t.shape)} elements`

/** Host data of the length that its type asks for. */
export const fitting = (role: string, path: string, type: TensorType, data: HostArray | undefined): E.Either<Fault, HostArray> =>
  data === undefined
    ? E.left(bad(`${role} ${path}`, 'no value', elements(type), 'give it in the values of the run'))
    : data.length !== sizeOf(type.shape)
      ? E.left(bad(`${role} ${path}`, `${data.length} elements`, elements(type), 'pass a row-major array of that length'))
      : E.right(data)

/** The value of an input, a hyper or a draw in this run. */
export const fed = (
  type: TensorType,
  s: Extract<NamedSource, { readonly _tag: 'Input' | 'Hyper' | 'Draw' }>,
  feed: Feed,
): E.Either<Fault, HostArray> =>
  s._tag === 'Draw'
    ? E.right(draw(stream(feed.seed ?? 0, s.path, feed.step ?? 0), s.distribution, type.shape))
    : fitting(s._tag.toLowerCase(), s.path, type, feed.values.get(s.path))

/** A resident tensor must have been written, with the type that the graph declares. */
export const residentFault = (role: string, path: string, type: TensorType, held: TensorType | undefined): Fault | undefined =>
  held === undefined
    ? bad(`${role} ${path}`, 'a resident tensor that was never written', elements(type), 'write it to the device before the first run')
    : equalType(held, type)
      ? undefined
      : bad(
          `${role} ${path}`,
          `a resident tensor ${showType(held)}`,
          showType(type),
          'write the tensor with the type that the graph declares',
        )
