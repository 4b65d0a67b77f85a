/** A whole run of an experiment: open, initialise or resume, evaluate, train, evaluate, draw. */
import { mkdir, readdir, rename } from 'node:fs/promises'
import { performance } from 'node:perf_hooks'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import { last } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { stringify } from 'yaml'
import type { Device, Executable } from '../compiler/target.ts'
import type { Fault } from '../core/fault.ts'
import { fault } from '../core/fault.ts'
import { isResident, leavesOfGraph, value } from '../core/graph.ts'
import { trace } from '../core/trace.ts'
import { sideFor } from '../data/canvas.ts'
import type { Dataset, Split } from '../data/dataset.ts'
import { guarded, writeFile } from '../data/file.ts'
import { ahead, loader } from '../data/loader.ts'
import type { Checkpoint } from './checkpoint.ts'
import { checkpointsIn, latest } from './checkpoints.ts'
import { extractor, knnAccuracy, pixelRows } from './evaluate/features.ts'
import type { Values } from '../models/merge.ts'
import type { Assembled, AssembledPhase, CommonSettings, FeatureProgram, Resolved } from './experiment.ts'
import { plainRoot } from './experiment.ts'
import { initialize, writeResidents } from './initialize.ts'
import { attentionSheet } from './interpret/sheet.ts'
import { openMetrics } from './log/metrics.ts'
import type { Progress } from './log/progress.ts'
import type { RunningPhase } from './loop.ts'
import { loop } from './loop.ts'
import { previewSheet } from './preview.ts'
import type { Settings } from './settings.ts'
import { readValues, stateValues } from './state.ts'
import type { Program } from './step.ts'
import { startAdapters } from './strategies/adapters.ts'

