/** A whole run of an experiment: open, initialise or resume, evaluate, train, evaluate, close. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { last } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { stringify } from 'yaml'
import { unevenly } from '../../compiler/distribute/strategy.ts'
import type { Device } from '../../compiler/target.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import type { Fault } from '../../core/fault.ts'
import { unexpected } from '../../core/fault.ts'
import { writeText } from '../../data/formats/file.ts'
import { wholeLine } from '../config/older.ts'
import type { Accelerator } from '../config/common.ts'
import { merged } from '../config/section.ts'
import { recordStart } from './environment.ts'
import type { Resolved } from './experiment.ts'
import { assembledFor, foreseen, imageryOf } from './imagery.ts'
import type { BestCheckpoint, Judged, Numbers } from './judge.ts'
import type { Log } from './log/log.ts'
import { openLogs } from './log/logs.ts'
import type { Ended } from './loop.ts'
import { loop } from './loop.ts'
import { checkpointName } from './checkpoints.ts'
import { aimsOf, checkAims } from './best.ts'
import type { RunEnding } from './ending.ts'
import { checkLength, fitted } from './length.ts'
import type { Start } from './resumption.ts'
import { fitting } from './memory.ts'
import { identityOf } from './identity.ts'
import { accuracyOn, evaluatedBefore, evaluationSteps, isLabelled, judgedOf, readyToJudge } from './accuracy.ts'
import type { Open, RunOptions, Traced } from './opened.ts'
import type { Phases, Timed } from './timing.ts'
import { closeLoaders, compiledOf, inTime } from './timing.ts'
import { clock } from './log/numbers.ts'
import { checkBegun, startOf } from './resumption.ts'
import { readValues, writeResidents } from './state.ts'
import { trainedText } from './trained.ts'

/** What is left of a run: the final line of every example. */
export interface Report {
  readonly steps: number
  readonly loss: number
  readonly metrics: Numbers
  readonly images_per_s: number
  readonly target: string
  readonly out: string
  /** Whether there is more to do, as a person asked it to stop. */
  readonly stopped: boolean
  readonly ending: RunEnding
  /** The best checkpoint, of a run that looks for it. */
  readonly best?: BestCheckpoint
}

/** `config.yaml`: everything decided, the target too, so that the file alone gives the run again. */
const writeConfig = (o: RunOptions, r: Resolved, device: Device): TaskEither<Fault, void> => {
  const decided = merged(r.config, { accelerator: { target: device.name } })
  return writeText(join(o.out, 'config.yaml'), `${wholeLine}\n${stringify(decided)}`)
}

/** Where a run begins; its values are on the device, and the host holds them no more. */
type Begun = Omit<Start, 'values'>

const begun = async ({ options: o, run, data, device, surroundings, assembled }: Traced): Promise<Either<Fault, Begun>> => {
  const identity = identityOf(data, device, run.settings.accelerator)
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

/** Says what could not be read. */
const saySkipped = (phases: Phases, say: (text: string) => void): void => {
  const skipped = new Set(phases.flatMap((p) => p.loader.skipped().map((f) => f.place)))
  if (skipped.size > 0)
    say(`note: ${skipped.size} image${skipped.size === 1 ? '' : 's'} could not be read and ${skipped.size === 1 ? 'was' : 'were'} left out`)
}

const bestOf = ({ tracking: { best } }: Ended): BestCheckpoint | undefined =>
  best === undefined || best.best === null
    ? undefined
    : { metric: best.metric, ...best.best, checkpoint: join('checkpoints', checkpointName(best.best.step)) }

/** What is made of a run at its end; gives the numbers that it is reported with. */
const concluded = async (
  t: Traced,
  ended: Ended,
  before: Numbers,
  accuracy: TaskEither<Fault, Judged>,
): Promise<Either<Fault, Numbers>> => {
  const { options: o, run, data, judged, device, surroundings, assembled, images } = t
  const values = Object.fromEntries([...ended.values].filter(([n]) => n !== 'loss'))
  const best = bestOf(ended)
  if (ended.ending === 'stopped') return o.judge.stopped({ ...o, run, best }, { ...values, ...before })()
  // what fails from here on must not cost what was trained: exports and report come first, then the fault
  const after = isLabelled(judged) ? await accuracy() : undefined
  const metrics: Numbers = { ...values, ...before, ...(after === undefined || E.isLeft(after) ? {} : { knn_after: after.right.accuracy }) }
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
    ending: ended.ending,
    best,
    accuracyOf: accuracyOn(t),
    images,
  })()
  return after !== undefined && E.isLeft(after) ? after : made
}

/** Evaluates, trains, and evaluates again. */
const steps = async (t: Timed, start: Begun, phases: Phases, logs: Log): Promise<Either<Fault, Report>> => {
  const { options: o, run, judged, device, assembled, seconds } = t
  const { settings: s, config } = run
  const { say } = o.progress
  const noted = await o.judge.begun({ out: o.out, assembled, images: t.images })()
  if (E.isLeft(noted)) return noted
  const before = await evaluatedBefore(t, start, phases[0].accuracy)
  if (E.isLeft(before)) return before
  const looks = evaluationSteps(s.steps, s.evaluation.during)
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
    dir: join(o.common ?? o.out, 'checkpoints'),
    evaluateAfter: isLabelled(judged) ? looks : new Set(),
    lookAfter: looks,
    aims: aimsOf(s),
    deadline: seconds === undefined ? undefined : clock() + seconds,
    between: run.between({ device, assembled, say }),
    stopping: o.stopping,
    clock,
  })()
  if (E.isLeft(ended)) return ended
  saySkipped(phases, say)
  closeLoaders(phases)
  const metrics = await concluded(t, ended.right, before.right, last(phases).accuracy)
  if (E.isLeft(metrics)) return metrics
  const { step, ending, values, imagesPerSecond } = ended.right
  const best = bestOf(ended.right)
  return E.right({
    steps: step,
    loss: values.get('loss') ?? NaN,
    metrics: metrics.right,
    images_per_s: imagesPerSecond,
    target: device.name,
    out: o.out,
    stopped: ending === 'stopped',
    ending,
    ...(best === undefined ? {} : { best }),
  })
}

