/** `report.html`: everything that can be said of a run, on one page. */
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { writeText } from '../../../data/formats/file.ts'
import { page, writtenNow } from './page.ts'
import { readRecord } from './record.ts'
import type { Section } from './sections.ts'
import { curveSection, runSections } from './sections.ts'

/** The page of the run in a folder, as a file. `seen` is what its network showed. Faults: no run there. */
export const pageOf = (folder: string, seen: ReadonlyArray<Section>): TaskEither<Fault, string> =>
  pipe(
    readRecord(folder),
    TE.bindTo('record'),
    TE.bind('curves', ({ record }) => curveSection(record)),
    TE.map(({ record, curves }) => page(record, [...curves, ...seen, ...runSections(record)], writtenNow())),
  )

/**
 * Writes the page of the run in a folder; gives its path. Faults: those of `pageOf`; what the system refuses.
 */
export const writeReport = (folder: string, seen: ReadonlyArray<Section>): TaskEither<Fault, string> => {
  const path = join(folder, 'report.html')
  return pipe(
    pageOf(folder, seen),
    TE.chain((text) => writeText(path, text)),
    TE.map(() => path),
  )
}
