/**
 * Golden cases: a folder with `case.json` (what it is, configuration, tolerances) and `tensors.safetensors` (weights, inputs,
 * expected results). A case gives its inputs alone; what is expected is loaded beside it, for the comparison.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { fault, messageOf } from '../../core/fault.ts'
import { decodeAs } from '../../data/formats/codec.ts'
import { readSafetensors } from '../../data/formats/safetensors.ts'
import type { HostTensor, HostTensors } from '../../data/formats/tensor.ts'
import { floatsOf, intsOf } from '../../data/formats/tensor.ts'

const remedy = 'write the case in the format of the fixtures'

const tensorCodec = t.intersection([
  t.type({ name: t.string, shape: t.readonlyArray(t.number) }),
  t.partial({ atol: t.number, exact: t.boolean, exclude_rows: t.readonly(t.tuple([t.number, t.number])) }),
])

const record = t.union([t.UnknownRecord, t.null, t.undefined])

const caseCodec = t.intersection([
  t.type({ kind: t.string, tensors: t.readonlyArray(tensorCodec) }),
  t.partial({ name: t.string, config: record, scalars: record, facts: record }),
])

/** What is known of an expected result before it is read: its shape and how near to it is near enough. */
export interface Expectation {
  readonly name: string
  readonly shape: ReadonlyArray<number>
  readonly atol: number | undefined
  /** Whole numbers that must be equal. */
  readonly exact: boolean
  /** Rows `[from, to)` of the first axis that are not compared. */
  readonly without: readonly [number, number] | undefined
}

export interface Case {
  readonly name: string
  readonly kind: string
  readonly config: Readonly<Record<string, unknown>>
  readonly scalars: Readonly<Record<string, unknown>>
  readonly facts: Readonly<Record<string, unknown>>
  /** Weights and inputs by name. Nothing under `out/`, `grad/` and `final/` is among them. */
  readonly inputs: HostTensors
  readonly expectations: ReadonlyArray<Expectation>
}

/** A case, and what is expected of it, for the comparison alone. */
export interface LoadedCase {
  readonly given: Case
  readonly expected: HostTensors
}

const isExpected = (name: string): boolean => /^(out|grad|final)\//.test(name)

/** Reads a case folder. Faults name the file and what is wrong with it. */
export const loadCase = (folder: string, name: string): TaskEither<Fault, LoadedCase> => {
  const file = join(folder, 'case.json')
  return pipe(
    TE.tryCatch(
      () => readFile(file, 'utf8'),
      (e) => fault('io', { place: file, found: messageOf(e), allowed: 'a readable file', remedy }),
    ),
    TE.chainEitherK((text) =>
      E.tryCatch(
        (): unknown => JSON.parse(text),
        (e) => fault('data', { place: file, found: messageOf(e), allowed: 'JSON', remedy }),
      ),
    ),
    TE.chainEitherK(decodeAs(caseCodec, 'data', file, remedy)),
    TE.chain((c) =>
      pipe(
        readSafetensors(join(folder, 'tensors.safetensors')),
        TE.map(({ tensors }) => ({
          given: {
            name,
            kind: c.kind,
            config: c.config ?? {},
            scalars: c.scalars ?? {},
            facts: c.facts ?? {},
            inputs: new Map([...tensors].filter(([n]) => !isExpected(n))),
            expectations: c.tensors
              .filter((x) => isExpected(x.name))
              .map((x) => ({ name: x.name, shape: x.shape, atol: x.atol, exact: x.exact === true, without: x.exclude_rows })),
          },
          expected: new Map([...tensors].filter(([n]) => isExpected(n))),
        })),
      ),
    ),
  )
}

/** The case's configuration, decoded. */
export const configOf = <A>(codec: t.Type<A, unknown>, c: Case): Either<Fault, A> =>
  decodeAs(codec, 'config', `${c.name}: config`, remedy)(c.config)

/** An input tensor. Fault: it is missing. */
export const inputOf = (c: Case, name: string): Either<Fault, HostTensor> =>
  E.fromNullable(fault('data', { place: c.name, found: `no tensor ${name}`, allowed: [...c.inputs.keys()].join(', '), remedy }))(
    c.inputs.get(name),
  )

/** An input's numbers. Faults: it is missing, or holds other numbers. */
export const floats = (c: Case, name: string): Either<Fault, Float32Array> => E.chain(floatsOf(`${c.name}: ${name}`))(inputOf(c, name))
export const ints = (c: Case, name: string): Either<Fault, Int32Array> => E.chain(intsOf(`${c.name}: ${name}`))(inputOf(c, name))

/** The inputs below `prefix`, by the rest of their name. */
export const below = (c: Case, prefix: string): HostTensors =>
  new Map([...c.inputs].flatMap(([name, x]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), x] as const] : [])))
