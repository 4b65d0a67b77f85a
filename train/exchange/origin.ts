/** What a run has gone on from, and what adapters that it trained belong to. */
import { join, resolve } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { whatIs } from '../../data/formats/file.ts'
import { made } from '../run/origin.ts'
import type { Network } from './network.ts'

/** What a run has gone on from: a run and a network of it, a folder, a file or an id; empty: what it made itself, or nothing. */
export interface Origin {
  readonly from: string
  readonly network: Network
}

const isThere = (path: string): TaskEither<Fault, boolean> =>
  pipe(
    whatIs(path),
    TE.map((what) => what !== 'nothing'),
  )

/** The model that adapters name: a path that is found from anywhere, or an id; of a run its average as transformers reads it. */
export const baseOf = ({ from, network }: Origin, out: string): TaskEither<Fault, string | undefined> =>
  pipe(
    [made.before, made.model].map((name) => join(out, name)),
    TE.traverseSeqArray((path) =>
      pipe(
        isThere(path),
        TE.map((there) => (there ? [path] : [])),
      ),
    ),
    TE.map((own) => (from === '' ? own.flat()[0] : from)),
    TE.chain((base) =>
      base === undefined
        ? TE.right(undefined)
        : pipe(
            TE.Do,
            TE.bind('there', () => isThere(base)),
            TE.bind('inner', () => isThere(join(base, 'huggingface', 'config.json'))),
            TE.map(({ there, inner }) => (!there ? base : resolve(inner && network === 'teacher' ? join(base, 'huggingface') : base))),
          ),
    ),
  )

const settings = t.partial({
  base: t.string,
  start: t.partial({ from: t.string, network: t.keyof({ teacher: null, student: null }) }),
})

/** As a run's configuration says it. */
export const originIn = (config: unknown): Origin =>
  pipe(
    settings.decode(config),
    E.match(
      () => ({ from: '', network: 'teacher' }),
      ({ base, start }) => ({
        from: start?.from !== undefined && start.from !== '' ? start.from : (base ?? ''),
        network: start?.network ?? 'teacher',
      }),
    ),
  )
