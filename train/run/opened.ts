/** A run under way: what it was asked for, its data, its device, and what was traced. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import type { TrainingSplit } from '../../data/loading/training.ts'
import type { Assembled, Imagery } from './assembly.ts'
import type { Resolved, Surroundings } from './experiment.ts'
import type { Judge } from './judge.ts'
import type { Length } from './length.ts'
import type { Progress } from './log/progress.ts'

export interface RunOptions {
  readonly name: string
  readonly out: string
  /** The folder of the run, where `out` is that of a rank of its own. */
  readonly common?: string
  readonly resume: boolean
  /** Where to write a contact sheet of the first crops before training. */
  readonly preview?: string | undefined
  /** How long, in place of the settings' `steps`. */
  readonly length?: Length
  readonly progress: Progress
  /** Told what was tried: targets that do not open here. */
  readonly tried?: (text: string) => void
  readonly stopping: () => boolean
  readonly judge: Judge
  /** Default: the target that the settings name. */
  readonly device?: TaskEither<Fault, Device>
}

/** A run with its data and its device open. */
export interface Open {
  readonly options: RunOptions
  readonly run: Resolved
  readonly data: TrainingSplit
  /** The same without what has no label: what features are judged on. */
  readonly judged: TrainingSplit
  readonly device: Device
  readonly surroundings: Surroundings & { readonly resume: boolean }
}

/** The same with everything traced. */
export interface Traced extends Open {
  readonly images: Imagery
  readonly assembled: Assembled
  /** Whether crops of some images are cut from more pixels than canvases hold. */
  readonly large: boolean
}
