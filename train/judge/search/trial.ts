/** One run of a search: trained on a part of the training images, judged on the rest of them, with nothing left behind. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import { labelledItems } from '../../../data/readers/groups.ts'
import { splitByLabel } from '../../../data/readers/split.ts'
import type { Choice } from '../../config/layers.ts'
import type { Resolved } from '../../run/experiment.ts'
import { silentTerminal, startProgress } from '../../run/log/progress.ts'
import { runExperiment } from '../../run/run.ts'
import { judge } from '../judge.ts'

/** What came of a run. */
export interface Trial {
  /** k-NN of images that it was not trained on, in 0..1. */
  readonly score: number
  readonly loss: number
  readonly seconds: number
  /** Of one step, once it goes; 0 where there was only one. */
  readonly stepSeconds: number
}

const unlabelled = (name: string): Fault =>
  fault('usage', {
    place: name,
    found: 'images without labels',
    allowed: 'labelled images, by which k-NN judges a run',
    remedy: 'search on a labelled part, or on images like these that have labels; training itself needs none',
  })

/** Share of each class of the training images that judges. */
const heldOut = 0.2

/** A run that never sees the test images of its data: what judges it is cut from those that it would train on. */
export const withoutTest = (run: Resolved): Resolved => ({
  ...run,
  data: (say) =>
    pipe(
      run.data(say),
      TE.chainEitherK((all) =>
        pipe(
          all.train,
          E.fromPredicate(
            (d) => labelledItems(d).length > 0,
            (d) => unlabelled(d.name),
          ),
          E.chain(splitByLabel(heldOut)),
          E.map(({ train, test }) => ({ ...all, train, test })),
        ),
      ),
    ),
})

/** The settings of a search's runs: nothing is judged, shown or saved on the way. */
export const bare: Choice = {
  'evaluation.before': false,
  'evaluation.during': 0,
  'evaluation.report': false,
  'runtime.tensorboard': false,
}

/** k-NN at the end alone. */
const brief = {
  ...judge,
  begun: () => TE.right(undefined),
  finished: ({ metrics }: Parameters<typeof judge.finished>[0]) => TE.right(metrics),
}

const within = async (folder: string, run: Resolved, stopping: () => boolean): Promise<Either<Fault, Trial | undefined>> => {
  await mkdir(join(folder, 'checkpoints'))
  const began = performance.now()
  const progress = startProgress({ terminal: silentTerminal })
  const ended = await runExperiment(withoutTest(run), { name: run.name, out: folder, resume: false, judge: brief, progress, stopping })()
  const seconds = (performance.now() - began) / 1000
  if (E.isLeft(ended)) return ended
  const { stopped, metrics, loss, images_per_s: rate } = ended.right
  if (stopped) return E.right(undefined)
  const score = metrics['knn_after']
  return score === undefined
    ? E.left(unlabelled(run.name))
    : E.right({ score, loss, seconds, stepSeconds: rate > 0 ? run.settings.batch / rate : 0 })
}

/** Runs it in a folder of its own that is removed. Nothing: `stopping` said so before it ended. Faults: those of training; no labels. */
export const trial =
  (run: Resolved, stopping: () => boolean): TaskEither<Fault, Trial | undefined> =>
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dinograph-search-'))
    try {
      return await within(folder, run, stopping)
    } catch (e) {
      return E.left(
        fault('io', {
          place: folder,
          found: messageOf(e),
          allowed: 'a folder for a run',
          remedy: 'check the room and the permissions there',
        }),
      )
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
