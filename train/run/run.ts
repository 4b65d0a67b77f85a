/** A whole run of an experiment: open, initialise or resume, evaluate, train, evaluate, close. */
import { performance } from 'node:perf_hooks'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import { last } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { stringify } from 'yaml'
import type { Device, Executable } from '../../compiler/target.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { isResident, leavesOfGraph, value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import { sideFor } from '../../data/augment/canvas.ts'
import type { Split } from '../../data/readers/dataset.ts'
import { writeFile } from '../../data/formats/file.ts'
import { ahead, openLoader } from '../../data/loading/loader.ts'
import { substituting } from '../../data/readers/result.ts'
import type { TrainingSplit } from '../../data/loading/training.ts'
import type { Start } from './resumption.ts'
import { checkBegun, startOf } from './resumption.ts'
import { close, closings } from './finish.ts'
import { merged } from '../config/section.ts'
import { extractor, knnAccuracy, pixelRows } from '../judge/evaluate/features.ts'
import type { Assembled, AssembledPhase, Imagery, Judge, Resolved } from './experiment.ts'
import { plainRoot } from './experiment.ts'
import { readValues, writeResidents } from './state.ts'
import { openLogs } from './log/logs.ts'
import type { Progress } from './log/progress.ts'
import type { RunningPhase } from './loop.ts'
import { loop } from './loop.ts'
import type { Accelerator } from '../config/common.ts'
import { previewSheet } from './preview.ts'
import { reportStopped } from '../judge/report/ending.ts'
import { recordStart } from './environment.ts'
import type { Program } from '../step/step.ts'
import { percent } from './log/numbers.ts'

export interface RunOptions {
  readonly name: string
  readonly out: string
  readonly resume: boolean
  /** Where to write a contact sheet of the first crops before training. */
  readonly preview?: string
  readonly progress: Progress
  readonly stopping: () => boolean
  /** Default: the target that the settings name. */
  readonly device?: TaskEither<Fault, Device>
}

/** What is left of a run: the final line of every example. */
export interface Report {
  readonly steps: number
  readonly loss: number
  readonly metrics: Readonly<Record<string, number>>
  readonly images_per_s: number
  readonly target: string
  readonly out: string
  readonly stopped: boolean
}

/** Images that are looked at to choose a canvas. */
const looked = 64

/** Channels, and the side of canvases that the first images fit. */
const imageryOf = ({ train, loading, normalisation }: TrainingSplit): TaskEither<Fault, Imagery> => {
  const d = loading?.onError === 'skip' ? substituting(() => undefined)(train) : train
  return pipe(
    Array.from({ length: Math.min(looked, d.length) }, (_, i) => d.item(i)),
    TE.sequenceSeqArray,
    TE.chainEitherK((items): Either<Fault, Imagery> =>
      items.length === 0
        ? E.left(fault('data', { place: d.name, found: 'an empty data set', allowed: 'at least one image', remedy: 'check the path given to --data' }))
        : E.right({ channels: d.channels, side: sideFor(items.map((x) => x.image)), ...(normalisation === undefined ? {} : { normalisation }) })),
  )
}

const isLabelled = (split: Split): boolean => split.train.classes.length > 1 && split.test.length > 0

/** Evenly spread over the run, its last step included. */
const evaluationSteps = (steps: number, during: number): ReadonlySet<number> =>
  new Set(Array.from({ length: during + 1 }, (_, i) => Math.round((steps * (i + 1)) / (during + 1))))

/** k-NN of plain networks' values, which are written beside those of the run, each of another kind under a root of its own. */
const judging = (device: Device, a: Assembled, r: Resolved, split: TrainingSplit): Judge => (name, network, backbone) => {
  const root = backbone === undefined ? plainRoot : `${plainRoot}_${name}`
  return !isLabelled(split) ? TE.right({}) : pipe(
    TE.fromEither(backbone === undefined ? E.right(a.plain) : backbone.features(a.plain.crops, root)),
    TE.bindTo('program'),
    TE.bind('graph', ({ program }) => TE.fromEither(trace('plain', [value('cls', program.cls)]))),
    TE.chainFirst(({ graph }) => pipe(
      leavesOfGraph(graph).filter(isResident),
      TE.traverseSeqArray((l) => device.write(l.path, l.type, network.get(l.path.slice(root.length + 1)) ?? new Float32Array())),
    )),
    TE.chain(({ program }) => extractor(device, program, program.cls, split.loading)),
    TE.chain((eye) => knnAccuracy(r.settings.evaluation, split.train, split.test)(eye.rows)),
    TE.map((accuracy) => ({ [name]: accuracy })),
  )
}

