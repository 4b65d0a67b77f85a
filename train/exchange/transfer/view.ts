/** How the network that a run goes on from sees images: the size and the statistics that its `preprocessor_config.json` states. */
import { join } from 'node:path'
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
import { readJson } from '../../../data/formats/json.ts'
import type { Preprocessor } from '../huggingface/preprocessor.ts'
import { completed, preprocessorCodec } from '../huggingface/preprocessor.ts'

/**
 * The shorter side of the images that reach the network, and the statistics that crops with values in 0..1 are normalised by: a rescaling by another
 * factor than 1/255 is put into them, as (g x - m) / s = (x - m/g) / (s/g). Without a size, `usual`.
 */
const viewOf = (place: string, p: Preprocessor, usual: number): Either<Fault, CropView> => pipe(
  preprocessOf(place, p, channelsOf(completed(p))),
  E.map(({ crop, resize, gain, mean, std }) => ({
    size: crop !== undefined ? Math.min(crop.height, crop.width) : resize.kind === 'shortest' ? resize.side : resize.kind === 'exact' ? Math.min(resize.height, resize.width) : usual,
    mean: mean.map((m) => m / gain), std: std.map((s) => s / gain),
  })),
)

/** What the folder at a path says, or the `huggingface` folder of a run; none where neither has the file. Faults: those of `preprocessOf`. */
export const viewAt = (path: string, usual: number): TaskEither<Fault, Option<CropView>> => {
  const [own, exported] = [path, join(path, 'huggingface')].map((folder) => join(folder, 'preprocessor_config.json'))
  const read = (file: string): TaskEither<Fault, Option<CropView>> => pipe(
    readJson(file, preprocessorCodec),
    TE.chainEitherK(O.match(() => E.right(O.none), (p) => pipe(viewOf(file, p, usual), E.map(O.some)))),
  )
  return pipe(read(own), TE.chain((found) => (O.isSome(found) ? TE.right(found) : read(exported))))
}
