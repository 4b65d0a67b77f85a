/** Folders that are there after a crash: what the rooms with files of their own share. The one file here that touches the disk. */
import { mkdir, open, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { codeOf } from './fault.ts'

/** What file systems say that cannot force a folder to the disk, as some of networks: they keep its names by themselves, or not at all. */
const cannotBeForced: ReadonlySet<string> = new Set(['EINVAL', 'EBADF', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

/** Forces a folder's entries to the disk, where its file system can. Windows has no such call and needs none. */
export const syncFolder = async (path: string): Promise<void> => {
  if (process.platform === 'win32') return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } catch (e) {
    if (!cannotBeForced.has(codeOf(e))) throw e
  } finally {
    await handle.close()
  }
}

const isFolder = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isDirectory() === true

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/**
 * Makes a folder with its parents, each forced to the disk; throws what the system refuses. `mode`: who may enter those that are made, by
 * default whoever the process lets. One by one: Node's own recursion never ends where a file system says of a new folder that there is no
 * such path, as /proc does, and says so itself of folders on a read-only disk.
 */
export const makeFolder = async (path: string, mode?: number): Promise<void> => {
  if (await isFolder(path)) return
  const missing: Array<string> = [resolve(path)]
  for (let at = dirname(missing[0]); !(await isThere(at)) && at !== dirname(at); at = dirname(at)) missing.push(at)
  for (const folder of missing.reverse()) {
    try {
      await mkdir(folder, mode === undefined ? {} : { mode })
    } catch (e) {
      // made by another process in the meantime
      if (codeOf(e) !== 'EEXIST' || !(await isFolder(folder))) throw e
    }
    await syncFolder(dirname(folder))
  }
}
