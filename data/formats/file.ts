/**
 * Files: replaced as a whole or not at all, read at positions, and with the system's errors explained.
 * A file is written under a temporary name in the same folder, forced to the disk, renamed, and the folder is forced
 * to the disk: after a crash at any moment either the old or the new content is there, never a part.
 */

import { open, rename, stat, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { codeOf, fault, messageOf } from '../../core/fault.ts'
import type { Fault, FaultKind } from '../../core/fault.ts'
import { makeFolder, syncFolder } from '../../core/folder.ts'

/** A piece of a file, made when its turn comes. */
export type Chunk = () => Uint8Array

/** Bytes of one read or write call: the system takes no more than 2 GiB at once. */
const pieceBytes = 64 * 1024 * 1024

const remedies: ReadonlyMap<string, readonly [allowed: string, remedy: string]> = new Map([
  ['ENOENT', ['an existing path', 'check the path for a typing error']],
  ['EACCES', ['a path with access', 'change its permissions, or choose another path']],
  ['EPERM', ['a path with access', 'change its permissions, or choose another path']],
  ['ENOSPC', ['a disk with room', 'free space on the disk, or choose a folder on another one']],
  ['EDQUOT', ['a disk with room', 'free space within the quota, or choose a folder on another disk']],
  ['EFBIG', ['a file size that the system permits', 'raise the file size limit, or write less']],
  ['EROFS', ['a writable disk', 'choose a folder on a writable disk']],
  ['EISDIR', ['a file', 'name a file, not a folder']],
  ['EEXIST', ['a folder, or a path where nothing is', 'name another path: a file is there']],
  ['ENOTDIR', ['a folder', 'name a folder, not a file']],
  ['EMFILE', ['fewer open files', 'raise the limit of open files (ulimit -n)']],
  ['EIO', ['a working disk', 'check the disk']],
])

const memory = ['what memory holds', 'make room in memory, or leave the file out'] as const

/** Whether an engine has said that an array cannot be made. */
const isNoMemory = (e: unknown): boolean => e instanceof RangeError && messageOf(e) !== e.message

/** A system error as a fault. */
export const systemFault =
  (kind: FaultKind, place: string) =>
  (e: unknown): Fault => {
    const known = remedies.get(codeOf(e)) ?? (isNoMemory(e) ? memory : ['an operation that the system carries out', 'see the reason above'])
    return fault(kind, { place, found: messageOf(e), allowed: known[0], remedy: known[1] })
  }

/** Whether there is such a file, a folder, or nothing. */
export const whatIs =
  (path: string): TaskEither<Fault, 'file' | 'folder' | 'nothing'> =>
  async () => {
    try {
      return E.right((await stat(path)).isDirectory() ? 'folder' : 'file')
    } catch (e) {
      // below a file there is nothing
      return ['ENOENT', 'ENOTDIR'].includes(codeOf(e)) ? E.right('nothing') : E.left(systemFault('io', path)(e))
    }
  }

/** Runs effects; what they throw (the file system, a library) becomes a fault at `place`. */
export const guarded =
  (kind: FaultKind, place: string) =>
  <A>(body: () => Promise<Either<Fault, A>>): TaskEither<Fault, A> =>
  async () => {
    try {
      return await body()
    } catch (e) {
      return E.left(systemFault(kind, place)(e))
    }
  }

const writeAll = async (handle: FileHandle, bytes: Uint8Array): Promise<void> => {
  let done = 0
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(bytes.length - done, pieceBytes))
    done += bytesWritten
  }
}

/** Makes a folder with its parents, as a task. Faults: what the system refuses. */
export const folderMade = (path: string): TaskEither<Fault, void> =>
  guarded(
    'io',
    path,
  )(async () => {
    await makeFolder(path)
    return E.right(undefined)
  })

/** The name under which `path` is written before it is renamed. A crash may leave it behind; it is never read. */
export const temporaryOf = (path: string): string => join(dirname(path), `.${basename(path)}.tmp`)

/**
 * Replaces the file at `path` by the chunks, atomically; missing folders are made. One writer per path at a time.
 * Faults: whatever the system refuses; the old file, if there was one, is then unchanged and no temporary file stays.
 * (Only where the folder itself cannot be forced to the disk, which comes last, the new file is there all the same.)
 */
export const writeFile =
  (kind: FaultKind, path: string) =>
  (chunks: Iterable<Chunk>): TaskEither<Fault, void> =>
    guarded(
      kind,
      path,
    )(async () => {
      const temporary = temporaryOf(path)
      await makeFolder(dirname(path))
      try {
        const handle = await open(temporary, 'w')
        try {
          for (const chunk of chunks) await writeAll(handle, chunk())
          await handle.sync()
        } finally {
          await handle.close()
        }
        await rename(temporary, path)
      } catch (e) {
        await unlink(temporary).catch(() => undefined)
        return E.left(systemFault(kind, path)(e))
      }
      await syncFolder(dirname(path))
      return E.right(undefined)
    })

/** The same of a text. */
export const writeText = (path: string, text: string): TaskEither<Fault, void> =>
  writeFile('io', path)([() => new TextEncoder().encode(text)])

/** Opens a file for reading, hands it to `use`, and closes it whatever happens. */
export const withFile =
  (kind: FaultKind, path: string) =>
  <A>(use: (handle: FileHandle, length: number) => Promise<Either<Fault, A>>): TaskEither<Fault, A> =>
    guarded(
      kind,
      path,
    )(async () => {
      const handle = await open(path, 'r')
      try {
        const { size } = await handle.stat()
        return await use(handle, size)
      } finally {
        await handle.close()
      }
    })

/** What tells a file that was looked at from another one in its place: its length, and when it was written. */
export type Stamp = string

const stampOf = ({ size, mtimeMs }: Stats): Stamp => `${size} ${mtimeMs}`

/** The stamp of a file; throws what the system refuses. */
export const stamped = async (path: string): Promise<Stamp> => stampOf(await stat(path))

/**
 * Opens a file again of which it is known what lies where. Fault: it is not the one that was looked at, whose bytes would be read as what
 * they are not.
 */
export const withSameFile =
  (kind: FaultKind, path: string, stamp: Stamp) =>
  <A>(use: (handle: FileHandle, length: number) => Promise<Either<Fault, A>>): TaskEither<Fault, A> =>
    withFile(
      kind,
      path,
    )(async (handle, length) =>
      stampOf(await handle.stat()) === stamp
        ? use(handle, length)
        : E.left(
            fault(kind, {
              place: path,
              found: 'a file that has changed since it was listed',
              allowed: 'files that stay as they are while they are read',
              remedy: 'put it back as it was, or begin anew with the files as they are now',
            }),
          ),
    )

/** Reads exactly `length` bytes at `position`. Left: the file ends before. */
export const readAt =
  (kind: FaultKind, path: string) =>
  async (handle: FileHandle, position: number, length: number): Promise<Either<Fault, Uint8Array<ArrayBuffer>>> => {
    const bytes = new Uint8Array(length)
    let done = 0
    while (done < length) {
      const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, pieceBytes), position + done)
      if (bytesRead === 0) {
        return E.left(
          fault(kind, {
            place: path,
            found: `the end of the file at byte ${position + done}`,
            allowed: `at least ${position + length} bytes`,
            remedy: 'the file is truncated: copy or write it again',
          }),
        )
      }
      done += bytesRead
    }
    return E.right(bytes)
  }
