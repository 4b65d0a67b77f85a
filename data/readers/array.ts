/** Images of one size in memory. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { sharedFloats } from '../formats/memory.ts'
import { isIndex, outside } from './dataset.ts'
import type { Dataset, Image } from './dataset.ts'
import { originOf } from './origin.ts'
import { reopener } from './reader.ts'

/** Images of one size in one array [length, channels, height, width]; `labels[i]` < 0 stands for no label. */
export interface ImageArray {
  readonly name: string
  readonly channels: number
  readonly height: number
  readonly width: number
  readonly range: readonly [number, number]
  readonly images: Float32Array
  readonly labels: Int32Array
  readonly classes: ReadonlyArray<string>
}

const origin = originOf<ImageArray>('array')

/** A dataset in memory. Items are copies. Fault: the arrays' lengths do not fit each other. */
export const arrayDataset = (a: ImageArray): Either<Fault, Dataset> => {
  const { name, channels, height, width, range, images, labels, classes } = a
  const length = labels.length
  const size = channels * height * width
  if (images.length !== length * size) {
    return E.left(
      fault('data', {
        place: name,
        found: `${images.length} values and ${length} labels for images [${channels}, ${height}, ${width}]`,
        allowed: `${length * size} values`,
        remedy: 'give as many labels as there are images, -1 where there is none',
      }),
    )
  }
  const label = (i: number): Option<number> => (isIndex(i, length) && labels[i] >= 0 ? O.some(labels[i]) : O.none)
  return E.right({
    name,
    length,
    channels,
    range,
    classes,
    label,
    origin: () => Promise.resolve(E.right(origin.of({ ...a, images: sharedFloats(images) }, true))),
    item: (i) => {
      if (!isIndex(i, length)) return TE.left(outside(name, i, length))
      const image: Image = { channels, height, width, data: images.slice(i * size, (i + 1) * size) }
      return TE.right({ image, source: `${name}/${i}`, ...(labels[i] >= 0 ? { label: labels[i] } : {}) })
    },
  })
}

export const array = reopener(origin, (parts) => TE.fromEither(arrayDataset(parts)))
