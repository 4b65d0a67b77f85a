/** What a run has gone on from, and what adapters that it trained belong to. */
import { join, resolve } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { whatIs } from '../../data/formats/file.ts'
import { huggingFaceTypes } from '../../models/huggingface/types.ts'
import type { HuggingFaceType } from '../../models/huggingface/types.ts'
import { made } from '../run/origin.ts'
import type { AnyBackbone } from '../step/method.ts'
import type { Network } from './network.ts'
import { modelTypeAt } from './huggingface/type.ts'
import { configFile } from './peft/folder.ts'
import { namesFor } from './peft/names.ts'
import type { ModuleNames } from './peft/peft.ts'

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

/** The model that adapters of a run belong to. */
export interface Base {
  /** A path that is found from anywhere, or an id; none where the run began with nothing. */
  readonly name: string | undefined
  /** Whether it is nowhere yet, and the run has to write it: what it went on from were another's adapters with their model. */
  readonly unwritten: boolean
  /** Whose names modules have there. */
  readonly names: ModuleNames
}

/** Where a run writes the model that its adapters belong to, if there is none. */
const ownBase = 'base'

const isType = (s: string | undefined): s is HuggingFaceType => s !== undefined && Object.hasOwn(huggingFaceTypes, s)

/** What adapters of a network name: the model that a run has gone on from; of a run its average as transformers reads it. */
export const baseOf = (origin: Origin, out: string, network: Pick<AnyBackbone, 'vit' | 'pyramid'>): TaskEither<Fault, Base> => {
  const own: ModuleNames = namesFor(network)
  const isForeign = O.isNone(network.vit) && O.isNone(network.pyramid)
  return pipe(
    namedBy(origin, out),
    TE.bindTo('name'),
    TE.bind('adapters', ({ name }) => (name === undefined ? TE.right(false) : isThere(join(name, configFile)))),
    TE.bind('found', ({ name }) => (name === undefined ? TE.right(O.none) : modelTypeAt(name))),
    TE.map(({ name, adapters, found }): Base => {
      const type = O.toUndefined(found)
      if (name === undefined || isForeign) return { name, unwritten: false, names: own }
      if (adapters) return { name: resolve(out, ownBase), unwritten: true, names: own }
      return { name, unwritten: false, names: isType(type) && O.isSome(network.vit) && own !== 'own' ? type : own }
    }),
  )
}

const namedBy = ({ from, network }: Origin, out: string): TaskEither<Fault, string | undefined> =>
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