export interface RunOptions {
  readonly name: string
  readonly out: string
  readonly device: TaskEither<Fault, Device>
  readonly resume: boolean
  /** Where to write a contact sheet of the first crops before training. */
  readonly preview?: string
  readonly progress: Progress
  readonly stopping: () => boolean
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
const imageryOf = (d: Dataset): TaskEither<Fault, { readonly channels: number; readonly side: number }> =>
  pipe(
    Array.from({ length: Math.min(looked, d.length) }, (_, i) => d.item(i)),
    TE.sequenceSeqArray,
    TE.chainEitherK((items): Either<Fault, { channels: number; side: number }> =>
      items.length === 0
        ? E.left(fault('data', { place: d.name, found: 'an empty data set', allowed: 'at least one image', remedy: 'check the path given to --data' }))
        : E.right({ channels: d.channels, side: sideFor(items.map((x) => x.image)) })),
  )

interface Start {
  readonly step: number
  readonly values: ReadonlyMap<string, Float32Array>
}

/** The first setting that differs between a run's and those that it is to be resumed with; the number of steps may. */
const changedSetting = (was: unknown, now: Settings): string | undefined => {
  const before = typeof was === 'object' && was !== null ? new Map<string, unknown>(Object.entries(was)) : new Map<string, unknown>()
  return Object.keys(now).find((k) => k !== 'steps' && JSON.stringify(before.get(k)) !== JSON.stringify(now[k]))
}

/** A run may only be continued as it was begun. */
const checkResume = (o: RunOptions, s: CommonSettings, c: Checkpoint): Either<Fault, Checkpoint> => {
  const key = changedSetting(c.config, s)
  if (key !== undefined) return E.left(fault('checkpoint', {
    place: `${o.out}: ${key}`, found: JSON.stringify(s[key]), allowed: 'the settings of the run, of which only steps may change',
    remedy: `resume with the configuration that the run was started with: --config ${join(o.out, 'config.yaml')}`,
  }))
  return c.step < s.steps ? E.right(c) : E.left(fault('usage', {
    place: o.out, found: `a run at step ${c.step} of ${s.steps}`, allowed: 'a run that has steps left', remedy: 'give more --steps, or begin another run with --out',
  }))
}

/** Checkpoints of an earlier run in the same folder are moved aside: nothing is lost, and nothing is mixed up. */
const asideOld = (o: RunOptions): TaskEither<Fault, void> => {
  const dir = join(o.out, 'checkpoints')
  return pipe(
    checkpointsIn(dir),
    TE.chain((files) => (files.length === 0 ? TE.right(undefined) : guarded('io', dir)(async () => {
      const taken = await readdir(o.out)
      let n = 1
      while (taken.includes(`checkpoints.${n}`)) n++
      await rename(dir, join(o.out, `checkpoints.${n}`))
      await mkdir(dir)
      o.progress.say(`the checkpoints of an earlier run are now in ${join(o.out, `checkpoints.${n}`)}`)
      return E.right(undefined)
    }))),
  )
}

/** The initial values, or those of the newest whole checkpoint. */
const startOf = (o: RunOptions, a: Assembled, r: Resolved): TaskEither<Fault, Start> => {
  const dir = join(o.out, 'checkpoints')
  if (!o.resume) return pipe(
    asideOld(o),
    TE.chain(() => r.first(o)),
    TE.chainEitherK((given) => startAdapters(a.phases.flatMap((p) => p.turns[0].adapters))(new Map([...initialize(r.settings.seed)(a.residents), ...given]))),
    TE.map((values) => ({ step: 0, values })),
  )
  return pipe(
    latest(dir),
    TE.chainEitherK(({ found, rejected }): Either<Fault, Start> => {
      for (const bad of rejected) o.progress.say(`passed over ${bad.place}: ${bad.found}`)
      if (O.isNone(found)) return E.left(fault('checkpoint', { place: dir, found: 'no checkpoint', allowed: 'a folder of a run that was interrupted', remedy: 'start without --resume, or name the run with --out' }))
      const { checkpoint, path } = found.value
      return pipe(
        checkResume(o, r.settings, checkpoint),
        E.chain(() => stateValues(a.residents)(checkpoint.state)),
        E.map((values): Start => {
          o.progress.say(`continuing from ${path} at step ${checkpoint.step}`)
          return { step: checkpoint.step, values }
        }),
      )
    }),
  )
}

const isLabelled = (split: Split): boolean => split.train.classes.length > 1 && split.test.length > 0

/** Evenly spread over the run, its last step included. */
const evaluationSteps = (steps: number, during: number): ReadonlySet<number> =>
  new Set(Array.from({ length: during + 1 }, (_, i) => Math.round((steps * (i + 1)) / (during + 1))))

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`

/** Heads of the attention that a network gives, `[B, heads, T, T]`. */
const headsOf = ({ attention }: FeatureProgram): number => attention.type.shape[1] ?? 1

/** k-NN of a plain network's values, which are written beside those of the run. */
const plainAccuracy = (device: Device, a: Assembled, r: Resolved, split: Split) => (network: Values): TaskEither<Fault, number> => pipe(
  TE.fromEither(trace('plain', [value('cls', a.plain.cls)])),
  TE.chain((g) => pipe(
    leavesOfGraph(g).filter(isResident),
    TE.traverseSeqArray((l) => device.write(l.path, l.type, network.get(l.path.slice(plainRoot.length + 1)) ?? new Float32Array())),
  )),
  TE.chain(() => extractor(device, a.plain, a.plain.cls)),
  TE.chain((eye) => knnAccuracy(r.evaluation, split.train, split.test)(eye.rows)),
)

/** Compiles the programs of all phases, so that what cannot run is known before anything is trained. */
const running = (o: RunOptions, r: Resolved, split: Split, device: Device, a: Assembled, side: number): TaskEither<Fault, ReadonlyNonEmptyArray<RunningPhase>> => {
  const compiled = new Map<Program, Executable>()
  const compile = (phase: AssembledPhase) => (p: Program): TaskEither<Fault, Executable> => {
    const known = compiled.get(p)
    if (known !== undefined) return TE.right(known)
    const what = `the training step${a.phases.length === 1 ? '' : ` of ${phase.name}`}${phase.turns.length === 1 ? '' : p === last(phase.turns) ? ', which applies gradients' : ', which accumulates gradients'}`
    return pipe(
      device.compile(p.graph, { progress: (done, total) => { if (done === total) o.progress.say(`compiled ${total} kernels of ${what}`) } }),
      TE.map((executable) => { compiled.set(p, executable); return executable }),
    )
  }
  return pipe(
    a.phases,
    TE.traverseReadonlyNonEmptyArrayWithIndexSeq((n, phase: AssembledPhase) => pipe(
      TE.Do,
      TE.bind('loader', () => TE.fromEither(loader(split.train, { seed: r.settings.seed, batch: phase.batch, side }))),
      TE.chainFirst((known) => (n > 0 || o.preview === undefined ? TE.right(undefined) : pipe(
        previewSheet(device, phase.crops, known.loader, r.settings.seed, o.preview),
        TE.map(() => { o.progress.say(`what the network sees: ${o.preview ?? ''}`) }),
      ))),
      TE.bind('turns', () => pipe(phase.turns, TE.traverseSeqArray(compile(phase)))),
      TE.bind('eye', () => extractor(device, phase.features, phase.features.cls)),
      TE.map(({ loader: batches, turns, eye }): RunningPhase => ({ turns, loader: ahead(2)(batches), accuracy: knnAccuracy(r.evaluation, split.train, split.test)(eye.rows) })),
    )),
  )
}

const onDevice = (o: RunOptions, r: Resolved, split: Split, device: Device): TaskEither<Fault, Report> => {
  const s = r.settings
  const say = o.progress.say
  return pipe(
    TE.Do,
    TE.bind('images', () => imageryOf(split.train)),
    TE.bind('assembled', ({ images }) => TE.fromEither(r.assemble(images))),
    TE.bind('start', ({ assembled }) => startOf(o, assembled, r)),
    TE.chainFirst(({ assembled, start }) => writeResidents(device, assembled.residents)(start.values)),
    TE.chainFirst(({ assembled }) => { for (const note of new Set(assembled.phases.flatMap((p) => p.crops.notes))) say(`augmentation: ${note}`); return TE.right(undefined) }),
    TE.bind('running', ({ assembled, images }) => running(o, r, split, device, assembled, images.side)),
    TE.bind('metrics', ({ start }) => openMetrics(join(o.out, 'metrics.jsonl'), o.resume ? start.step : undefined)),
    TE.chainFirst(() => writeFile('io', join(o.out, 'config.yaml'))([() => new TextEncoder().encode(stringify(s))])),
    TE.bind('before', ({ running: [{ accuracy }], start }): TaskEither<Fault, Readonly<Record<string, number>>> => {
      if (!isLabelled(split) || start.step > 0) return TE.right({})
      return pipe(
        TE.Do,
        TE.bind('knn_pixels', () => pipe(knnAccuracy(r.evaluation, split.train, split.test)(pixelRows), TE.orElse(() => TE.right(NaN)))),
        TE.bind('knn_before', () => accuracy),
        TE.map(({ knn_pixels, knn_before }) => {
          // pixels of images of several sizes cannot be compared
          const pixels = Number.isFinite(knn_pixels)
          say(`before training: k-NN ${percent(knn_before)}${pixels ? ` (raw pixels ${percent(knn_pixels)})` : ''}`)
          return { knn_before, ...(pixels ? { knn_pixels } : {}) }
        }),
      )
    }),
    TE.bind('ended', ({ assembled, running: all, start, metrics }) => loop({
      device, assembled, running: all, seed: s.seed, config: s, from: start.step, steps: s.steps, metrics, progress: o.progress,
      checkpoints: { dir: join(o.out, 'checkpoints'), every: Math.max(1, Math.round(s.steps / 10)) },
      evaluateAfter: isLabelled(split) ? evaluationSteps(s.steps, r.evaluation.during) : new Set(),
      stopping: o.stopping,
      clock: () => performance.now() / 1000,
    })),
    TE.chainFirst(({ metrics }) => metrics.close),
    TE.bind('after', ({ ended, running: all }): TaskEither<Fault, Readonly<Record<string, number>>> =>
      ended.stopped || !isLabelled(split) ? TE.right({}) : pipe(last(all).accuracy, TE.map((knn_after) => ({ knn_after })))),
    TE.chainFirst(({ ended, assembled }) => {
      if (ended.stopped || split.test.length === 0) return TE.right(undefined)
      const path = join(o.out, 'attention.png')
      const { features } = last(assembled.phases)
      return pipe(attentionSheet(device, features, split.test, path, { images: 8, heads: headsOf(features) }), TE.map(() => { say(`attention maps: ${path}`) }))
    }),
    TE.bind('further', ({ ended, assembled }) => (ended.stopped ? TE.right({}) : pipe(
      readValues(device, assembled.residents),
      TE.chain((state) => r.after({ ...o, assembled, state, accuracyOf: plainAccuracy(device, assembled, r, split) })),
    ))),
    TE.map(({ ended, before, after, further }): Report => ({
      steps: ended.step,
      loss: ended.values.get('loss') ?? NaN,
      metrics: { ...Object.fromEntries([...ended.values].filter(([n]) => n !== 'loss')), ...before, ...after, ...further },
      images_per_s: ended.imagesPerSecond,
      target: device.name,
      out: o.out,
      stopped: ended.stopped,
    })),
  )
}

/** Runs an experiment from its resolved settings; the device is closed whatever happens. */
export const runExperiment = (r: Resolved, o: RunOptions): TaskEither<Fault, Report> =>
  pipe(
    r.data,
    TE.chain((split) => pipe(
      o.device,
      TE.chain((device) => {
        o.progress.say(`${o.name} on ${device.name}: ${device.description}`)
        return async () => {
          const result = await onDevice(o, r, split, device)()
          device.close()
          return result
        }
      }),
    )),
  )
