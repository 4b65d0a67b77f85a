/** The programs of a run, compiled: of each phase its turns, its batches and the network that is evaluated. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { last } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import type { Device, Executable, Progress as Compiling } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import type { CompileOptions } from '../../compiler/target.ts'
import { ahead, openLoader } from '../../data/loading/loader.ts'
import type { TrainingSplit } from '../../data/loading/training.ts'
import type { Program } from '../step/step.ts'
import type { Resolved } from './experiment.ts'
import type { Assembled, AssembledPhase } from './assembly.ts'
import type { Judge } from './judge.ts'
import type { Progress } from './log/progress.ts'
import type { RunningPhase } from './stride.ts'
import { previewSheet } from './preview.ts'
import { amongOthers, partOf } from './share.ts'

export interface ProgramOptions {
  readonly device: Device
  readonly run: Resolved
  readonly assembled: Assembled
  readonly data: TrainingSplit
  /** What features are judged on. */
  readonly judged: TrainingSplit
  /** Side of the canvases. */
  readonly side: number
  readonly judge: Judge
  readonly progress: Progress
  /** Whether a stop was requested. */
  readonly stopping: () => boolean
  /** Where to write a contact sheet of the first crops. */
  readonly preview: string | undefined
}

/** A program in words. */
const nameOf = (a: Assembled, phase: AssembledPhase, p: Program): string =>
  `the training step${a.phases.length === 1 ? '' : ` of ${phase.name}`}${phase.turns.length === 1 ? '' : p === last(phase.turns) ? ', which applies gradients' : ', which accumulates gradients'}`

/** Milliseconds between two lines about one compilation. */
const between = 5000

/** Says how far a compilation has come, now and then, and when it is over. */
const reporting = (o: ProgramOptions, name: string) => {
  let said = performance.now()
  return ({ done, total, unit }: Compiling): void => {
    const now = performance.now()
    if (done < total && now - said < between) return
    said = now
    o.progress.say(done === total ? `compiled ${total} ${unit} of ${name}` : `compiling ${name}: ${done} of ${total} ${unit}`)
  }
}

/** The turns of a phase. A program that several turns or phases have is compiled once. */
const turnsOf = async (
  o: ProgramOptions,
  phase: AssembledPhase,
  images: CompileOptions,
  compiled: Map<Program, Executable>,
): Promise<Either<Fault, ReadonlyArray<Executable>>> => {
  const turns: Array<Executable> = []
  for (const p of phase.turns) {
    const known = compiled.get(p)
    const made =
      known !== undefined
        ? E.right(known)
        : await o.device.compile(p.graph, {
            ...images,
            progress: reporting(o, nameOf(o.assembled, phase, p)),
            stopping: o.stopping,
          })()
    if (E.isLeft(made)) return made
    compiled.set(p, made.right)
    turns.push(made.right)
  }
  return E.right(turns)
}

const compiledPhase = async (
  o: ProgramOptions,
  phase: AssembledPhase,
  preview: string | undefined,
  compiled: Map<Program, Executable>,
): Promise<Either<Fault, RunningPhase>> => {
  const {
    device,
    data,
    judged,
    judge,
    run: {
      settings: { seed, evaluation },
    },
  } = o
  const part = partOf(device.share, phase.crops)
  if (E.isLeft(part)) return part
  const { crops, rows, compile } = part.right
  const batches = await openLoader(data.train, { ...data.loading, ...rows, seed, batch: phase.batch, side: o.side })()
  if (E.isLeft(batches)) return batches
  if (preview !== undefined) {
    const sheet = await previewSheet(device, crops, batches.right, seed, preview)()
    if (E.isLeft(sheet)) return sheet
    o.progress.say(`what the network sees: ${preview}`)
  }
  const turns = await turnsOf(o, phase, compile, compiled)
  if (E.isLeft(turns)) return turns
  const accuracy = await judge.accuracy(device, phase.features, judged, evaluation)()
  if (E.isLeft(accuracy)) return accuracy
  const loader = amongOthers(device.share)(ahead(data.loading?.prefetch ?? 2)(batches.right))
  return E.right({ turns: turns.right, crops, loader, accuracy: accuracy.right })
}

/** Compiles the programs of all phases, so that what cannot run is known before anything is trained. */
export const compiledPhases = async (
  o: ProgramOptions,
): Promise<Either<Fault, readonly [RunningPhase, ...ReadonlyArray<RunningPhase>]>> => {
  const [first, ...others] = o.assembled.phases
  const compiled = new Map<Program, Executable>()
  const begun = await compiledPhase(o, first, o.preview, compiled)
  if (E.isLeft(begun)) return begun
  const running: [RunningPhase, ...Array<RunningPhase>] = [begun.right]
  for (const phase of others) {
    const next = await compiledPhase(o, phase, undefined, compiled)
    if (E.isLeft(next)) return next
    running.push(next.right)
  }
  return E.right(running)
}
