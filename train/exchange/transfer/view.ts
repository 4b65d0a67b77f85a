/** How the network that a run goes on from sees images: the size and the statistics that its `preprocessor_config.json` states. */
import { dirname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import type { CropView } from '../preprocess.ts'
import { channelsOf, preprocessOf } from '../preprocess.ts'
import { imagenet } from '../../../data/augment/presets.ts'
import { whatIs } from '../../../data/formats/file.ts'
import type { Preprocessor } from '../huggingface/preprocessor.ts'
import { completed } from '../huggingface/preprocessor.ts'
import { baseAt, isAdapters } from '../model.ts'
import { processorOf } from '../huggingface/processor.ts'

/**
 * The shorter side of the images that reach the network, and the statistics that crops with values in 0..1 are normalised by: a rescaling
 * by another factor than 1/255 is put into them, as (g x - m) / s = (x - m/g) / (s/g). Without a size, `usual`.
 */
export const viewOf = (place: string, p: Preprocessor, usual: number): Either<Fault, CropView> =>
  pipe(
    preprocessOf(place, p, channelsOf(completed(p))),
    E.map(({ crop, resize, gain, mean, std }) => ({
      size:
        crop !== undefined
          ? Math.min(crop.height, crop.width)
          : resize.kind === 'shortest'
            ? resize.side
            : resize.kind === 'exact'
              ? Math.min(resize.height, resize.width)
              : usual,
      mean: mean.map((m) => m / gain),
      std: std.map((s) => s / gain),
    })),
  )

/** What the whole family is trained with, for weights that come without a processor. */
export const usualView = ({ image, channels }: { readonly image: number; readonly channels: number }): CropView => ({
  size: Math.min(224, image),
  ...(channels === 3 ? imagenet : { mean: [0.5], std: [0.5] }),
})

/**
 * What the folder at a path says, that which a file lies in, the model that adapters belong to, or the `huggingface` folder of a run;
 * none where nowhere is a processor. Faults: those of `preprocessOf`.
 */
export const viewAt = (path: string, usual: number, base?: string): TaskEither<Fault, Option<CropView>> =>
  pipe(
    whatIs(path),
    TE.chain((what) => {
      const read = (folder: string): TaskEither<Fault, Option<CropView>> =>
        pipe(
          processorOf(folder),
          TE.chainEitherK(
            O.match(
              () => E.right(O.none),
              (p) => pipe(viewOf(join(folder, 'preprocessor_config.json'), p, usual), E.map(O.some)),
            ),
          ),
        )
      if (what === 'file') return read(dirname(path))
      return pipe(
        TE.Do,
        TE.bind('own', () => read(path)),
        TE.bind('adapters', () => isAdapters(path)),
        TE.chain(({ own, adapters }) =>
          O.isSome(own)
            ? TE.right(own)
            : adapters
              ? pipe(
                  baseAt(path, base, () => undefined),
                  TE.chain((found) => viewAt(found, usual)),
                )
              : read(join(path, 'huggingface')),
        ),
      )
    }),
  )
