/** A plugin's file: what it is known by, and what its readers are to worker threads. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { systemFault } from '../../data/formats/file.ts'
import { threaded } from '../../data/readers/threaded.ts'
import type { Note } from '../config/plugins.ts'
import type { Loaded } from '../recipes/added.ts'
import type { Plugin } from '../recipes/plugin.ts'

/** What a file imports by relative paths, as they are written: `from './blur.ts'`, `import('./blur.js')`, `require('./blur')`. */
const importsIn = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/(?:\bfrom|\bimport|\brequire)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g)].map((m) => m[1])

/** The file that such a path means: as it is, TypeScript under the name of what it becomes, or without an ending. */
const meant = (path: string): string | undefined =>
  [path, path.replace(/\.([cm]?)js$/, '.$1ts'), ...['.ts', '.js', '.json', '/index.ts', '/index.js'].map((end) => path + end)].find(
    (p) => /\.\w+$/.test(p) && existsSync(p),
  )

/**
 * The SHA-256 of a file and of all that it imports by relative paths, each with its path from that file: what it computes follows from
 * these, and from the packages that it names. And the SHA-256 of each by this path, to say which of them is another.
 */
export const digestsOf = async (file: string): Promise<Required<Omit<Note, 'file'>>> => {
  const root = resolve(file)
  const texts = new Map<string, string>()
  const left = [root]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (texts.has(next)) continue
    const text = await readFile(next, 'utf8')
    texts.set(next, text)
    for (const path of importsIn(text)) {
      const found = meant(resolve(dirname(next), path))
      if (found !== undefined) left.push(found)
    }
  }
  const sorted = [...texts].map(([p, text]) => [relative(dirname(root), p), text] as const).sort(([a], [b]) => (a < b ? -1 : 1))
  const hash = createHash('sha256')
  for (const [path, text] of sorted) hash.update(`${path === basename(root) ? '' : path}\0${text.length}\0${text}`)
  return {
    sha256: hash.digest('hex'),
    files: Object.fromEntries(sorted.map(([path, text]) => [path, createHash('sha256').update(text).digest('hex')])),
  }
}

/** A plugin that was read from a file. Fault: the file, or one that it imports, cannot be read. */
export const loadedFrom = (file: string, plugin: Plugin): TaskEither<Fault, Loaded> => {
  const url = pathToFileURL(resolve(file)).href
  return pipe(
    TE.tryCatch(() => digestsOf(file), systemFault('io', file)),
    TE.map((digests) => ({
      plugin: {
        ...plugin,
        // worker threads find a reader in what the file exports
        readers: Object.fromEntries(
          Object.entries(plugin.readers).map(([name, open]) => [name, threaded(url, `default.readers.${name}`, open)]),
        ),
      },
      file,
      note: { file: basename(file), ...digests },
    })),
  )
}
