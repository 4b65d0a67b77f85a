/**
 * Members of a zip archive as sources of bytes. Small ones are unpacked into memory when they are first read, and their checksum is
 * compared; large ones that are stored plainly are read in place, and large packed ones are unpacked once into a file.
 */

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { lstat, mkdir, mkdtemp, readdir, realpath, rename, stat, unlink, utimes } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { crc32 } from 'node:zlib'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import yauzl from 'yauzl'
import type { Entry, ZipFile } from 'yauzl'
import { codeOf, fault, messageOf } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import type { Stamp } from './file.ts'
import { readAt, stamped, systemFault, withFile, withSameFile } from './file.ts'
import { allowedBytes, deflatable } from './limits.ts'

/** A member of an archive. */
export interface Member {
  readonly name: string
  /** Bytes once unpacked. */
  readonly length: number
  /** The first bytes, at most `n`. */
  readonly head: (n: number) => TaskEither<Fault, Uint8Array>
  /** Its content. Faults: a damaged archive, a wrong checksum, what the system refuses. */
  readonly content: TaskEither<Fault, Content>
}

/** Unpacked bytes: in memory that threads share, or in a file from `base` on; of a file that others may change, with its stamp. */
export type Content =
  | { readonly _tag: 'Memory'; readonly place: string; readonly bytes: Uint8Array }
  | { readonly _tag: 'File'; readonly path: string; readonly base: number; readonly stamp?: Stamp }

/** Bytes [offset, offset + n) of a content. Fault: it ends before. */
export const contentBytes =
  (c: Content) =>
  (offset: number, n: number): TaskEither<Fault, Uint8Array> => {
    if (c._tag === 'File') {
      const opened = c.stamp === undefined ? withFile('data', c.path) : withSameFile('data', c.path, c.stamp)
      return opened((handle) => readAt('data', c.path)(handle, c.base + offset, n))
    }
    return TE.fromEither(
      offset + n <= c.bytes.length
        ? E.right(c.bytes.subarray(offset, offset + n))
        : E.left(wrongArchive(c.place, `${c.bytes.length} bytes, where ${offset + n} belong`)),
    )
  }

export interface ZipOptions {
  /** Members up to this many bytes are kept in memory; 512 MiB by default. */
  readonly memoryBytes: number
  /** Bytes that one member may have once unpacked; 4 GiB by default. */
  readonly itemBytes?: number
  /** The folder for large members that are unpacked. */
  readonly folder: string
}

/** The fault of an archive that cannot be read. */
export const wrongArchive = (path: string, found: string): Fault =>
  fault('data', { place: path, found, allowed: 'a whole .npz archive of numeric arrays', remedy: 'copy or download the file again' })

const faultOf =
  (path: string) =>
  (e: unknown): Fault =>
    /^E[A-Z]+$/.test(codeOf(e)) ? systemFault('data', path)(e) : wrongArchive(path, `an archive that cannot be unpacked: ${messageOf(e)}`)

const openZip = (path: string): Promise<ZipFile> =>
  new Promise((resolve, reject) => {
    yauzl.open(path, { lazyEntries: true, autoClose: false }, (e, zip) => {
      if (e === null) resolve(zip)
      else reject(e)
    })
  })

const listEntries = (zip: ZipFile): Promise<ReadonlyArray<Entry>> =>
  new Promise((resolve, reject) => {
    const entries: Entry[] = []
    zip.on('entry', (e: Entry) => {
      entries.push(e)
      zip.readEntry()
    })
    zip.on('end', () => {
      resolve(entries)
    })
    zip.on('error', reject)
    zip.readEntry()
  })

/** Hands a member's pieces to `take` until it says no. Throws what the archive's reader and the unpacker throw. */
const stream = async (path: string, entry: Entry, take: (piece: Uint8Array) => boolean | Promise<boolean>): Promise<void> => {
  const zip = await openZip(path)
  try {
    const input = await new Promise<NodeJS.ReadableStream & { destroy: () => void }>((resolve, reject) => {
      zip.openReadStream(entry, (e, s) => {
        if (e === null) resolve(s)
        else reject(e)
      })
    })
    for await (const piece of input) {
      if (piece instanceof Uint8Array && !(await take(piece))) break
    }
    input.destroy()
  } finally {
    zip.close()
  }
}

const wrongSum = (entry: Entry): Error => new Error(`the checksum of ${entry.fileName} is wrong`)

const toMemory = async (path: string, entry: Entry): Promise<Uint8Array> => {
  const out = new Uint8Array(new SharedArrayBuffer(entry.uncompressedSize))
  let at = 0
  await stream(path, entry, (piece) => {
    out.set(piece.subarray(0, out.length - at), at)
    at += piece.length
    return at < out.length || piece.length === 0
  })
  if (at < out.length) throw new Error(`${entry.fileName} ends after ${at} of ${out.length} bytes`)
  if (crc32(out) !== entry.crc32) throw wrongSum(entry)
  return out
}

/** Days after which what was unpacked is unpacked again. */
const keptDays = 7

/** The checksum of a file. */
const sumOf = async (path: string): Promise<number> => {
  let sum = 0
  for await (const piece of createReadStream(path)) if (piece instanceof Uint8Array) sum = crc32(piece, sum)
  return sum
}