/** k-NN of the untrained network and of the pixels; a run that is continued remembers it. */
const evaluatedBefore = (o: RunOptions, r: Resolved, split: Split, start: Omit<Start, 'values'>, accuracy: TaskEither<Fault, number>): TaskEither<Fault, Readonly<Record<string, number>>> => {
  if (!isLabelled(split) || start.step > 0) return TE.right(start.position.before)
  return pipe(
    TE.Do,
    TE.bind('knn_pixels', () => pipe(knnAccuracy(r.settings.evaluation, split.train, split.test)(pixelRows), TE.orElse(() => TE.right(NaN)))),
    TE.bind('knn_before', () => accuracy),
    TE.map(({ knn_pixels, knn_before }) => {
      // pixels of images of several sizes cannot be compared
      const pixels = Number.isFinite(knn_pixels)
      o.progress.say(`before training: k-NN ${percent(knn_before)}${pixels ? ` (raw pixels ${percent(knn_pixels)})` : ''}`)
      return { knn_before, ...(pixels ? { knn_pixels } : {}) }
    }),
  )
}

/** `config.yaml`: everything decided, the target too, so that the file alone gives the run again. */
const writeConfig = (o: RunOptions, r: Resolved, device: Device): TaskEither<Fault, void> => {
  const decided = merged(r.config, { accelerator: { target: device.name } })
  const head = '# The whole configuration of this run. With --config it gives the same run again; --resume reads it by itself.\n'
  return writeFile('io', join(o.out, 'config.yaml'))([() => new TextEncoder().encode(`${head}${stringify(decided)}`)])
}

/** Compiles the programs of all phases, so that what cannot run is known before anything is trained. */
const running = (o: RunOptions, r: Resolved, split: TrainingSplit, device: Device, a: Assembled, side: number): TaskEither<Fault, ReadonlyNonEmptyArray<RunningPhase>> => {
  const compiled = new Map<Program, Executable>()
  const { seed, evaluation } = r.settings
  const compile = (phase: AssembledPhase) => (p: Program): TaskEither<Fault, Executable> => {
    const known = compiled.get(p)
    if (known !== undefined) return TE.right(known)
    const what = `the training step${a.phases.length === 1 ? '' : ` of ${phase.name}`}${phase.turns.length === 1 ? '' : p === last(phase.turns) ? ', which applies gradients' : ', which accumulates gradients'}`
    return pipe(
      device.compile(p.graph, { progress: ({ done, total, unit }) => { if (done === total) o.progress.say(`compiled ${total} ${unit} of ${what}`) } }),
      TE.map((executable) => { compiled.set(p, executable); return executable }),
    )
  }
  return pipe(
    a.phases,
    TE.traverseReadonlyNonEmptyArrayWithIndexSeq((n, phase: AssembledPhase) => pipe(
      TE.Do,
      TE.bind('loader', () => openLoader(split.train, { ...split.loading, seed, batch: phase.batch, side, crops: phase.crops })),
      TE.chainFirst((known) => (n > 0 || o.preview === undefined ? TE.right(undefined) : pipe(
        previewSheet(device, phase.crops, known.loader, seed, o.preview),
        TE.map(() => { o.progress.say(`what the network sees: ${o.preview ?? ''}`) }),
      ))),
      TE.bind('turns', () => pipe(phase.turns, TE.traverseSeqArray(compile(phase)))),
      TE.bind('eye', () => extractor(device, phase.features, phase.features.cls, split.loading)),
      TE.map(({ loader: batches, turns, eye }): RunningPhase => ({ turns, loader: ahead(split.loading?.prefetch ?? 2)(batches), accuracy: knnAccuracy(evaluation, split.train, split.test)(eye.rows) })),
    )),
  )
}

