/**
 * One kind of golden case is one file in kinds/, named as `kind` in case.json, that exports `kind`: it computes every expected
 * tensor of a case, by name, from the case's inputs and with the public functions that the examples use. Where a case states a
 * tolerance in words alone, the file exports it as `atolOf`. A case of random numbers, which cannot be computed, exports `judge`
 * in place of `kind`.
 */
import { existsSync } from 'node:fs'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Device, Feed, HostArray, HostValues } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import { fault, messageOf } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { tensorType } from '../../core/type.ts'
import { floatsOf } from '../../data/formats/tensor.ts'
import type { HostTensors } from '../../data/formats/tensor.ts'
import type { Case, LoadedCase } from './case.ts'

/** Computed tensors by the names of the expected ones, row-major. */
export type Computed = ReadonlyMap<string, ArrayLike<number>>

export type Kind = (c: Case, device: Device) => TaskEither<Fault, Computed>

/** The tolerance of an expected tensor that has none of its own, for every element or for each; it may look at the inputs. */
export type AtolOf = (name: string, c: Case) => ((i: number) => number) | undefined

/** What a case claims, and how far off it is in parts of what is allowed: at most 1 holds. */
export interface Claim {
  readonly name: string
  readonly ratio: number
}

/** Holds random results, theirs and ours, against the rules and the statistics that the case states. */
export type Judge = (c: LoadedCase) => E.Either<Fault, ReadonlyArray<Claim>>

/** How a kind of case is tested. */
export type Test =
  { readonly _tag: 'Compute'; readonly kind: Kind; readonly atolOf: AtolOf } | { readonly _tag: 'Judge'; readonly judge: Judge }

const hasKind = (m: object): m is { readonly kind: Kind } => 'kind' in m && typeof m.kind === 'function'
const hasAtol = (m: object): m is { readonly atolOf: AtolOf } => 'atolOf' in m && typeof m.atolOf === 'function'
const hasJudge = (m: object): m is { readonly judge: Judge } => 'judge' in m && typeof m.judge === 'function'

const testOf = (m: unknown): O.Option<Test> => {
  if (typeof m !== 'object' || m === null) return O.none
  const atolOf: AtolOf = hasAtol(m) ? m.atolOf : () => undefined
  return hasKind(m) ? O.some({ _tag: 'Compute', kind: m.kind, atolOf }) : hasJudge(m) ? O.some({ _tag: 'Judge', judge: m.judge }) : O.none
}

/** The test of the kind of that name, where there is a file for it. */
export const findKind = (name: string): TaskEither<Fault, O.Option<Test>> => {
  const file = new URL(`./kinds/${name}.ts`, import.meta.url)
  if (!/^\w+$/.test(name) || !existsSync(file)) return TE.right(O.none)
  return pipe(
    TE.tryCatch(
      (): Promise<unknown> => import(file.href),
      (e) => fault('io', { place: file.pathname, found: messageOf(e), allowed: 'a module that loads', remedy: 'correct the module' }),
    ),
    TE.map(testOf),
  )
}

/** Writes f32 tensors to a device, under `prefix`. */
export const writeAll = (device: Device, prefix: string, tensors: HostTensors): TaskEither<Fault, void> =>
  pipe(
    [...tensors],
    TE.traverseSeqArray(([name, x]) =>
      pipe(
        TE.fromEither(floatsOf(name)(x)),
        TE.chain((data) => device.write(`${prefix}${name}`, tensorType('f32', x.shape), data)),
      ),
    ),
    TE.map(() => undefined),
  )

/** Compiles a graph and runs it once. */
export const runOnce = (device: Device, g: E.Either<Fault, Graph>, values: HostValues): TaskEither<Fault, HostValues> =>
  pipe(
    TE.fromEither(g),
    TE.chain((graph) => device.compile(graph)),
    TE.chain((x) => x.run({ values })),
  )

/** Runs one step after the other, and what `after` reads of each. */
export const runSteps = <A>(
  feeds: ReadonlyArray<Feed>,
  run: (feed: Feed) => TaskEither<Fault, HostValues>,
  after: (values: HostValues, step: number) => TaskEither<Fault, A>,
): TaskEither<Fault, ReadonlyArray<A>> =>
  pipe(
    feeds.map((feed, step) => ({ feed, step })),
    TE.traverseSeqArray(({ feed, step }) =>
      pipe(
        run(feed),
        TE.chain((values) => after(values, step)),
      ),
    ),
  )

export const scalar = (x: number): HostArray => Float64Array.of(x)

/** Several rows one after the other. */
export const stacked = (rows: ReadonlyArray<ArrayLike<number>>): Float64Array => Float64Array.from(rows.flatMap((r) => Array.from(r)))
