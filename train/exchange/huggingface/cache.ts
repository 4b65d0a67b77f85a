/**
 * The cache of hubs, as Python's huggingface_hub lays it out:
 *
 *     models--OWNER--NAME/blobs/DIGEST            the bytes of a file, named by sha256 (large files) or by git's sha1
 *     models--OWNER--NAME/blobs/DIGEST.incomplete as far as they came
 *     models--OWNER--NAME/snapshots/COMMIT/FILE   a link to its blob
 *     models--OWNER--NAME/refs/REVISION           the commit of a branch or tag, written when all files are there
 */
import { createHash } from 'node:crypto'
import { copyFile, open, readFile, readdir, rename, stat, symlink, unlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { codeOf, fault, messageOf } from '../../../core/fault.ts'
import { makeFolder } from '../../../core/folder.ts'
import { guarded, systemFault, writeText } from '../../../data/formats/file.ts'

export const storageOf = (cache: string, name: string): string => join(cache, `models--${name.replace('/', '--')}`)

/** A file of a model as a hub describes it. */
export interface RemoteFile {
  readonly path: string
  readonly size: number
  /** sha256 of the bytes where it has 64 digits, else git's sha1. */
  readonly digest: string
  readonly url: string
}

/** Where files are asked for. */
export interface Source {
  readonly repo: string
  readonly hubUrl: string
  readonly fetch: typeof fetch
}

const sizeAt = (path: string): Promise<number | undefined> =>
  stat(path).then(
    (s) => s.size,
    () => undefined,
  )

/** The digest of a file by the kind of digest that is expected. */
const digestOf = async (path: string, f: RemoteFile): Promise<string> => {
  const hash = f.digest.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${f.size}\0`)
  const handle = await open(path, 'r')
  try {
    for await (const piece of handle.createReadStream({ autoClose: false })) if (piece instanceof Uint8Array) hash.update(piece)
    return hash.digest('hex')
  } finally {
    await handle.close()
  }
}

/** Appends what is missing of a file to what came before; gives how much is there, and what stopped it. */
const more = async (
  source: Source,
  f: RemoteFile,
  partial: string,
): Promise<{ readonly size: number; readonly stopped: string | undefined }> => {
  const handle = await open(partial, 'a')
  let size = (await handle.stat()).size
  try {
    const { downloadFile } = await import('@huggingface/hub')
    const whole = await downloadFile({ ...source, path: f.path, xet: false, downloadInfo: { size: f.size, etag: f.digest, url: f.url } })
    if (whole === null) return { size, stopped: 'the hub has no such file' }
    const rest: ReadableStream<Uint8Array> = (size === 0 ? whole : whole.slice(size, f.size)).stream()
    const reader = rest.getReader()
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      await handle.write(piece.value)
      size += piece.value.length
    }
    await handle.sync()
    return { size, stopped: undefined }
  } catch (e) {
    return { size, stopped: e instanceof Error && e.cause instanceof Error ? `${e.message}: ${e.cause.message}` : messageOf(e) }
  } finally {
    await handle.close()
  }
}

/** Interruptions in a row without a single byte before a download is given up. */
const patience = 3

const megabytes = (n: number): string => `${(n / 1e6).toFixed(1)} MB`

/** The bytes of a file, from what is there to the end, across interruptions. */
const complete = async (source: Source, f: RemoteFile, partial: string, say: (text: string) => void): Promise<Fault | undefined> => {
  const place = `${source.repo}: ${f.path}`
  let have = (await sizeAt(partial)) ?? 0
  if (have > f.size) {
    await unlink(partial)
    have = 0
  }
  say(have === 0 ? `downloading ${f.path}, ${megabytes(f.size)}` : `continuing ${f.path} at ${megabytes(have)} of ${megabytes(f.size)}`)
  for (let tries = 0; have < f.size;) {
    const { size, stopped } = await more(source, f, partial)
    tries = size > have ? 0 : tries + 1
    have = size
    if (have < f.size && tries === patience)
      return fault('io', {
        place,
        found: `${stopped ?? 'the end of the answer'} at byte ${have} of ${f.size}`,
        allowed: 'a network that lasts until the end',
        remedy: 'run the command again: it continues where it stopped',
      })
    if (have < f.size) say(`interrupted at ${megabytes(have)} of ${megabytes(f.size)} (${stopped ?? 'the answer ended'}): continuing`)
  }
  return undefined
}

/** Links a snapshot's file to its blob; where links are not allowed (Windows), copies it. */
const link = async (blob: string, pointer: string): Promise<void> => {
  await makeFolder(dirname(pointer))
  await unlink(pointer).catch(() => undefined)
  try {
    await symlink(relative(dirname(pointer), blob), pointer)
  } catch (e) {
    if (codeOf(e) !== 'EPERM') throw e
    await copyFile(blob, pointer)
  }
}

/**
 * Makes sure that a snapshot has a file, downloading what is missing of it. Faults: a network that breaks off; other bytes than
 * described; the disk's.
 */
export const keep = (
  cache: string,
  commit: string,
  source: Source,
  f: RemoteFile,
  say: (text: string) => void,
): TaskEither<Fault, void> => {
  const storage = storageOf(cache, source.repo)
  const [blob, pointer] = [join(storage, 'blobs', f.digest), join(storage, 'snapshots', commit, f.path)]
  return guarded(
    'io',
    blob,
  )(async () => {
    if ((await sizeAt(pointer)) === f.size) return E.right(undefined)
    if ((await sizeAt(blob)) !== f.size) {
      await makeFolder(dirname(blob))
      const partial = `${blob}.incomplete`
      const broken = await complete(source, f, partial, say)
      if (broken !== undefined) return E.left(broken)
      const digest = await digestOf(partial, f)
      if (digest !== f.digest) {
        await unlink(partial)
        return E.left(
          fault('io', {
            place: `${source.repo}: ${f.path}`,
            found: `bytes with the digest ${digest}`,
            allowed: `those that the hub describes, ${f.digest}`,
            remedy: 'run the command again: the file is downloaded anew',
          }),
        )
      }
      await rename(partial, blob)
    }
    await link(blob, pointer)
    return E.right(undefined)
  })
}

const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision)

/** Says which commit a branch or tag is. */
export const setRef = (cache: string, id: { readonly name: string; readonly revision: string }, commit: string): TaskEither<Fault, void> =>
  isCommit(id.revision)
    ? async () => Promise.resolve(E.right(undefined))
    : writeText(join(storageOf(cache, id.name), 'refs', id.revision), commit)

/** The folder of a revision in the cache, where it is there and whole. */
export const cachedSnapshot =
  (
    cache: string,
    id: { readonly name: string; readonly revision: string },
    whole: (files: ReadonlyArray<string>) => boolean,
  ): TaskEither<Fault, Option<string>> =>
  async () => {
    const storage = storageOf(cache, id.name)
    try {
      const commit = isCommit(id.revision) ? id.revision : (await readFile(join(storage, 'refs', id.revision), 'utf8')).trim()
      const folder = join(storage, 'snapshots', commit)
      return E.right(whole(await readdir(folder)) ? O.some(folder) : O.none)
    } catch (e) {
      return codeOf(e) === 'ENOENT' ? E.right(O.none) : E.left(systemFault('io', storage)(e))
    }
  }
