/** Parquet files as the library wants them: parts of a file that it asks for. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { AsyncBuffer } from 'hyparquet'
import { fault, messageOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { readAt, withFile } from '../../formats/file.ts'

/** The fault of a file that is damaged. */
export const wrongTable = (place: string, found: string): Fault =>
  fault('data', {
    place,
    found,
    allowed: 'a whole Parquet file',
    remedy:
      'copy or download the file again, or skip what cannot be read (command data: --on-error skip; training: --set data.onError=skip)',
  })

/** Hands a file to the library, which reads parts of it. What it throws is a fault of the file. */
export const withTable = <A>(path: string, use: (file: AsyncBuffer) => Promise<Either<Fault, A>>): TaskEither<Fault, A> =>
  withFile(
    'data',
    path,
  )(async (handle, length) => {
    try {
      return await use({
        byteLength: length,
        slice: async (start, end = length) => {
          const bytes = await readAt('data', path)(handle, start, end - start)
          if (E.isLeft(bytes)) throw new Error(bytes.left.found)
          return bytes.right.buffer
        },
      })
    } catch (e) {
      return E.left(wrongTable(path, `a table that cannot be read: ${messageOf(e)}`))
    }
  })
