/** What a plugin writes to standard error while it is loaded and opened, which nothing of it can turn off: kept in a file. */
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { koffi } from '../foreign.ts'

/** The file is begun again when it has grown to this size. */
const mostBytes = 1 << 20

const sizeOf = (path: string): number => {
  try {
    return statSync(path).size
  } catch {
    return 0
  }
}

const opened = (path: string): number | undefined => {
  try {
    mkdirSync(dirname(path), { recursive: true })
    return openSync(path, sizeOf(path) > mostBytes ? 'w' : 'a')
  } catch {
    return undefined
  }
}

/**
 * Does a piece of work, all of it now, with what is written to standard error going into a file. Where the file cannot be written, or the
 * system has no file descriptors, the lines are seen instead.
 */
export const withLog = <A>(path: string, work: () => A): A => {
  const file = process.platform === 'win32' ? undefined : opened(path)
  if (file === undefined) return work()
  const c = koffi.load(null)
  const duplicate: (fd: number) => unknown = c.func('int dup(int fd)')
  const over: (from: number, to: number) => unknown = c.func('int dup2(int from, int to)')
  const saved = Number(duplicate(2))
  over(file, 2)
  try {
    return work()
  } finally {
    over(saved, 2)
    closeSync(saved)
    closeSync(file)
  }
}
