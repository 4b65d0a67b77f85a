/** Datasets of a program's own functions that other threads open too: they import the file in which such a function is, and call it. */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { fault, messageOf } from '../../core/fault.ts'
import { isUnderTsx } from '../../core/command.ts'
import type { Dataset } from './dataset.ts'
import { originOf } from './origin.ts'
import { reopener } from './reader.ts'

/** What opens a dataset from plain data: a path, or a record of settings. */
export type Open<P> = (parts: P) => TaskEither<Fault, Dataset>

/** A function that a file exports, and what it is called with. */
interface Called {
  readonly module: string
  /** With dots where it lies within what is exported: `default.readers.raw`. */
  readonly name: string
  readonly parts: unknown
  /** Whether tsx reads the program that it is part of. */
  readonly isUnderTsx: boolean
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
        // what reads TypeScript here has to there, too
        const isTypeScript = isUnderTsx() || /\.[cm]?tsx?$/.test(url)
        return { ...d, origin: TE.right(origin.of({ module: url, name, parts, isUnderTsx: isTypeScript })) }
      }),
    )

const property = (u: unknown, name: string): unknown => (typeof u === 'object' && u !== null ? Reflect.get(u, name) : undefined)

/** What a file exports under a name; of a file in CommonJS all lies below `default`. */
const exported = (file: unknown, name: string): unknown => {
  const within = (u: unknown): unknown => name.split('.').reduce(property, u)
  return within(file) ?? within(property(file, 'default'))
}

const called = (f: unknown): void => {
  if (typeof f === 'function') Reflect.apply(f, undefined, [])
}

/** Lets tsx read what this thread imports, as it reads the file's program: tsx of that project, in both kinds of modules. */
const readByTsx = async (module: string): Promise<void> => {
  const require = createRequire(module)
  called(exported(require('tsx/cjs/api'), 'register'))
  // `require` finds the half that is for it; that for `import` lies beside it
  called(exported(await import(pathToFileURL(require.resolve('tsx/esm/api').replace(/\.cjs$/, '.mjs')).href), 'register'))
}

const isOpen = (u: unknown): u is Open<unknown> => typeof u === 'function'

const missing = ({ module, name }: Called, found: string): Fault =>
  fault('data', {
    place: `worker thread of ${module}`,
    found,
    allowed: `a file that exports the function ${name}, and can be imported by other threads`,
    remedy: `export const ${name} = threaded(import.meta.url, '${name}', …) at the top of that file, or set workers to 0`,
  })

export const threadedView = reopener(origin, (c): TaskEither<Fault, Dataset> => async () => {
  try {
    if (c.isUnderTsx) await readByTsx(c.module)
    const open = exported(await import(c.module), c.name)
    return isOpen(open) ? await open(c.parts)() : E.left(missing(c, `no function ${c.name} among its exports`))
  } catch (e) {
    return E.left(missing(c, messageOf(e)))
  }
})
