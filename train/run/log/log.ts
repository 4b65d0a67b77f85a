/** A log of a run: it receives the numbers of every step, and how the run ended. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import type { Json } from '../../../data/formats/codec.ts'
import type { RunEnding } from '../ending.ts'
import type { StepRecord } from './metrics.ts'

/** How a run ended: as its training did, or by a fault. */
export type Ending = RunEnding | 'failed'

/** What a tracker is told of a run. */
export interface Tracked {
  /** The run's folder and name. */
  readonly out: string
  readonly name: string
  readonly config: Json
  /** Steps up to this one stay, of a run that is continued. */
  readonly resumeAt: number | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly say: (text: string) => void
}

/** Something that receives the numbers of every step. */
export interface Log {
  readonly append: (record: StepRecord) => TaskEither<Fault, void>
  /** What was appended stays, whatever happens now: forced to the disk, or sent. Called before what was trained is saved. */
  readonly settle: TaskEither<Fault, void>
  readonly close: (ending: Ending) => TaskEither<Fault, void>
}
