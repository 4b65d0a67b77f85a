/** What the network of a run shows: attention, neighbours, a map, evaluations. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../../compiler/target.ts'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import type { Split } from '../../../data/readers/split.ts'
import { substituting } from '../../../data/readers/result.ts'
import type { EvaluationOptions } from '../evaluate/evaluation.ts'
import type { EvaluationName } from '../evaluate/evaluations.ts'
import type { Frozen } from '../evaluate/network.ts'
import { placeFrozen } from '../evaluate/network.ts'
import { logisticDefaults } from '../evaluate/logistic.ts'
import type { Rows } from '../evaluate/neighbours.ts'
import { officialRates } from '../evaluate/probe.ts'
import type { Progress } from '../../run/log/progress.ts'
import { readBeginning } from './beginning.ts'
import { evaluationSection } from './evaluation.ts'
import type { Eye } from '../interpret/eye.ts'
import { costOf, openEye } from '../interpret/eye.ts'
import { gallerySection } from './gallery.ts'
import { html, typed } from './html.ts'
import { mapSection, neighbourSection } from './neighbourhood.ts'
import type { Sample, Sizes } from './sample.ts'
import { mostShown, sampleOf } from './sample.ts'
import type { Section } from './sections.ts'

export interface Looking {
  /** The run's folder. */
  readonly folder: string
  /** The network that is looked at. */
  readonly network: TaskEither<Fault, Frozen>
  readonly device: Device
  readonly split: Split
  readonly seed: number
  readonly progress: Progress
  readonly evaluations: ReadonlyArray<EvaluationName>
  /** Whether evaluations take all images and the official grids, however long that takes. */
  readonly whole: boolean
}

/** Multiply-adds that class tokens may cost: seconds on a few cores. */
const affordable = 2e11

/** As many images as are affordable, within what a page can show and what numbers need at least. */
const sizesFor = (cost: number): Sizes => {
  const n = Math.max(48, Math.min(500, Math.floor(affordable / cost / 3)))
  return { shown: Math.min(mostShown, n), test: n, train: 2 * n }
}

/** Fewer images say nothing of a classifier. */
const leastTested = 100

/** Seconds, not minutes, on a sample. */
const quick: EvaluationOptions = {
  knn: { k: [10, 20, 100, 200], temperature: 0.07, votes: 'v1', leaveOneOut: false },
  probe: { rates: officialRates, batch: 128, steps: 500, seed: 0 },
  logistic: { ...logisticDefaults, cs: [0.01, 0.1, 1, 10, 100, 1000], iterations: 200 },
}

const thorough: EvaluationOptions = { ...quick, probe: { ...quick.probe, steps: 2500 }, logistic: logisticDefaults }

/** Where a network lies on the device while the report looks at it. */
export const reportRoot = 'report'

const firstRows =
  (n: number) =>
  ({ data, dim }: Rows): Rows => ({ data: data.subarray(0, n * dim), dim })

interface Ready {
  readonly frozen: Frozen
  readonly eye: Eye
  readonly sample: Sample
}

/** Class tokens of the parts of a sample, each computed when it is asked for first. */
const tokensOf = ({ eye }: Ready): ((d: Dataset) => TaskEither<Fault, Rows>) => {
  const known = new Map<Dataset, Rows>()
  return (d) => {
    const rows = known.get(d)
    return rows !== undefined
      ? TE.right(rows)
      : pipe(
          eye.rows(d),
          TE.map((r) => {
            known.set(d, r)
            return r
          }),
        )
  }
}

const evaluated = (o: Looking, r: Ready, tokens: (d: Dataset) => TaskEither<Fault, Rows>): TaskEither<Fault, ReadonlyArray<Section>> => {
  const labelled = o.split.train.classes.length > 1 && (o.whole ? o.split : r.sample).test.length > 0
  if (!labelled || o.evaluations.length === 0) return TE.right([])
  if (!o.whole && r.sample.test.length < Math.min(leastTested, o.split.test.length))
    return TE.right([
      {
        id: 'evaluations',
        title: 'Evaluations of frozen features',
        body: html`<p class="note">
          A sample that is affordable at the end of a run would be too small for this network:
          ${typed(`${commandLine('report')} --run DIR --whole`)} evaluates on all images.
        </p>`,
      },
    ])
  const common = { device: o.device, frozen: r.frozen, root: reportRoot, progress: o.progress }
  return evaluationSection(
    o.whole ? { ...common, parts: o.split, options: thorough } : { ...common, parts: r.sample, options: quick, classTokens: tokens },
    o.evaluations,
    o.whole,
  )
}

/** Sections of what a network shows on images. Faults: those of reading it; images of other channels. */
export const networkSections = (o: Looking): TaskEither<Fault, ReadonlyArray<Section>> => {
  const missing = new Set<string>()
  const readable = substituting((f) => {
    missing.add(f.place)
  })
  const split: Split = { train: readable(o.split.train), test: o.split.test.length === 0 ? o.split.test : readable(o.split.test) }
  return pipe(
    o.network,
    TE.bindTo('frozen'),
    TE.chainFirst(({ frozen }) => placeFrozen(o.device, reportRoot, frozen)),
    TE.bind('sample', ({ frozen }) =>
      TE.fromEither(
        pipe(
          costOf(frozen),
          E.chain((cost): Either<Fault, Sample> => sampleOf(split, sizesFor(cost), o.seed)),
        ),
      ),
    ),
    TE.bind('eye', ({ frozen }) => openEye(o.device, frozen, reportRoot)),
    TE.chain((ready) => {
      const { sample, eye, frozen } = ready
      const tokens = tokensOf(ready)
      return pipe(
        TE.Do,
        TE.bind('gallery', () => gallerySection(eye, sample)),
        TE.bind('rows', () => pipe(tokens(sample[sample.of]), TE.map(firstRows(sample.shown.length)))),
        TE.bind('before', () => TE.fromTask(readBeginning(o.folder, split, sample))),
        TE.bind('neighbours', ({ rows, before }) => neighbourSection(eye, sample.shown, rows, before)),
        TE.bind('map', ({ rows }) => mapSection(sample.shown, rows, o.seed)),
        TE.bind('numbers', () => evaluated(o, ready, tokens)),
        TE.map(({ gallery, neighbours, map, numbers }): ReadonlyArray<Section> => [
          ...numbers,
          ...gallery,
          ...neighbours,
          ...map,
          {
            id: 'network',
            title: 'The network that was looked at',
            body: html`<p class="note">
              ${[`${frozen.width} wide, ${frozen.heads} heads, patches of ${frozen.patch} pixels, ${frozen.channels} channel${frozen.channels === 1 ? '' : 's'}`, ...frozen.notes, ...(missing.size === 0 ? [] : [`${missing.size} images could not be read and were left out`])].join('; ')}.
            </p>`,
          },
        ]),
      )
    }),
  )
}
