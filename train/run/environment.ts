/** Where a run was computed: `environment.json`, one entry for each time that the run was started or continued. */
import { rm } from 'node:fs/promises'
import { arch, cpus, platform, release, totalmem } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import type { Device } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import { withoutSecrets } from '../../core/text.ts'
import { guarded, writeText } from '../../data/formats/file.ts'
import { readJson } from '../../data/formats/json.ts'
import { versions } from './package.ts'

const sessionCodec = t.type({
  /** ISO 8601, UTC. */
  started: t.string,
  name: t.string,
  /** The words of the command line after the program. */
  command: t.readonlyArray(t.string),
  target: t.string,
  device: t.string,
  node: t.string,
  system: t.string,
  processor: t.string,
  cores: t.number,
  /** Bytes. */
  memory: t.number,
  /** Packages by name, this one first. */
  versions: t.readonly(t.record(t.string, t.string)),
})

/** One start of a run. */
export type Session = t.TypeOf<typeof sessionCodec>

const fileCodec = t.type({ sessions: t.readonlyArray(sessionCodec) })

const fileIn = (folder: string): string => join(folder, 'environment.json')

/** Where a run says how it ended (judge/report/record.ts). */
export const summaryIn = (folder: string): string => join(folder, 'summary.json')

/** This process on a device. */
export const sessionOf = (name: string, device: Device): TaskEither<Fault, Session> =>
  pipe(
    versions,
    TE.map((known): Session => ({
      started: new Date().toISOString(),
      name,
      command: process.argv.slice(1).map((w) => withoutSecrets(process.env)(w.replace(`${process.cwd()}/`, ''))),
      target: device.name,
      device: device.description,
      node: process.version,
      system: `${platform()} ${release()} ${arch()}`,
      processor: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memory: totalmem(),
      versions: known,
    })),
  )

/** All starts of the run in a folder; none where it has not recorded them. Fault: a file that is none of ours. */
export const sessionsIn = (folder: string): TaskEither<Fault, ReadonlyArray<Session>> =>
  pipe(
    readJson(fileIn(folder), fileCodec),
    TE.map(
      O.match(
        () => [],
        (f) => f.sessions,
      ),
    ),
  )

/** Records a start: the first one where the run is not continued. How an earlier start ended is no longer said. */
export const recordStart =
  (folder: string, continued: boolean, name: string, device: Device): TaskEither<Fault, void> =>
  async () => {
    const known = continued ? await sessionsIn(folder)() : E.right([])
    if (E.isLeft(known)) return known
    const session = await sessionOf(name, device)()
    if (E.isLeft(session)) return session
    const text = `${JSON.stringify({ sessions: [...known.right, session.right] }, null, 2)}\n`
    const written = await writeText(fileIn(folder), text)()
    return E.isLeft(written)
      ? written
      : guarded(
          'io',
          summaryIn(folder),
        )(async () => {
          await rm(summaryIn(folder), { force: true })
          return E.right(undefined)
        })()
  }
