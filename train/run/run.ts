/** A whole run of an experiment: open, initialise or resume, evaluate, train, evaluate, close. */
import { performance } from 'node:perf_hooks'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { last } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { stringify } from 'yaml'
import type { Device } from '../../compiler/target.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import type { Fault } from '../../core/fault.ts'
import { unexpected } from '../../core/fault.ts'
import { isResident, leavesOfGraph, value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import { writeFile } from '../../data/formats/file.ts'
import type { TrainingSplit } from '../../data/loading/training.ts'
import { labelled } from '../../data/readers/split.ts'
import type { Split } from '../../data/readers/split.ts'
import type { Accelerator } from '../config/common.ts'
import { merged } from '../config/section.ts'
import { recordStart } from './environment.ts'
import type { AccuracyOf, Resolved, Surroundings } from './experiment.ts'
import type { Assembled, Imagery } from './assembly.ts'
import { plainFeatures, plainRoot } from './assembly.ts'
import { assembledFor, foreseen, imageryOf } from './imagery.ts'
import type { Judge, Numbers } from './judge.ts'
import type { Log } from './log/log.ts'
import { openLogs } from './log/logs.ts'
import { percent } from './log/numbers.ts'
import type { Progress } from './log/progress.ts'
import type { Ended, RunningPhase } from './loop.ts'
import { loop } from './loop.ts'
import { compiledPhases } from './programs.ts'
import type { Start } from './resumption.ts'
import { fitting } from './memory.ts'
import { identityOf } from './identity.ts'
import { checkBegun, startOf } from './resumption.ts'
import { readValues, writeResidents } from './state.ts'

export interface RunOptions {
  readonly name: string
  readonly out: string
  readonly resume: boolean
  /** Where to write a contact sheet of the first crops before training. */
  readonly preview?: string
  readonly progress: Progress
  readonly stopping: () => boolean
  readonly judge: Judge
  /** Default: the target that the settings name. */
  readonly device?: TaskEither<Fault, Device>
}

/** What is left of a run: the final line of every example. */
export interface Report {
  readonly steps: number
  readonly loss: number
  readonly metrics: Numbers
  readonly images_per_s: number
  readonly target: string
  readonly out: string
  readonly stopped: boolean
}

/** A run with its data and its device open. */
interface Open {
  readonly options: RunOptions
  readonly run: Resolved
  readonly data: TrainingSplit
  /** The same without what has no label: what features are judged on. */
  readonly judged: TrainingSplit
  readonly device: Device
  readonly surroundings: Surroundings & { readonly resume: boolean }
}

/** The same with everything traced. */
interface Traced extends Open {
  readonly images: Imagery
  readonly assembled: Assembled
  /** Whether crops of some images are cut from more pixels than canvases hold. */
  readonly large: boolean
}

const isLabelled = (split: Split): boolean => split.train.classes.length > 1 && split.train.length > 0 && split.test.length > 0

/** The labelled part of data, and what is said where that is not all. */
const judgedOf = (data: TrainingSplit, say: (text: string) => void): Either<Fault, TrainingSplit> =>
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
const readyToJudge = async ({ data, judged }: Open): Promise<Either<Fault, void>> => {
  // labelled images are all read for the first evaluation
  if (isLabelled(judged) || data.loading?.onError === 'skip') return E.right(undefined)
  for (let i = 0; i < Math.min(pictured, data.test.length); i++) {
    const item = await data.test.item(i)()
    if (E.isLeft(item)) return item
  }
  return E.right(undefined)
}

/** Evenly spread over the run, its last step included. */
const evaluationSteps = (steps: number, during: number): ReadonlySet<number> =>
  new Set(Array.from({ length: during + 1 }, (_, i) => Math.round((steps * (i + 1)) / (during + 1))))

/** k-NN of plain networks' values, which are written beside those of the run, each of another kind under a root of its own. */
const accuracyOn =
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
    return E.isLeft(accuracy) ? accuracy : E.map((a: number): Numbers => ({ [name]: a }))(await accuracy.right())
  }

