/** How a run sees whole images, as `preprocessor_config.json` says it: the same in its folder, in what it writes and what is exported. */
import { join } from 'node:path'
import { last } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import type { Assembled } from '../run/assembly.ts'
import type { Preprocessor } from './huggingface/preprocessor.ts'
import { processorOf } from './huggingface/processor.ts'
import { preprocessorOfCrops } from './preprocess.ts'

/** A statistic of every channel of the images; one number for all where the augmentation has another number of channels. */
const perChannel = (values: ReadonlyArray<number>, channels: number): ReadonlyArray<number> =>
  values.length === channels
    ? values
    : Array.from({ length: channels }, () => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length))

/** As the run evaluates them, so that figures of what is written are those of the run. */
export const preprocessorOfRun = ({ phases }: Assembled, channels: number): Preprocessor => {
  const {
    normalisation: { mean, std },
    global: { size },
  } = last(phases).crops.augmentation
  return preprocessorOfCrops({ size, mean: perChannel(mean, channels), std: perChannel(std, channels) })
}

/** What a run's folder says: at its top since 0.2, else beside what it has written. */
export const seenBy = (folder: string): TaskEither<Fault, O.Option<Preprocessor>> =>
  pipe(
    processorOf(folder),
    TE.chain((own) => (O.isSome(own) ? TE.right(own) : processorOf(join(folder, 'huggingface')))),
  )
