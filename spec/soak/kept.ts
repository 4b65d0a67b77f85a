/** Failing graphs that are kept: one file each, with the graph itself, so that it means the same when generators have changed. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { fault, messageOf } from '../../core/fault.ts'
import { print } from '../../core/print.ts'
import { load, real, save } from '../../core/serialize.ts'
import { loadOp } from '../../ops/vocabulary.ts'
import type { RandomGraph } from '../support/graphs.ts'
import type { Failure } from '../support/hunt.ts'

export const folder = new URL('kept/', import.meta.url).pathname

const file = t.strict({
  /** Where it was found; it is replayed on every target that takes it. */
  target: t.string,
  generator: t.string,
  seed: t.number,
  flaw: t.string,
  /** The graph for people. */
  program: t.readonlyArray(t.string),
  /** Bytes of `save` in base 64. */
  graph: t.string,
  values: t.record(
    t.string,
    t.strict({
      dtype: t.keyof({ f32: null, f16: null, bf16: null, i32: null, bool: null }),
      shape: t.readonlyArray(t.number),
      values: t.readonlyArray(real),
    }),
  ),
})

/** The text of a file that replays a failure. */
export const written = (f: Failure): Either<Fault, string> =>
  pipe(
    save(f.graph.graph),
    E.map(
      (bytes) =>
        `${JSON.stringify(
          file.encode({
            target: f.target,
            generator: f.generator,
            seed: f.seed,
            flaw: f.flaw,
            program: print(f.graph.graph).split('\n'),
            graph: Buffer.from(bytes).toString('base64'),
            values: Object.fromEntries([...f.graph.values].map(([path, { type, values }]) => [path, { ...type, values }])),
          }),
          null,
          1,
        )}\n`,
    ),
  )

/** The graph of such a text. */
export const readBack = (text: string): Either<Fault, RandomGraph> =>
  pipe(
    E.tryCatch(
      (): unknown => JSON.parse(text),
      (e) => fault('data', { place: 'a kept graph', found: messageOf(e), allowed: 'JSON', remedy: 'write it again by npm run soak' }),
    ),
    E.chain((u) =>
      pipe(
        file.decode(u),
        E.mapLeft(() =>
          fault('data', {
            place: 'a kept graph',
            found: 'another structure',
            allowed: 'what npm run soak writes',
            remedy: 'write it again',
          }),
        ),
      ),
    ),
    E.chain((f) =>
      pipe(
        load(loadOp)(Buffer.from(f.graph, 'base64')),
        E.map((graph) => ({
          graph,
          floats: [],
          values: new Map(Object.entries(f.values).map(([path, { values, ...type }]) => [path, { type, values }])),
        })),
      ),
    ),
  )

export const keptFiles = (): ReadonlyArray<string> =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => join(folder, name))

export const textOf = (path: string): string => readFileSync(path, 'utf8')
