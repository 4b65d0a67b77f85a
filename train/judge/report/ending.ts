/** The report of a run that has just ended. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../../compiler/target.ts'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { showFault } from '../../../core/fault.ts'
import type { Split } from '../../../data/readers/split.ts'
import type { RunEnding } from '../../run/ending.ts'
import type { BestCheckpoint } from '../../run/judge.ts'
import type { Progress } from '../../run/log/progress.ts'
import type { AnyBackbone } from '../../step/method.ts'
import type { Frozen } from '../evaluate/network.ts'
import { readFrozen } from '../evaluate/network.ts'
import { readOwn } from '../evaluate/own.ts'
import { html, typed } from './html.ts'
import { networkSections } from './network.ts'
import type { Summary } from './record.ts'
import { recordSummary } from './record.ts'
import { writeReport } from './report.ts'
import type { Section } from './sections.ts'

type Numbers = Readonly<Record<string, number>>

/** What a network shows, or why it cannot be looked at. */
const orWhy = (seen: TaskEither<Fault, ReadonlyArray<Section>>, say: (text: string) => void): TaskEither<Fault, ReadonlyArray<Section>> =>
  pipe(
    seen,
    TE.orElse((f) => {
      say(`note: no pictures in the report: ${f.found}`)
      return TE.right<Fault, ReadonlyArray<Section>>([
        {
          id: 'network',
          title: 'No pictures',
          body: html`<p class="note">The network could not be looked at.</p>
            <pre>${showFault(f)}</pre>`,
        },
      ])
    }),
  )

const summaryOf = (ending: Summary['ending'], metrics: Numbers, best: BestCheckpoint | undefined): Summary => ({
  ending,
  metrics,
  ...(best === undefined ? {} : { best }),
})

/**
 * Writes `summary.json` and `report.html`, and gives the numbers with those that its pictures give. The run itself is saved by now:
 * where its page cannot be written, that is reported, with the command that does it later, and the run has succeeded all the same.
 */
const reportEnding =
  (
    o: Pick<Ended, 'out' | 'progress' | 'best'>,
    ending: Summary['ending'],
    metrics: Numbers,
    seen: TaskEither<Fault, ReadonlyArray<Section>>,
  ): TaskEither<Fault, Numbers> =>
  async () => {
    let all = metrics
    const written = await pipe(
      recordSummary(o.out, summaryOf(ending, metrics, o.best)),
      TE.chain(() => orWhy(seen, o.progress.say)),
      TE.chainFirst((sections) => {
        const found = sections.flatMap((s) => (s.found === undefined ? [] : [s.found]))
        for (const f of found) o.progress.say(f.text)
        all = found.reduce<Numbers>((numbers, f) => ({ ...numbers, ...f.metrics }), metrics)
        return found.length === 0 ? TE.right(undefined) : recordSummary(o.out, summaryOf(ending, all, o.best))
      }),
      TE.chain((sections) => writeReport(o.out, sections)),
    )()
    o.progress.say(
      E.isRight(written)
        ? `report: ${written.right}`
        : `note: ${showFault(written.left)}\nno ${join(o.out, 'report.html')} was written; for another try: ${commandLine('report')} --run ${o.out}`,
    )
    return E.right(all)
  }

/** The same without a page. */
const recordEnding = (
  { out, best }: Pick<Ended, 'out' | 'best'>,
  ending: Summary['ending'],
  metrics: Numbers,
): TaskEither<Fault, Numbers> =>
  pipe(
    recordSummary(out, summaryOf(ending, metrics, best)),
    TE.map(() => metrics),
  )

/** A run that was stopped is not kept waiting for pictures. */
export const reportStopped = (o: Pick<Ended, 'out' | 'progress' | 'best' | 'run'>, metrics: Numbers): TaskEither<Fault, Numbers> => {
  if (!o.run.settings.evaluation.report) return recordEnding(o, 'stopped', metrics)
  return reportEnding(
    o,
    'stopped',
    metrics,
    TE.right([
      {
        id: 'network',
        title: 'Pictures',
        body: html`<p class="note">
          The run was stopped. To see what its network has learned so far: ${typed(`${commandLine('report')} --run ${o.out}`)}
        </p>`,
      },
    ]),
  )
}

/** The same progress without what is said on the way. */
const quiet = (p: Progress): Progress => ({ ...p, say: () => undefined, tick: () => undefined, end: () => undefined })

/** A run that has come to its end, its last checkpoint written. */
export interface Ended {
  readonly out: string
  readonly open: Device
  readonly split: Split
  readonly progress: Progress
  readonly run: { readonly settings: { readonly seed: number; readonly evaluation: { readonly report: boolean } } }
  readonly assembled: { readonly method: { readonly evaluated: AnyBackbone } }
  readonly metrics: Numbers
  readonly ending: RunEnding
  readonly best: BestCheckpoint | undefined
}

/** What the run wrote, as any command reads it; a backbone that no other program computes is the run's own. */
const networkOf = ({ out, assembled: { method } }: Ended): TaskEither<Fault, Frozen> =>
  O.isSome(method.evaluated.vit) ? readFrozen(out) : readOwn(out, () => E.right(method.evaluated), {})

export const reportFinished = (f: Ended): TaskEither<Fault, Numbers> => {
  if (!f.run.settings.evaluation.report) return recordEnding(f, f.ending, f.metrics)
  return reportEnding(
    f,
    f.ending,
    f.metrics,
    networkSections({
      folder: f.out,
      network: networkOf(f),
      device: f.open,
      split: f.split,
      seed: f.run.settings.seed,
      progress: quiet(f.progress),
      evaluations: ['knn', 'medmnist'],
      whole: false,
    }),
  )
}