/** From the first number that is written down to the last; whatever comes between, the logs are closed. */
const logged = async (t: Timed, start: Begun, phases: Phases): Promise<Either<Fault, Report>> => {
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
  const ending = E.isLeft(report) ? 'failed' : report.right.ending
  const closed = await logs.right.close(ending)()
  closeLoaders(phases)
  return E.isRight(report) && E.isLeft(closed) ? closed : report
}

const trained = async (t: Traced): Promise<Either<Fault, Report>> => {
  const { options: o, run, judged, assembled } = t
  const { say } = o.progress
  const start = await begun(t)
  if (E.isLeft(start)) return start
  for (const note of new Set(assembled.phases.flatMap((p) => p.crops.notes))) say(`augmentation: ${note}`)
  if (start.right.shrank && t.large)
    say(
      'note: this run was begun by version 0.1, which shrank images of more than 512 pixels before it cut crops; from here on crops are cut from all of their pixels (--set data.canvas=512 shrinks them as then)',
    )
  const shown = foreseen(assembled, run.settings.evaluation.k, isLabelled(judged) ? judged.train.length : undefined)
  for (const line of [...run.foreseen, ...shown]) say(`note: ${line}`)
  const part = trainedText(assembled.phases[0].turns[0].residents)
  if (part !== undefined) say(part)
  const phases = await compiledOf(t)
  if (E.isLeft(phases)) return phases
  const timed = await inTime(t, start.right.step, phases.right)
  if (E.isLeft(timed)) {
    closeLoaders(phases.right)
    return timed
  }
  const written = timed.right.t.run === t.run ? E.right(undefined) : await writeConfig(t.options, timed.right.t.run, t.device)()
  if (E.isLeft(written)) return written
  return logged(timed.right.t, start.right, timed.right.phases)
}

/** Fault: images that the ranks, or devices, cannot share evenly. */
const checkShares = (batch: number, { parts = 1 }: Device): Either<Fault, void> => {
  const uneven = unevenly(batch, parts)
  return uneven === undefined ? E.right(undefined) : E.left(uneven)
}

const onDevice = async (open: Open): Promise<Either<Fault, Report>> => {
  const { options: o, run, data, device } = open
  o.progress.say(`${o.name} on ${device.name}: ${device.description}`)
  const { strategy } = run.settings.accelerator
  if (strategy !== 'auto' && (device.parts ?? 1) === 1)
    o.progress.say(
      `note: accelerator.strategy=${strategy} shares nothing in a run of one process and one device: mpirun -n N starts one of N, and pjrt:… takes several devices`,
    )
  for (const check of [
    checkShares(run.settings.batch, device),
    checkLength(o.length, device),
    checkAims(run.settings, isLabelled(open.judged)),
  ])
    if (E.isLeft(check)) return check
  const ready = await readyToJudge(open)
  if (E.isLeft(ready)) return ready
  const images = await imageryOf(data)
  if (E.isLeft(images)) return images
  const made = assembledFor(images.right, (i) => run.assemble(i, device.planned, device.parts), o.progress.say)
  if (E.isLeft(made)) return made
  const fits = fitting(device, made.right.assembled)
  return E.isLeft(fits) ? fits : trained({ ...open, ...made.right })
}

const targetOf = (a: Accelerator, { progress: { say }, tried }: RunOptions): TaskEither<Fault, Device> =>
  openTarget(a.target, {
    say,
    ...(tried === undefined ? {} : { tried }),
    precision: a.precision,
    devices: a.devices,
    ...(a.strategy === 'auto' ? {} : { strategy: a.strategy }),
    ...(a.threads === 0 ? {} : { threads: a.threads }),
  })

/** Runs an experiment from its resolved settings; the device is closed whatever happens. */
export const runExperiment =
  (asked: Resolved, options: RunOptions): TaskEither<Fault, Report> =>
  async () => {
    const { out, progress, resume } = options
    const possible = await checkBegun(out, resume)()
    if (E.isLeft(possible)) return possible
    const data = await asked.data(progress.say)()
    if (E.isLeft(data)) return data
    const judged = judgedOf(data.right, progress.say)
    if (E.isLeft(judged)) return judged
    const run = fitted(asked, options.length, data.right.train.length, progress.say)
    if (E.isLeft(run)) return run
    const opening = options.device ?? targetOf(run.right.settings.accelerator, options)
    const device = await opening()
    if (E.isLeft(device)) return device
    const result = await onDevice({
      options,
      run: run.right,
      data: data.right,
      judged: judged.right,
      device: device.right,
      surroundings: { out, device: opening, progress, resume, stopping: options.stopping },
    })
    device.right.close()
    return result
  }
