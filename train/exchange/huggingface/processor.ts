/** The processor of a folder, wherever it keeps it: `preprocessor_config.json`, or within `processor_config.json` of newer versions. */
import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { readJson } from '../../../data/formats/json.ts'
import { nullIsAbsent } from '../../../models/huggingface/codec.ts'
import type { Preprocessor } from './preprocessor.ts'
import { preprocessorCodec } from './preprocessor.ts'

const nested = nullIsAbsent(t.partial({ image_processor: preprocessorCodec }))

export const processorOf = (folder: string): TaskEither<Fault, O.Option<Preprocessor>> =>
  pipe(
    readJson(join(folder, 'preprocessor_config.json'), preprocessorCodec),
    TE.chain((own) =>
      O.isSome(own)
        ? TE.right(own)
        : pipe(readJson(join(folder, 'processor_config.json'), nested), TE.map(O.chain((p) => O.fromNullable(p.image_processor)))),
    ),
  )
