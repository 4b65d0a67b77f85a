/** What a run's network said before it was trained, of the images whose neighbours the report shows: `beginning.safetensors`. */
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import type { Task } from 'fp-ts/lib/Task.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { readSafetensors, writeSafetensors } from '../../../data/formats/safetensors.ts'
import type { HostTensor } from '../../../data/formats/tensor.ts'
import { floatTensor } from '../../../data/formats/tensor.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import type { Split } from '../../../data/readers/split.ts'
import type { Judged, Tokens } from '../../run/judge.ts'
import type { Rows } from '../evaluate/neighbours.ts'
import type { Sample } from './sample.ts'
import { drawnOrder, mostShown } from './sample.ts'

const pathIn = (folder: string): string => join(folder, 'beginning.safetensors')

/** Of the images of a part, `tokens [n, D]`, those that a report may show, in its order. */
const chosen = (d: Dataset, seed: number, { data, dim }: Tokens): HostTensor => {
  const order = drawnOrder(d, seed).subarray(0, mostShown)
  const cls = new Float32Array(order.length * dim)
  order.forEach((i, row) => {
    cls.set(data.subarray(i * dim, (i + 1) * dim), row * dim)
  })
  return floatTensor([order.length, dim], cls)
}

const parts = ['train', 'test'] as const

/** Which images they are of: the same order is drawn of the same ones. */
const stamp = (split: Split): Readonly<Record<string, string>> =>
  Object.fromEntries(parts.map((part) => [part, `${split[part].length} of ${split[part].name}`]))

export const noteBeginning = (folder: string, split: Split, seed: number, tokens: Judged['tokens']): TaskEither<Fault, void> =>
  writeSafetensors(pathIn(folder))({
    tensors: new Map(parts.map((part) => [part, chosen(split[part], seed, tokens[part])])),
    metadata: stamp(split),
  })

/** The rows of a sample's images, where they were noted of the same data; nothing where not. */
export const readBeginning = (folder: string, split: Split, { of, shown }: Sample): Task<Rows | undefined> =>
  pipe(
    readSafetensors(pathIn(folder)),
    TE.match(
      () => undefined,
      ({ tensors, metadata }) => {
        const cls = tensors.get(of)
        if (cls?.shape.length !== 2 || cls.shape[0] < shown.length || metadata[of] !== stamp(split)[of]) return undefined
        const [, dim] = cls.shape
        return { data: Float32Array.from(cls.data.subarray(0, shown.length * dim)), dim }
      },
    ),
  )
