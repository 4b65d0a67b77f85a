/** The processor of a folder, wherever it keeps it: `preprocessor_config.json`, or within `processor_config.json` of newer versions. */
import { dirname, join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { readJson } from '../../../data/formats/json.ts'
import { nullIsAbsent } from '../../../models/huggingface/codec.ts'
import type { Preprocessor } from './preprocessor.ts'
import { classOf, preprocessorCodec, processorClass } from './preprocessor.ts'
import { modelTypeAt } from './type.ts'

const nested = nullIsAbsent(t.partial({ image_processor: preprocessorCodec }))

/** A processor that names no class is that of the model beside it. */
const classed =
  (folder: string) =>
  (found: O.Option<Preprocessor>): TaskEither<Fault, O.Option<Preprocessor>> =>
    O.isNone(found) || classOf(found.value) !== ''
      ? TE.right(found)
      : pipe(
          modelTypeAt(folder),
          TE.map((type) =>
            pipe(
              type,
              O.chainNullableK(processorClass),
              O.map((name): Preprocessor => ({ ...found.value, image_processor_type: name })),
              O.alt((): O.Option<Preprocessor> => found),
            ),
          ),
        )

export const processorOf = (folder: string): TaskEither<Fault, O.Option<Preprocessor>> =>
  pipe(
    readJson(join(folder, 'preprocessor_config.json'), preprocessorCodec),
    TE.chain((own) =>
      O.isSome(own)
        ? TE.right(own)
        : pipe(readJson(join(folder, 'processor_config.json'), nested), TE.map(O.chain((p) => O.fromNullable(p.image_processor)))),
    ),
    TE.chain(classed(folder)),
  )

/** A processor beside a file of weights that says nothing of pictures itself, and that it is taken. */
export const processorBeside = (
  file: string,
): TaskEither<Fault, { readonly preprocessor: Preprocessor | undefined; readonly notes: ReadonlyArray<string> }> =>
  pipe(
    processorOf(dirname(file)),
    TE.map((found) => ({
      preprocessor: O.toUndefined(found),
      notes: O.isSome(found) ? ['pictures are seen as the preprocessor_config.json beside the file says'] : [],
    })),
  )