/** A folder that this user alone may enter: what lies there is read as what was unpacked. What has been there for long goes. */
const privateFolder = async (folder: string): Promise<string> => {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const [link, own] = [await lstat(folder), userInfo().uid]
  if (own !== -1 && (!link.isDirectory() || link.uid !== own || (link.mode & 0o077) !== 0)) return mkdtemp(`${folder}-`)
  const before = Date.now() - keptDays * 24 * 3600 * 1000
  for (const name of await readdir(folder)) {
    const file = join(folder, name)
    if ((await lstat(file)).mtimeMs < before) await unlink(file).catch(() => undefined)
  }
  return folder
}

/** Unpacks a member into a file whose name depends on the archive's path, size and time, unless it is there already, whole. */
const toFile = async (path: string, entry: Entry, asked: string): Promise<string> => {
  const folder = await privateFolder(asked)
  const [real, { size, mtimeMs }] = [await realpath(path), await stat(path)]
  const key = createHash('sha256').update([real, size, mtimeMs, entry.fileName, entry.crc32].join('\n')).digest('hex').slice(0, 32)
  const target = join(folder, key)
  const there = await lstat(target).catch(() => undefined)
  if (there?.isFile() === true && there.size === entry.uncompressedSize && (await sumOf(target)) === entry.crc32) {
    if (there.mtimeMs < Date.now() - 24 * 3600 * 1000) await utimes(target, new Date(), new Date())
    return target
  }
  const temporary = `${target}.${process.pid}.tmp`
  try {
    const out = createWriteStream(temporary, { mode: 0o600 })
    let sum = 0
    const failed = once(out, 'error').then(([e]) => {
      throw e
    })
    failed.catch(() => undefined)
    const write = async (piece: Uint8Array): Promise<boolean> => {
      sum = crc32(piece, sum)
      if (!out.write(piece)) await Promise.race([once(out, 'drain'), failed])
      return true
    }
    await stream(path, entry, write)
    out.end()
    await finished(out)
    if (sum !== entry.crc32) throw wrongSum(entry)
    await rename(temporary, target)
    return target
  } catch (e) {
    await unlink(temporary).catch(() => undefined)
    throw e
  }
}

const attempt =
  <A>(path: string, body: () => Promise<A>): TaskEither<Fault, A> =>
  async () => {
    try {
      return E.right(await body())
    } catch (e) {
      return E.left(faultOf(path)(e))
    }
  }

/** Where the bytes of a member of an uncompressed archive begin. */
const placeInFile = async (path: string, entry: Entry): Promise<number> => {
  const zip = await openZip(path)
  try {
    return await new Promise((resolve, reject) => {
      zip.readLocalFileHeader(entry, { minimal: true }, (e, h) => {
        if (e === null) resolve(h.fileDataStart)
        else reject(e)
      })
    })
  } finally {
    zip.close()
  }
}

/** What is stated of a member can be so. */
const believable = (path: string, entry: Entry, o: ZipOptions): Either<Fault, void> =>
  pipe(
    entry.compressionMethod === 8
      ? deflatable(entry.compressedSize, entry.uncompressedSize)
      : entry.compressedSize === entry.uncompressedSize
        ? E.right(undefined)
        : E.left(`${entry.uncompressedSize} bytes are stated of ${entry.compressedSize} stored ones`),
    E.mapLeft((found) => wrongArchive(`${path}: ${entry.fileName}`, found)),
    E.chain(() => allowedBytes(`${path}: ${entry.fileName}`, entry.uncompressedSize, o.itemBytes)),
  )

/** Where a member's bytes will be, decided when they are first asked for. */
const contentOf = async (path: string, stamp: Stamp, entry: Entry, o: ZipOptions): Promise<Content> => {
  if (entry.uncompressedSize <= o.memoryBytes)
    return { _tag: 'Memory', place: `${path}: ${entry.fileName}`, bytes: await toMemory(path, entry) }
  return entry.compressionMethod === 0
    ? { _tag: 'File', path, base: await placeInFile(path, entry), stamp }
    : { _tag: 'File', path: await toFile(path, entry, o.folder), base: 0 }
}

const memberOf = (path: string, stamp: Stamp, entry: Entry, o: ZipOptions): Member => {
  let content: Promise<Either<Fault, Content>> | undefined
  return {
    name: entry.fileName,
    length: entry.uncompressedSize,
    head: (n) =>
      attempt(path, async () => {
        const pieces: Uint8Array[] = []
        let length = 0
        await stream(path, entry, (piece) => {
          pieces.push(piece)
          length += piece.length
          return length < n
        })
        return Buffer.concat(pieces).subarray(0, n)
      }),
    content: () =>
      (content ??= pipe(
        TE.fromEither(believable(path, entry, o)),
        TE.chain(() => attempt(path, () => contentOf(path, stamp, entry, o))),
      )()),
  }
}

/** The members of an archive. Faults: no archive, a damaged directory, what the system refuses. */
export const zipMembers = (path: string, o: ZipOptions): TaskEither<Fault, ReadonlyArray<Member>> =>
  attempt(path, async () => {
    const stamp = await stamped(path)
    const zip = await openZip(path)
    try {
      return (await listEntries(zip)).map((e) => memberOf(path, stamp, e, o))
    } finally {
      zip.close()
    }
  })
