/** Pictures of where a network looks. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../../compiler/target.ts'
import type { Expr } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Dataset, Image } from '../../../data/readers/dataset.ts'
import { subset } from '../../../data/readers/subset.ts'
import { blend, contactSheet, enlarge, heatMap, visible, writePng } from '../../../data/readers/pictures/picture.ts'
import { shrunk } from './pictures.ts'
import { unitItem } from '../evaluate/encoder.ts'
import { extractor } from '../evaluate/features.ts'
import type { FeatureProgram } from '../../run/assembly.ts'

export interface AttentionOptions {
  readonly images: number
  readonly heads: number
}

/** Larger images are shown shrunk to this, along their longer side. */
const largest = 448

/**
 * One row of tiles per image: the image, then for every head where the class token of the last block looks, from its
 * attention `[heads, 1 + N, 1 + N]`: row 0 without the columns of the class token itself and of registers (dino `visualize_attention.py`).
 */
const tiles = (shown: Image, attention: Float32Array, heads: number): Either<Fault, ReadonlyArray<Image>> => {
  const tokens = Math.round(Math.sqrt(attention.length / heads))
  // what is no square of patches are the class token and registers, which come first
  const grid = Math.floor(Math.sqrt(tokens - 1))
  const scale = Math.max(1, Math.round(112 / Math.max(shown.height, shown.width)))
  const maps = Array.from({ length: heads }, (_, h) =>
    attention.subarray(h * tokens * tokens + tokens - grid * grid, h * tokens * tokens + tokens),
  )
  return pipe(
    enlarge(scale)(visible(shown)),
    E.chain((big) =>
      pipe(
        maps,
        E.traverseArray((m) =>
          pipe(
            heatMap({ height: grid, width: grid, scale: Math.max(1, Math.floor(big.height / grid)) })(m),
            E.chain((heat) => (heat.height === big.height && heat.width === big.width ? blend(0.6, heat)(big) : E.right(heat))),
          ),
        ),
        E.map((heats) => [big, ...heats]),
      ),
    ),
  )
}

/** Writes attention maps of the first images of a data set as one PNG. */
export const attentionSheet = (
  device: Device,
  p: FeatureProgram,
  attention: Expr,
  d: Dataset,
  path: string,
  o: AttentionOptions,
): TaskEither<Fault, void> =>
  pipe(
    TE.Do,
    TE.bind('some', () =>
      TE.fromEither(
        subset(
          Array.from({ length: Math.min(o.images, d.length) }, (_, i) => i),
          d.name,
        )(d),
      ),
    ),
    TE.bind('look', () => extractor(device, p, attention)),
    TE.bind('rows', ({ look, some }) => look.rows(some)),
    TE.bind('all', ({ some, rows }) =>
      // one after the other: of a large image only what is shown is held
      pipe(
        Array.from({ length: some.length }, (_, i) => i),
        TE.traverseSeqArray((i) =>
          pipe(
            unitItem(some, i),
            TE.chainEitherK(({ image }) => tiles(shrunk(largest)(image), rows.data.subarray(i * rows.dim, (i + 1) * rows.dim), o.heads)),
          ),
        ),
      ),
    ),
    TE.chainEitherK(({ all }) => contactSheet({ columns: o.heads + 1, gap: 4 })(all.flat())),
    TE.chain(writePng(path)),
  )
