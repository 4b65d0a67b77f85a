/**
 * `metrics.jsonl`: one JSON object a step. Appended as the run goes; a resumed run first drops what a crash left beyond
 * the step from which it continues, so that every step stands there once.
 */

import { open, readFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { codeOf, fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { guarded, writeText } from '../../../data/formats/file.ts'

/** What is recorded of a step. A number that is not finite is written as null, since JSON has none. */
export interface StepRecord {
  readonly step: number
  readonly [name: string]: number | string | boolean
}

/** An open file of metrics. */
export interface Metrics {
  readonly append: (record: StepRecord) => TaskEither<Fault, void>
  /** Forces what was written to the disk. */
  readonly settle: TaskEither<Fault, void>
  /** Forces what was written to the disk and closes the file. */
  readonly close: TaskEither<Fault, void>
}

/** The line of a record, with its newline. */
export const metricsLine = (record: StepRecord): string => `${JSON.stringify(record)}\n`

const stepOf = (line: string): number | undefined => {
  try {
    const u: unknown = JSON.parse(line)
    return typeof u === 'object' && u !== null && 'step' in u && typeof u.step === 'number' ? u.step : undefined
  } catch {
    return undefined
  }
}

/** The whole lines of steps up to and including `last`: a torn last line and steps beyond go. */
export const keepUpTo =
  (last: number) =>
  (text: string): string =>
    text
      .split('\n')
      .slice(0, -1)
      .filter((line) => {
        const step = stepOf(line)
        return step !== undefined && step <= last
      })
      .map((line) => `${line}\n`)
      .join('')

const readIfThere = (path: string): TaskEither<Fault, string> =>
  guarded(
    'io',
    path,
  )(async () => {
    try {
      return E.right(await readFile(path, 'utf8'))
    } catch (e) {
      if (codeOf(e) === 'ENOENT') return E.right('')
      throw e
    }
  })

const over = (path: string, handle: FileHandle): Metrics => ({
  append: (record) =>
    Number.isFinite(record.step)
      ? guarded(
          'io',
          path,
        )(async () => {
          await handle.appendFile(metricsLine(record))
          return E.right(undefined)
        })
      : TE.left(fault('io', { place: path, found: `step ${record.step}`, allowed: 'a finite step', remedy: 'number the steps' })),
  settle: guarded(
    'io',
    path,
  )(async () => {
    await handle.sync()
    return E.right(undefined)
  }),
  close: guarded(
    'io',
    path,
  )(async () => {
    await handle.sync()
    await handle.close()
    return E.right(undefined)
  }),
})

/**
 * Opens a file of metrics to append to. With `resumeAt`, the steps up to it are kept and all others dropped, atomically;
 * without, the file begins empty. Faults: what the system refuses.
 */
export const openMetrics = (path: string, resumeAt?: number): TaskEither<Fault, Metrics> =>
  pipe(
    resumeAt === undefined ? TE.right('') : pipe(readIfThere(path), TE.map(keepUpTo(resumeAt))),
    TE.chain((text) => writeText(path, text)),
    TE.chain(() => guarded('io', path)(async () => E.right(over(path, await open(path, 'a'))))),
  )
