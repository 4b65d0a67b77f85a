/** The file that Node was started with: whether a module is it, and how it is typed again. */
import { realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import { isUnderTsx } from '../../core/command.ts'

/** A file by its name on the disk, from `import.meta.url` or, in CommonJS, `__filename`. */
const fileOf = (module: string): string => realpathSync(module.startsWith('file:') ? fileURLToPath(module) : module)

/** The file that a word of a command line names: through links, and with the ending that Node finds where it has none. */
const namedBy = (word: string): string | undefined => {
  try {
    return createRequire(import.meta.url).resolve(word)
  } catch {
    return undefined
  }
}

/** Whether a module is the program that was started; for a worker thread, which imports it, nothing is. */
export const isProgram = (module: string, started: string | undefined = process.argv[1]): boolean =>
  isMainThread && started !== undefined && namedBy(started) === fileOf(module)

/** A word of a command line, quoted for a shell where it has to be. */
export const quoted = (word: string): string => (/^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

/** How a program is typed: `npx tsx examples/dinov2.ts`, or `node dist/mine.js` where it was compiled or Node reads TypeScript itself. */
export const startedAs = (file: string = process.argv[1] ?? '', execArgv: ReadonlyArray<string> = process.execArgv): string =>
  `${isUnderTsx(execArgv) ? 'npx tsx' : 'node'} ${quoted(relative(process.cwd(), file))}`
