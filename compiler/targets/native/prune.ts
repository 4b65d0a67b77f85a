/** The cache is kept small: what no run has used for thirty days goes when something new is put in. */
import { readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { making } from './cache.ts'

const days = 30

/** Hours after which what is being made is not being made any more: its process was killed. */
const hours = 1

/** What is on its way to a name of the cache: folders in which something is compiled, and files that are renamed when they are whole. */
const isUnderWay = (file: string): boolean => file.startsWith(making) || /\.\d+\.[0-9a-f]{8}(?:\.|$)/.test(file)

/** Says that these files were used now. Where that cannot be written down they only go sooner. */
export const markUsed = async (paths: ReadonlyArray<string>): Promise<void> => {
  const now = new Date()
  await Promise.all(paths.map((p) => utimes(p, now, now).catch(() => undefined)))
}

/** A library and its text have one name, up to the first dot, and go together. */
const stemOf = (file: string): string => file.slice(0, Math.max(0, file.indexOf('.')))

/**
 * Removes what was used last before `days` days, and what killed compilers have left; says how many files that were. What another process
 * removes meanwhile is gone too.
 */
export const prune = async (folder: string, now: number = Date.now()): Promise<number> => {
  const files = await readdir(folder).catch((): ReadonlyArray<string> => [])
  const usedAt = await Promise.all(
    files.map((f) =>
      stat(join(folder, f)).then(
        (s) => s.mtimeMs,
        () => 0,
      ),
    ),
  )
  const last = new Map<string, number>()
  files.forEach((f, i) => last.set(stemOf(f), Math.max(last.get(stemOf(f)) ?? 0, usedAt[i])))
  const old = files.filter((f, i) =>
    isUnderWay(f) ? usedAt[i] < now - hours * 3600 * 1000 : (last.get(stemOf(f)) ?? now) < now - days * 24 * 3600 * 1000,
  )
  await Promise.all(old.map((f) => rm(join(folder, f), { recursive: true, force: true }).catch(() => undefined)))
  return old.length
}