/** k-NN of the untrained network and of the pixels; a run that is continued remembers it. */
const evaluatedBefore = async (
  { options: { judge, progress }, run, judged: data, device }: Open,
  start: Begun,
  accuracy: TaskEither<Fault, number>,
): Promise<Either<Fault, Numbers>> => {
  if (!isLabelled(data) || start.step > 0 || !run.settings.evaluation.before) return E.right(start.position.before)
  const before = await accuracy()
  if (E.isLeft(before)) return before
  // what the first rank says is said of all, and pixels are compared by one; those of images of several sizes cannot be
  const pixels = (device.share?.rank ?? 0) > 0 ? undefined : await judge.pixels(data, run.settings.evaluation)()
  const known: Numbers = pixels === undefined || E.isLeft(pixels) ? {} : { knn_pixels: pixels.right }
  progress.say(
    `before training: k-NN ${percent(before.right)}${'knn_pixels' in known ? ` (raw pixels ${percent(known['knn_pixels'])})` : ''}`,
  )
  return E.right({ knn_before: before.right, ...known })
}

/** `config.yaml`: everything decided, the target too, so that the file alone gives the run again. */
const writeConfig = (o: RunOptions, r: Resolved, device: Device): TaskEither<Fault, void> => {
  const decided = merged(r.config, { accelerator: { target: device.name } })
  const head = '# The whole configuration of this run. With --config it gives the same run again; --resume reads it by itself.\n'
  return writeFile('io', join(o.out, 'config.yaml'))([() => new TextEncoder().encode(`${head}${stringify(decided)}`)])
}

/** Where a run begins; its values are on the device, and the host holds them no more. */
type Begun = Omit<Start, 'values'>

const begun = async ({ options: o, run, data, device, surroundings, assembled }: Traced): Promise<Either<Fault, Begun>> => {
  const identity = identityOf(data, device.name, run.settings.accelerator)
  const start = await startOf({ ...surroundings, identity }, assembled, run)()
  if (E.isLeft(start)) return start
  const { values, ...rest } = start.right
  for (const effect of [
    writeConfig(o, run, device),
    recordStart(o.out, o.resume, o.name, device),
    writeResidents(device, assembled.residents)(values),
  ]) {
    const done = await effect()
    if (E.isLeft(done)) return done
  }
  return E.right(rest)
}

/** Ends what reads images. */
const closeLoaders = (phases: Phases): void => {
  for (const p of phases) p.loader.close()
}

/** Says what could not be read. */
const saySkipped = (phases: Phases, say: (text: string) => void): void => {
  const skipped = new Set(phases.flatMap((p) => p.loader.skipped().map((f) => f.place)))
  if (skipped.size > 0)
    say(`${skipped.size} image${skipped.size === 1 ? '' : 's'} could not be read and ${skipped.size === 1 ? 'was' : 'were'} left out`)
}

/** What is made of a run at its end; gives the numbers that it is reported with. */
const concluded = async (
  t: Traced,
  ended: Ended,
  before: Numbers,
  accuracy: TaskEither<Fault, number>,
): Promise<Either<Fault, Numbers>> => {
  const { options: o, run, data, judged, device, surroundings, assembled, images } = t
  const values = Object.fromEntries([...ended.values].filter(([n]) => n !== 'loss'))
  if (ended.stopped) return o.judge.stopped(o, { ...values, ...before })()
  // what fails from here on must not cost what was trained: exports and report come first, then the fault
  const after = isLabelled(judged) ? await accuracy() : undefined
  const metrics: Numbers = { ...values, ...before, ...(after === undefined || E.isLeft(after) ? {} : { knn_after: after.right }) }
  const state = await readValues(device, assembled.residents)()
  if (E.isLeft(state)) return state
  const made = await o.judge.finished({
    ...surroundings,
    name: o.name,
    run,
    split: data,
    open: device,
    assembled,
    state: state.right,
    metrics,
    accuracyOf: accuracyOn(t),
    images,
  })()
  return after !== undefined && E.isLeft(after) ? after : made
}

type Phases = readonly [RunningPhase, ...ReadonlyArray<RunningPhase>]

/** Evaluates, trains, and evaluates again. */
const steps = async (t: Traced, start: Begun, phases: Phases, logs: Log): Promise<Either<Fault, Report>> => {
  const { options: o, run, judged, device, assembled } = t
  const { settings: s, config } = run
  const { say } = o.progress
  const noted = await o.judge.begun({ out: o.out, assembled, images: t.images })()
  if (E.isLeft(noted)) return noted
  const before = await evaluatedBefore(t, start, phases[0].accuracy)
  if (E.isLeft(before)) return before
  const ended = await loop({
    device,
    assembled,
    running: phases,
    settings: s,
    config,
    from: start.step,
    position: { ...start.position, before: before.right },
    logs,
    progress: o.progress,
    dir: join(o.out, 'checkpoints'),
    evaluateAfter: isLabelled(judged) ? evaluationSteps(s.steps, s.evaluation.during) : new Set(),
    between: run.between({ device, assembled, say }),
    stopping: o.stopping,
    clock: () => performance.now() / 1000,
  })()
  if (E.isLeft(ended)) return ended
  saySkipped(phases, say)
  closeLoaders(phases)
  const metrics = await concluded(t, ended.right, before.right, last(phases).accuracy)
  if (E.isLeft(metrics)) return metrics
  const { step, stopped, values, imagesPerSecond } = ended.right
  return E.right({
    steps: step,
    loss: values.get('loss') ?? NaN,
    metrics: metrics.right,
    images_per_s: imagesPerSecond,
    target: device.name,
    out: o.out,
    stopped,
  })
}

