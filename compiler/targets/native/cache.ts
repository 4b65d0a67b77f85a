/**
 * Where compiled code is kept, and whether it may be loaded: what is in a library runs with all rights of the user. The folder is the
 * user's own and closed to others, and beside every library lies the digest of its bytes.
 */
import { createHash, randomUUID } from 'node:crypto'
import { chmod, lstat, mkdtemp, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { lstatSync, statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { homedir, tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { codeOf, messageOf } from '../../../core/fault.ts'
import { makeFolder } from '../../../core/folder.ts'

/** What a program does with a line for a person. */
export type Say = (text: string) => void

/** Lines for a person where no one else takes them. */
export const toTerminal: Say = (text) => {
  process.stderr.write(`${text}\n`)
}

/** The folder of a name that is asked for: below `XDG_CACHE_HOME`, or the cache of the user. */
export const cacheFolder = (name: string, env: Readonly<Record<string, string | undefined>> = process.env): string => {
  const given = env.XDG_CACHE_HOME
  return join(given === undefined || given === '' ? join(env.HOME ?? homedir(), '.cache') : given, 'dinograph', name)
}

const thereOr = async (path: string): Promise<Stats | undefined> => {
  try {
    return await stat(path)
  } catch (e) {
    if (codeOf(e) === 'ENOENT') return undefined
    throw e
  }
}

const self = (): number => userInfo().uid

/** Others may write. Windows has no such bits, and says -1 for users. */
const writableByOthers = (s: Stats): boolean => self() !== -1 && (s.mode & 0o022) !== 0

const notOurs = (s: Stats): boolean => self() !== -1 && s.uid !== self()

/**
 * Why what lies at `path`, within `folder`, may be another's: one of the folders on the way, or it itself, belongs to another user (root
 * aside), or others could write there. Nothing where it is the user's alone.
 */
export const untrusted = (folder: string, path: string): string | undefined => {
  if (self() === -1) return undefined
  const way = [folder]
  for (let at = path; at.length > folder.length; at = dirname(at)) way.push(at)
  // within a folder that no other user may enter it does not matter who could write
  let closed = false
  for (const at of way.sort((a, b) => a.length - b.length)) {
    for (const s of [lstatSync(at), statSync(at)]) {
      if (notOurs(s) && s.uid !== 0) return `${at} belongs to another user`
      if (!closed && !s.isSymbolicLink() && writableByOthers(s)) return `others could write in ${at}`
      closed ||= s.isDirectory() && s.uid === self() && (s.mode & 0o077) === 0
    }
  }
  return undefined
}

/** What folders begin with in which something is compiled. One that is left behind is of a process that was killed. */
export const making = 'making-'

/** Makes a folder that only this user may enter. A text: why it cannot be had. */
const ownFolder = async (name: string, path: string, say: Say): Promise<string | undefined> => {
  try {
    await makeFolder(path, 0o700)
    const [link, s] = [await lstat(path), await stat(path)]
    if (!s.isDirectory()) return `${path} is no folder`
    if (notOurs(link) || notOurs(s)) return `${path} belongs to another user`
    if (writableByOthers(s)) {
      // whatever lies there may have been put there by anybody, digests too
      say(`${name}: others could write in ${path}: it is emptied and closed to them`)
      await chmod(path, 0o700)
      for (const name of await readdir(path)) await rm(join(path, name), { recursive: true, force: true })
    } else if (self() !== -1 && (s.mode & 0o077) !== 0) await chmod(path, 0o700)
    const probe = await mkdtemp(join(path, making))
    await rm(probe, { recursive: true })
    return undefined
  } catch (e) {
    return messageOf(e)
  }
}

/** Milliseconds that a file system may take to answer. */
const patience = 20_000

/** The folder of compiled code: the one that is asked for; where that cannot be had, or does not answer, a private one, which is said. */
export const openCache = async (name: string, say: Say): Promise<string> => {
  const wanted = cacheFolder(name)
  const timer: { id?: ReturnType<typeof setTimeout> } = {}
  const late = new Promise<string>((done) => {
    timer.id = setTimeout(() => {
      done(`${wanted} does not answer`)
    }, patience)
  })
  const why = await Promise.race([ownFolder(name, wanted, say), late])
  clearTimeout(timer.id)
  if (why === undefined) return wanted
  const lasting = join(tmpdir(), `dinograph-${name}-${self()}`)
  const folder = (await ownFolder(name, lasting, say)) === undefined ? lasting : await mkdtemp(join(tmpdir(), `dinograph-${name}-`))
  say(`${name}: compiled code is kept in ${folder}, as the cache cannot be used: ${why}; XDG_CACHE_HOME names another place`)
  return folder
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Where the digest of a library's bytes lies. */
export const digestFile = (library: string): string => library.replace(/\.so$/, '.sha256')

/** Whether a library is the one that was put there: nothing at all, or something else. */
export const stateOf = async (library: string): Promise<'whole' | 'absent' | 'damaged'> => {
  try {
    const [bytes, digest] = [await readFile(library), await readFile(digestFile(library), 'utf8')]
    return digest.trim() === digestOf(bytes) ? 'whole' : 'damaged'
  } catch {
    return (await thereOr(library).catch(() => undefined)) === undefined ? 'absent' : 'damaged'
  }
}

/** Forces a file, or a folder's entries, to the disk. */
const synced = async (path: string): Promise<void> => {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Writes a file whole or not at all: aside, forced to the disk, renamed. */
export const writeWhole = async (path: string, bytes: Uint8Array | string): Promise<void> => {
  const own = `${path}.${process.pid}.${randomUUID().slice(0, 8)}`
  try {
    const handle = await open(own, 'w', 0o600)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(own, path)
  } catch (e) {
    await rm(own, { force: true }).catch(() => undefined)
    throw e
  }
}

/** Puts a library that was compiled aside in its place, with the digest of its bytes. */
export const putLibrary = async (own: string, library: string): Promise<void> => {
  await synced(own)
  await writeWhole(digestFile(library), `${digestOf(await readFile(own))}\n`)
  await rename(own, library)
}
