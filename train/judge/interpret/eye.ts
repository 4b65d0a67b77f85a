/** A trained network with one program to look through: at a few images whole, and for the class tokens of many. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../../compiler/target.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Dataset, Image } from '../../../data/readers/dataset.ts'
import { subset } from '../../../data/readers/subset.ts'
import { encoder, outputOf, preparedSize } from '../evaluate/encoder.ts'
import type { Frozen } from '../evaluate/network.ts'
import type { Rows } from '../evaluate/neighbours.ts'
import type { Seen } from './look.ts'
import { seenIn } from './look.ts'
import type { ReadSubjects } from './subject.ts'
import { subjects } from './subject.ts'

export interface Eye {
  readonly frozen: Frozen
  /** Items as it sees them. */
  readonly subjects: ReadSubjects
  /** Looks at images in 0..1 that are framed as the network sees them. */
  readonly look: (images: ReadonlyArray<Image>) => TaskEither<Fault, ReadonlyArray<Seen>>
  /** Class tokens, a row for each item. */
  readonly rows: (d: Dataset) => TaskEither<Fault, Rows>
}

/** Items whose attention is held at once, while only their class tokens are wanted. */
const atOnce = 100

/** Compiles the network whose weights lie under `root`. Faults: as `encoder`. */
export const openEye = (device: Device, frozen: Frozen, root: string): TaskEither<Fault, Eye> =>
  pipe(
    encoder(device, frozen, root, (look) => ({ cls: look.cls, attention: look.attention, patches: look.patches })),
    TE.map((coder): Eye => ({
      frozen,
      subjects: subjects(frozen),
      look: (images) =>
        images.length === 0
          ? TE.right([])
          : pipe(
              coder.encodeFramed(images),
              TE.chainEitherK((e) =>
                pipe(
                  images.map((image, i) => [image, i] as const),
                  E.traverseArray(([image, i]) => seenIn(frozen, 'correct the size in preprocessor_config.json')(e, image, i)),
                ),
              ),
            ),
      rows: (d) =>
        pipe(
          Array.from({ length: Math.ceil(d.length / atOnce) }, (_, k) =>
            Array.from({ length: Math.min(atOnce, d.length - k * atOnce) }, (__, i) => k * atOnce + i),
          ),
          TE.traverseSeqArray((indices) =>
            pipe(
              TE.fromEither(subset(indices)(d)),
              TE.chain((part) => coder.encode(part)),
              TE.map((e) => outputOf(e, 'cls').data),
            ),
          ),
          TE.map((parts): Rows => {
            const data = new Float32Array(d.length * frozen.width)
            parts.forEach((part, k) => {
              data.set(part, k * atOnce * frozen.width)
            })
            return { data, dim: frozen.width }
          }),
        ),
    })),
  )

/** Multiply-adds of one image, nearly: every weight once for every token. */
export const costOf = (f: Frozen): Either<Fault, number> =>
  pipe(
    preparedSize(f.place, f.preprocess),
    E.map(({ height, width }) => {
      const tokens = 1 + (height * width) / f.patch ** 2
      return tokens * [...f.weights.values()].reduce((sum, w) => sum + w.length, 0)
    }),
  )
