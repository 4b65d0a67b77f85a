/** Files of JSON. */
import { readFile } from 'node:fs/promises'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type * as t from 'io-ts'
import { codeOf, fault, messageOf } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { decodeAs } from './codec.ts'
import { systemFault, writeText } from './file.ts'

/** A JSON file, decoded; none where there is no such file. Faults name the file and the path of the first wrong value. */
export const readJson =
  <A>(path: string, codec: t.Type<A, unknown>): TaskEither<Fault, Option<A>> =>
  async () => {
    try {
      const text = await readFile(path, 'utf8')
      const parsed = E.tryCatch(
        (): unknown => JSON.parse(text),
        (e) => fault('data', { place: path, found: messageOf(e), allowed: 'JSON', remedy: 'export or download the file again' }),
      )
      return pipe(parsed, E.chain(decodeAs(codec, 'data', path, 'correct the value, or export or download the file again')), E.map(O.some))
    } catch (e) {
      return codeOf(e) === 'ENOENT' ? E.right(O.none) : E.left(systemFault('data', path)(e))
    }
  }

/**
 * Writes JSON with sorted keys, as transformers does. Whole numbers under `floats` are written as `1.0`: newer versions of transformers
 * refuse an integer where a float belongs.
 */
export const writeJson = (
  path: string,
  value: Readonly<Record<string, unknown>>,
  floats: ReadonlyArray<string> = [],
): TaskEither<Fault, void> => {
  const sorted = Object.fromEntries(
    Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
  const text = JSON.stringify(sorted, null, 2).replaceAll(
    /^( {2}"(\w+)": -?\d+)(,?)$/gm,
    (line: string, start: string, key: string, end: string) => (floats.includes(key) ? `${start}.0${end}` : line),
  )
  return writeText(path, `${text}\n`)
}
