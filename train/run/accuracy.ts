/** How good the features of a run are: on which images, when, and of which networks. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { isResident, leavesOfGraph, value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import type { TrainingSplit } from '../../data/loading/training.ts'
import { labelled } from '../../data/readers/split.ts'
import type { Split } from '../../data/readers/split.ts'
import { plainFeatures, plainRoot } from './assembly.ts'
import type { AccuracyOf } from './experiment.ts'
import type { Judged, Numbers } from './judge.ts'
import { knnName, percent } from './log/numbers.ts'
import type { Open, Traced } from './opened.ts'
import type { Start } from './resumption.ts'

export const isLabelled = (split: Split): boolean => split.train.classes.length > 1 && split.train.length > 0 && split.test.length > 0

/** The labelled part of data, and what is said where that is not all. */
export const judgedOf = (data: TrainingSplit, say: (text: string) => void): Either<Fault, TrainingSplit> =>
  pipe(
    E.Do,
    E.apS('train', labelled(data.train)),
    E.apS('test', labelled(data.test)),
    E.map(({ train, test }): TrainingSplit => {
      const [left, all] = [data.train.length + data.test.length - train.length - test.length, data.train.length + data.test.length]
      if (data.train.classes.length > 1 && left > 0)
        say(`note: ${left} of ${all} images have no label: they are trained on like all others, and left out of the evaluation`)
      return { ...data, train, test }
    }),
  )

/** Images of the test part that are shown when a run has ended. */
const pictured = 8

/** What evaluation and pictures need is read before anything is trained. Fault: the first image that cannot be read. */
export const readyToJudge = async ({ data, judged }: Open): Promise<Either<Fault, void>> => {
  // labelled images are all read for the first evaluation
  if (isLabelled(judged) || data.loading?.onError === 'skip') return E.right(undefined)
  for (let i = 0; i < Math.min(pictured, data.test.length); i++) {
    const item = await data.test.item(i)()
    if (E.isLeft(item)) return item
  }
  return E.right(undefined)
}

/** Evenly spread over the run, its last step included. */
export const evaluationSteps = (steps: number, during: number): ReadonlySet<number> =>
  new Set(Array.from({ length: during + 1 }, (_, i) => Math.round((steps * (i + 1)) / (during + 1))))

/** k-NN of plain networks' values, which are written beside those of the run, each of another kind under a root of its own. */
export const accuracyOn =
  ({ options: { judge }, run, judged: data, device, assembled: a }: Traced): AccuracyOf =>
  (name, network, backbone) =>
  async () => {
    if (!isLabelled(data)) return E.right({})
    const root = backbone === undefined ? plainRoot : `${plainRoot}_${name}`
    const program = backbone === undefined ? E.right(a.plain) : plainFeatures(backbone, a.plain.crops, root)
    if (E.isLeft(program)) return program
    const graph = trace('plain', [value('cls', program.right.cls)])
    if (E.isLeft(graph)) return graph
    for (const l of leavesOfGraph(graph.right).filter(isResident)) {
      const written = await device.write(l.path, l.type, network.get(l.path.slice(root.length + 1)) ?? new Float32Array())()
      if (E.isLeft(written)) return written
    }
    const accuracy = await judge.accuracy(device, program.right, data, run.settings.evaluation)()
    return E.isLeft(accuracy) ? accuracy : E.map(({ accuracy: a }: Judged): Numbers => ({ [name]: a }))(await accuracy.right())
  }

/** k-NN of the untrained network and of the pixels; a run that is continued remembers it. */
export const evaluatedBefore = async (
  { options: { judge, progress, out }, run, judged: data, device }: Open,
  start: Pick<Start, 'step' | 'position'>,
  accuracy: TaskEither<Fault, Judged>,
): Promise<Either<Fault, Numbers>> => {
  if (!isLabelled(data) || start.step > 0 || !run.settings.evaluation.before) return E.right(start.position.before)
  const before = await accuracy()
  if (E.isLeft(before)) return before
  const noted =
    (device.share?.rank ?? 0) > 0 ? E.right(undefined) : await judge.before({ out, data, seed: run.settings.seed, ...before.right })()
  if (E.isLeft(noted)) return noted
  // what the first rank says is said of all, and pixels are compared by one; those of images of several sizes cannot be
  const pixels = (device.share?.rank ?? 0) > 0 ? undefined : await judge.pixels(device, data, run.settings.evaluation)()
  const known: Numbers = pixels === undefined || E.isLeft(pixels) ? {} : { knn_pixels: pixels.right }
  progress.say(
    `before training: ${knnName(run.settings.evaluation.k)} ${percent(before.right.accuracy)}${'knn_pixels' in known ? ` (raw pixels ${percent(known['knn_pixels'])})` : ''}`,
  )
  return E.right({ knn_before: before.right.accuracy, ...known })
}
