/** Datasets of a program's own functions that other threads open too: they import the file in which such a function is, and call it. */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { codeOf, fault, messageOf } from '../../core/fault.ts'
import { isRecord } from '../formats/codec.ts'
import type { Dataset } from './dataset.ts'
import { originOf } from './origin.ts'
import { reopener } from './reader.ts'

/** What opens a dataset from plain data: a path, or a record of settings. */
export type Open<P> = (parts: P) => TaskEither<Fault, Dataset>

/** A function that a file exports, and what it is called with. */
interface Called {
  readonly module: string
  readonly name: string
  readonly parts: unknown
}

const origin = originOf<Called>('threaded')

/**
 * The same function, whose datasets worker threads open too: `export const openRaw = threaded(import.meta.url, 'openRaw', (dir: string) =>
 * …)`. `module` is the file that exports it under `name`, which threads import: what is made there without being called is made in each.
 * What the function is called with is plain data.
 */
export const threaded =
  <P>(module: string, name: string, open: Open<P>): Open<P> =>
  (parts) =>
    pipe(
      open(parts),
      TE.map((d): Dataset => {
        const url = module.startsWith('file:') ? module : pathToFileURL(module).href
        return { ...d, origin: TE.right(origin.of({ module: url, name, parts })) }
      }),
    )

/** A file as its program loads it: with tsx of its own project, where Node itself does not read it. */
const imported = async (module: string): Promise<unknown> => {
  try {
    return await import(module)
  } catch (e) {
    if (codeOf(e) !== 'ERR_UNKNOWN_FILE_EXTENSION') throw e
    const tsx: unknown = await import(pathToFileURL(createRequire(module).resolve('tsx/esm/api')).href)
    if (!isRecord(tsx) || typeof tsx['register'] !== 'function') throw e
    Reflect.apply(tsx['register'], undefined, [])
    return import(module)
  }
}

const isOpen = (u: unknown): u is Open<unknown> => typeof u === 'function'

/** What a file exports under a name; a file that was compiled to CommonJS has it below `default` as well. */
const exported = (file: unknown, name: string): unknown => (typeof file === 'object' && file !== null ? Reflect.get(file, name) : undefined)

const missing = ({ module, name }: Called, found: string): Fault =>
  fault('data', {
    place: `worker thread of ${module}`,
    found,
    allowed: `a file that exports the function ${name}, and can be imported by other threads`,
    remedy: `export const ${name} = threaded(import.meta.url, '${name}', …) at the top of that file, or set workers to 0`,
  })

export const threadedView = reopener(origin, (called): TaskEither<Fault, Dataset> => async () => {
  try {
    const open = exported(await imported(called.module), called.name)
    return isOpen(open) ? await open(called.parts)() : E.left(missing(called, `no function ${called.name} among its exports`))
  } catch (e) {
    return E.left(missing(called, messageOf(e)))
  }
})
