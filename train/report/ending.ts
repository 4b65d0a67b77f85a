/** The report of a run that has just ended. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { showFault } from '../../core/fault.ts'
import type { Progress } from '../log/progress.ts'
import type { Summary } from './record.ts'
import { recordSummary } from './record.ts'
import { writeReport } from './report.ts'
import type { Section } from './sections.ts'

type Numbers = Readonly<Record<string, number>>

/**
 * Writes `summary.json` and `report.html`, and gives the numbers as they are. The run itself is saved by now: where its page cannot be
 * written, that is told, with the command that does it later, and the run has succeeded all the same.
 */
export const reportEnding = (o: { readonly out: string; readonly progress: Progress }, ending: Summary['ending'], metrics: Numbers, seen: ReadonlyArray<Section>): TaskEither<Fault, Numbers> => async () => {
  const written = await pipe(recordSummary(o.out, { ending, metrics }), TE.chain(() => writeReport(o.out, seen)))()
  o.progress.say(E.isRight(written) ? `report: ${written.right}` : `${showFault(written.left)}\nno ${join(o.out, 'report.html')} was written; for another try: npm run report -- --run ${o.out}`)
  return E.right(metrics)
}
