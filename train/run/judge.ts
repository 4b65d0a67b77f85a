/** What a run asks of the rooms above it, which hand it in: how good its features are, and what is made of it when it has ended. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import type { TrainingSplit } from '../../data/loading/training.ts'
import type { Split } from '../../data/readers/split.ts'
import type { Evaluation } from '../config/common.ts'
import type { Resolved, Trained } from './experiment.ts'
import type { Assembled, FeatureProgram, Imagery } from './assembly.ts'
import type { RunEnding } from './ending.ts'
import type { Progress } from './log/progress.ts'

/** Numbers that a run is reported with, by name. */
export type Numbers = Readonly<Record<string, number>>

/** A finished run: what it was, what it learned, and the numbers that it is reported with so far. */
export interface Finished extends Trained {
  readonly name: string
  readonly run: Resolved
  readonly split: Split
  /** The device with the networks on it. */
  readonly open: Device
  readonly metrics: Numbers
  readonly ending: RunEnding
  /** The best checkpoint, of a run that looks for it. */
  readonly best: BestCheckpoint | undefined
}

/** A checkpoint that a number was best at. */
export interface BestCheckpoint {
  readonly metric: string
  readonly value: number
  readonly step: number
  /** Its path in the run's folder. */
  readonly checkpoint: string
}

/** Class tokens, a row of `dim` numbers for each image. */
export interface Tokens {
  readonly data: Float32Array
  readonly dim: number
}

/** How good features are, and what they are of both parts. */
export interface Judged {
  readonly accuracy: number
  readonly tokens: Readonly<Record<'train' | 'test', Tokens>>
}

export interface Judge {
  /** Compiles a network that is evaluated; judges it whenever it is asked for. */
  readonly accuracy: (
    device: Device,
    program: FeatureProgram,
    data: TrainingSplit,
    o: Evaluation,
  ) => TaskEither<Fault, TaskEither<Fault, Judged>>
  /** Notes what the untrained network says, as far as the report shows it. */
  readonly before: (o: {
    readonly out: string
    readonly data: Split
    readonly seed: number
    readonly tokens: Judged['tokens']
  }) => TaskEither<Fault, void>
  /** The accuracy of the pixels themselves, which features have to beat. Fault: images of several sizes. */
  readonly pixels: (device: Device, data: Split, o: Evaluation) => TaskEither<Fault, number>
  /** Notes in a run's folder what others need to know of it while it still goes: how it sees images. */
  readonly begun: (o: { readonly out: string; readonly assembled: Assembled; readonly images: Imagery }) => TaskEither<Fault, void>
  /** Makes what is made of a finished run. Gives all its numbers. */
  readonly finished: (f: Finished) => TaskEither<Fault, Numbers>
  /** The same of a run that was stopped. */
  readonly stopped: (
    o: { readonly out: string; readonly progress: Progress; readonly run: Resolved; readonly best: BestCheckpoint | undefined },
    metrics: Numbers,
  ) => TaskEither<Fault, Numbers>
}
