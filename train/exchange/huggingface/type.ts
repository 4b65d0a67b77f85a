/** What a folder's `config.json` says that it is. */
import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { whatIs } from '../../../data/formats/file.ts'
import { readJson } from '../../../data/formats/json.ts'

/** Its `model_type`; none where there is no such file, or it says none. Fault: a file that is no JSON. */
export const modelTypeAt = (folder: string): TaskEither<Fault, O.Option<string>> => {
  const file = join(folder, 'config.json')
  return pipe(
    whatIs(file),
    TE.chain((what) => (what === 'file' ? readJson(file, t.UnknownRecord) : TE.right(O.none))),
    TE.map(O.chain(({ model_type: type }) => (typeof type === 'string' ? O.some(type) : O.none))),
  )
}
