/** What the folder of a run says of it: configuration, numbers, environment and summary. */
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import { parse } from 'yaml'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import { guarded, whatIs } from '../../../data/formats/file.ts'
import { readJson, writeJson } from '../../../data/formats/json.ts'
import type { Curves } from './curves.ts'
import { gather } from './curves.ts'
import type { Session } from '../../run/environment.ts'
import type { RunEnding } from '../../run/ending.ts'
import { sessionsIn, summaryIn } from '../../run/environment.ts'
import { isRecord } from '../../../data/formats/codec.ts'

const summaryCodec = t.intersection([
  t.type({
    ending: t.keyof({ finished: null, stopped: null, time: null, early: null, collapsed: null } satisfies Readonly<
      Record<RunEnding, null>
    >),
    metrics: t.readonly(t.record(t.string, t.number)),
  }),
  t.partial({ best: t.readonly(t.type({ metric: t.string, value: t.number, step: t.number, checkpoint: t.string })) }),
])

/** How a run ended, and the numbers that it was reported with. */
export type Summary = t.TypeOf<typeof summaryCodec>

export interface RunRecord {
  readonly folder: string
  readonly name: string
  /** The text of config.yaml, and what it says. */
  readonly configText: string
  readonly config: unknown
  readonly curves: Curves
  readonly sessions: ReadonlyArray<Session>
  /** None of a run that was killed, or is still going. */
  readonly summary: Option<Summary>
}

/** Records how a run ended. Numbers that are not finite are left out, since JSON has none. */
export const recordSummary = (folder: string, s: Summary): TaskEither<Fault, void> =>
  writeJson(summaryIn(folder), {
    ending: s.ending,
    ...(s.best === undefined ? {} : { best: { ...s.best } }),
    metrics: Object.fromEntries(Object.entries(s.metrics).filter(([, v]) => Number.isFinite(v))),
  })

/** A record of one line; none of a line that a crash has torn. */
const recordOf = (line: string): Option<Readonly<Record<string, unknown>>> =>
  pipe(
    O.tryCatch((): unknown => JSON.parse(line)),
    O.filter(isRecord),
  )

/** The numbers of `metrics.jsonl`, thinned. */
const curvesIn = (folder: string): TaskEither<Fault, Curves> => {
  const path = join(folder, 'metrics.jsonl')
  return pipe(
    whatIs(path),
    TE.chain((what) =>
      guarded(
        'io',
        path,
      )(async () => {
        const gathering = gather()
        if (what === 'file') {
          for await (const line of createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity }))
            pipe(recordOf(line), O.map(gathering.add))
        }
        return E.right(gathering.curves())
      }),
    ),
  )
}

const parsed = (place: string, text: string): Either<Fault, unknown> =>
  E.tryCatch(
    (): unknown => parse(text),
    (e) => fault('data', { place, found: messageOf(e), allowed: 'YAML', remedy: 'restore the file' }),
  )

/** Reads the folder of a run. Faults: no run there; files that are none of ours. */
export const readRecord = (folder: string): TaskEither<Fault, RunRecord> => {
  const file = join(folder, 'config.yaml')
  return pipe(
    whatIs(file),
    TE.filterOrElse(
      (what) => what === 'file',
      () =>
        fault('data', {
          place: folder,
          found: 'no config.yaml',
          allowed: 'the folder of a run',
          remedy: 'check its name for a typing error',
        }),
    ),
    TE.chain(() => guarded('io', file)(async () => E.right(await readFile(file, 'utf8')))),
    TE.bindTo('configText'),
    TE.bind('config', ({ configText }) => TE.fromEither(parsed(file, configText))),
    TE.bind('curves', () => curvesIn(folder)),
    TE.bind('sessions', () => sessionsIn(folder)),
    TE.bind('summary', () => readJson(summaryIn(folder), summaryCodec)),
    TE.map((r): RunRecord => ({ ...r, folder, name: r.sessions.at(-1)?.name ?? basename(resolve(folder)) })),
  )
}

/** Steps that the run was to have, as its configuration says. */
export const stepsOf = ({ config }: RunRecord): number | undefined =>
  isRecord(config) && typeof config['steps'] === 'number' ? config['steps'] : undefined