/** From the first number that is written down to the last; whatever comes between, the logs are closed. */
const logged = async (t: Traced, start: Begun, phases: Phases): Promise<Either<Fault, Report>> => {
  const { options: o, run } = t
  const logs = await openLogs({
    out: o.out,
    name: o.name,
    config: run.config,
    runtime: run.settings.runtime,
    resumeAt: o.resume ? start.step : undefined,
    say: o.progress.say,
  })()
  if (E.isLeft(logs)) return logs
  const report = await steps(t, start, phases, logs.right).catch((e: unknown) => E.left(unexpected(e)))
  const ending = E.isLeft(report) ? 'failed' : report.right.stopped ? 'stopped' : 'finished'
  const closed = await logs.right.close(ending)()
  closeLoaders(phases)
  return E.isRight(report) && E.isLeft(closed) ? closed : report
}

const trained = async (t: Traced): Promise<Either<Fault, Report>> => {
  const {
    options: o,
    run,
    data,
    judged,
    device,
    assembled,
    images: { side },
  } = t
  const { say } = o.progress
  const start = await begun(t)
  if (E.isLeft(start)) return start
  for (const note of new Set(assembled.phases.flatMap((p) => p.crops.notes))) say(`augmentation: ${note}`)
  if (start.right.shrank && t.large)
    say(
      'note: this run was begun by version 0.1, which shrank images of more than 512 pixels before it cut crops; from here on crops are cut from all of their pixels (--set data.canvas=512 shrinks them as then)',
    )
  for (const line of foreseen(assembled, run.settings.evaluation.k, isLabelled(judged) ? judged.train.length : undefined))
    say(`note: ${line}`)
  const phases = await compiledPhases({
    device,
    run,
    assembled,
    data,
    judged,
    side,
    judge: o.judge,
    progress: o.progress,
    stopping: o.stopping,
    preview: o.preview,
  })
  if (E.isLeft(phases)) return phases
  return logged(t, start.right, phases.right)
}

const onDevice = async (open: Open): Promise<Either<Fault, Report>> => {
  const { options: o, run, data, device } = open
  o.progress.say(`${o.name} on ${device.name}: ${device.description}`)
  const ready = await readyToJudge(open)
  if (E.isLeft(ready)) return ready
  const images = await imageryOf(data)
  if (E.isLeft(images)) return images
  const made = assembledFor(images.right, (i) => run.assemble(i, device.planned, device.share?.ranks), o.progress.say)
  if (E.isLeft(made)) return made
  const fits = fitting(device, made.right.assembled)
  return E.isLeft(fits) ? fits : trained({ ...open, ...made.right })
}

const targetOf = (a: Accelerator, say: (text: string) => void): TaskEither<Fault, Device> =>
  openTarget(a.target, { say, precision: a.precision, ...(a.threads === 0 ? {} : { threads: a.threads }) })

/** Runs an experiment from its resolved settings; the device is closed whatever happens. */
export const runExperiment =
  (run: Resolved, options: RunOptions): TaskEither<Fault, Report> =>
  async () => {
    const { out, progress, resume } = options
    const possible = await checkBegun(out, resume)()
    if (E.isLeft(possible)) return possible
    const data = await run.data(progress.say)()
    if (E.isLeft(data)) return data
    const judged = judgedOf(data.right, progress.say)
    if (E.isLeft(judged)) return judged
    const opening = options.device ?? targetOf(run.settings.accelerator, progress.say)
    const device = await opening()
    if (E.isLeft(device)) return device
    const result = await onDevice({
      options,
      run,
      data: data.right,
      judged: judged.right,
      device: device.right,
      surroundings: { out, device: opening, progress, resume },
    })
    device.right.close()
    return result
  }