const onDevice = (o: RunOptions, opening: TaskEither<Fault, Device>, r: Resolved, split: TrainingSplit, device: Device): TaskEither<Fault, Report> => {
  const s = r.settings
  const say = o.progress.say
  const surroundings = { out: o.out, device: opening, progress: o.progress, resume: o.resume }
  return pipe(
    TE.Do,
    TE.bind('images', () => imageryOf(split)),
    TE.bind('assembled', ({ images }) => TE.fromEither(r.assemble(images, device.planned))),
    TE.bind('start', ({ assembled }) => pipe(
      startOf(surroundings, assembled, r),
      TE.chainFirst(() => writeConfig(o, r, device)),
      TE.chainFirst(() => recordStart(o.out, o.resume, o.name, device)),
      // once they are on the device, the host holds them no more
      TE.chain(({ values, ...begun }) => pipe(writeResidents(device, assembled.residents)(values), TE.map(() => begun))),
    )),
    TE.chainFirst(({ assembled }) => { for (const note of new Set(assembled.phases.flatMap((p) => p.crops.notes))) say(`augmentation: ${note}`); return TE.right(undefined) }),
    TE.bind('phases', ({ assembled, images }) => running(o, r, split, device, assembled, images.side)),
    TE.bind('logs', ({ start }) => openLogs({ out: o.out, name: o.name, config: r.config, runtime: s.runtime, resumeAt: o.resume ? start.step : undefined, say })),
    TE.bind('before', ({ phases: [{ accuracy }], start }) => evaluatedBefore(o, r, split, start, accuracy)),
    TE.bind('ended', ({ assembled, phases, start, logs, before }) => loop({
      device, assembled, running: phases, settings: s, config: r.config, from: start.step, position: { ...start.position, before }, logs, progress: o.progress,
      dir: join(o.out, 'checkpoints'),
      evaluateAfter: isLabelled(split) ? evaluationSteps(s.steps, s.evaluation.during) : new Set(),
      between: r.between({ device, assembled, say }),
      stopping: o.stopping,
      clock: () => performance.now() / 1000,
    })),
    TE.chainFirst(({ phases }) => {
      const skipped = new Set(phases.flatMap((p) => p.loader.skipped().map((f) => f.place)))
      if (skipped.size > 0) say(`${skipped.size} image${skipped.size === 1 ? '' : 's'} could not be read and ${skipped.size === 1 ? 'was' : 'were'} left out`)
      for (const p of phases) p.loader.close()
      return TE.right(undefined)
    }),
    TE.bind('after', ({ ended, phases }): TaskEither<Fault, Readonly<Record<string, number>>> =>
      ended.stopped || !isLabelled(split) ? TE.right({}) : pipe(last(phases).accuracy, TE.map((knn_after) => ({ knn_after })))),
    TE.bind('metrics', ({ ended, images, assembled, before, after }): TaskEither<Fault, Readonly<Record<string, number>>> => {
      const metrics = { ...Object.fromEntries([...ended.values].filter(([n]) => n !== 'loss')), ...before, ...after }
      return ended.stopped ? reportStopped(o, metrics) : pipe(
        readValues(device, assembled.residents),
        TE.chain((state) => close(closings)({ ...surroundings, name: o.name, run: r, split, open: device, assembled, state, metrics, accuracyOf: judging(device, assembled, r, split), images })),
      )
    }),
    TE.chainFirst(({ logs, ended }) => logs.close(ended.stopped ? 'stopped' : 'finished')),
    TE.map(({ ended, metrics }): Report => ({
      steps: ended.step, loss: ended.values.get('loss') ?? NaN, metrics, images_per_s: ended.imagesPerSecond, target: device.name, out: o.out, stopped: ended.stopped,
    })),
  )
}

const opened = (a: Accelerator): TaskEither<Fault, Device> => openTarget(a.target, a.threads === 0 ? {} : { threads: a.threads })

/** Runs an experiment from its resolved settings; the device is closed whatever happens. */
export const runExperiment = (r: Resolved, o: RunOptions): TaskEither<Fault, Report> => {
  const opening = o.device ?? opened(r.settings.accelerator)
  return pipe(
    checkBegun(o.out, o.resume),
    TE.chain(() => r.data(o.progress.say)),
    TE.chain((split) => pipe(
      opening,
      TE.chain((device) => {
        o.progress.say(`${o.name} on ${device.name}: ${device.description}`)
        return async () => {
          const result = await onDevice(o, opening, r, split, device)()
          device.close()
          return result
        }
      }),
    )),
  )
}
