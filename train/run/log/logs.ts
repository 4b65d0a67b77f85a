/** Where the numbers of a run go: always `metrics.jsonl`, and what else its settings ask for. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { stringify } from 'yaml'
import type { Fault } from '../../../core/fault.ts'
import type { Runtime } from '../../config/common.ts'
import { openEvents } from './events.ts'
import type { Log, Tracked } from './log.ts'
import { openMetrics } from './metrics.ts'
import { openMlflow } from './mlflow.ts'
import { openWandb } from './wandb.ts'

export interface LogOptions extends Omit<Tracked, 'now'> {
  readonly runtime: Runtime
}

/** All of them as one, each called in turn; they are closed all of them, whatever one of them cannot do. */
export const everyLog = (logs: ReadonlyArray<Log>): Log => {
  const each = (f: (l: Log) => TaskEither<Fault, void>): TaskEither<Fault, void> =>
    pipe(
      logs,
      TE.traverseSeqArray(f),
      TE.map(() => undefined),
    )
  return {
    append: (record) => each((l) => l.append(record)),
    settle: each((l) => l.settle),
    close: (ending) => async () => {
      const closed: Array<E.Either<Fault, void>> = []
      for (const l of logs) closed.push(await l.close(ending)())
      return closed.find(E.isLeft) ?? E.right(undefined)
    },
  }
}

/** Opens all that the settings ask for. Faults: what the system or a server refuses. */
export const openLogs =
  (o: LogOptions): TaskEither<Fault, Log> =>
  async () => {
    const { tensorboard, mlflow, wandb } = o.runtime
    const now = (): number => Date.now()
    const metrics = await openMetrics(join(o.out, 'metrics.jsonl'), o.resumeAt)()
    if (E.isLeft(metrics)) return metrics
    const { append, settle, close } = metrics.right
    const logs: Array<Log> = [{ append, settle, close: () => close }]
    const others = [
      ...(tensorboard ? [openEvents({ ...o, config: `\`\`\`yaml\n${stringify(o.config)}\`\`\``, now: () => now() / 1000 })] : []),
      ...(mlflow === null ? [] : [openMlflow({ ...o, ...mlflow, now, environment: process.env })]),
      ...(wandb === null ? [] : [openWandb({ ...o, ...wandb, now })]),
    ]
    for (const open of others) {
      const log = await open()
      if (E.isLeft(log)) return log
      logs.push(log.right)
    }
    return E.right(everyLog(logs))
  }
