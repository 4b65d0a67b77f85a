/** What an evaluation of a frozen network is given, and what it comes to. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../../compiler/target.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import type { Progress } from '../../run/log/progress.ts'
import type { KnnOptions } from './knn.ts'
import type { LogisticOptions } from './logistic.ts'
import type { Rows } from './neighbours.ts'
import type { Frozen } from './network.ts'
import type { Parts } from './parts.ts'
import type { ProbeOptions } from './probe.ts'

export interface EvaluationOptions {
  readonly knn: Pick<KnnOptions, 'k' | 'temperature' | 'votes'> & { readonly leaveOneOut: boolean }
  readonly probe: ProbeOptions
  readonly logistic: LogisticOptions
}

/** A network whose weights lie under `root` on a device, and data to evaluate it with. */
export interface Evaluated {
  readonly device: Device
  readonly frozen: Frozen
  readonly root: string
  readonly parts: Parts
  readonly progress: Progress
  readonly options: EvaluationOptions
  /** Class tokens, where they are known or come in another way than by the network on the device. */
  readonly classTokens?: (d: Dataset) => TaskEither<Fault, Rows>
}

export interface Result {
  /** One row for each line of a table; the first column names it. */
  readonly table: ReadonlyArray<Readonly<Record<string, string | number>>>
  /** The numbers that stand for it: `top1`, `acc`, `auc`, … */
  readonly metrics: Readonly<Record<string, number>>
  /** Which of what was tried the numbers are of, where the table has several: `k = 20`. */
  readonly of?: string
  /** Of two classes the one that is looked for, whose share that is found is the sensitivity. */
  readonly positive?: string
  /** All else that a program would want. */
  readonly details: Readonly<Record<string, unknown>>
}

/** What its numbers are of, in words behind them; nothing where they need none. */
export const ofWhich = ({ of, positive }: Result): string =>
  `${of === undefined ? '' : ` at ${of}`}${positive === undefined ? '' : ` (looking for ${positive})`}`

export type Evaluation = (e: Evaluated) => TaskEither<Fault, Result>
