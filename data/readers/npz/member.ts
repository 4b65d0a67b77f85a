/** Arrays of an archive, or in files of their own: headers that are checked, and numbers that are read when they are asked for. */
import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { readAt, stamped, withFile, withSameFile } from '../../formats/file.ts'
import { sharedBytes } from '../../formats/memory.ts'
import { npyHeader, npyHeaderBytes, rowMajor } from '../../formats/npy.ts'
import type { NpyHeader } from '../../formats/npy.ts'
import { countOf } from '../../formats/tensor.ts'
import { contentBytes, wrongArchive } from '../../formats/zip.ts'
import type { Content, Member } from '../../formats/zip.ts'
import { labelsBeside, named } from './names.ts'

/** An array whose header has been read. */
export interface NpyArray {
  readonly place: string
  readonly header: NpyHeader
  /** Its numbers, row-major. */
  readonly content: TaskEither<Fault, Content>
}

/** What comes after the first `n` bytes. */
const after =
  (n: number) =>
  (c: Content): Content =>
    c._tag === 'File' ? { ...c, base: c.base + n } : { ...c, bytes: c.bytes.subarray(n) }

/** The fault of an array that is whole, and of a type that is not read. */
const notNumbers = (place: string, found: string): Fault =>
  fault('data', {
    place,
    found,
    allowed: 'whole numbers, floats, or texts of labels',
    remedy: 'write it as an array of one type, for example images of one size by np.savez(FILE, images=np.stack(images).astype("float32"))',
  })

/** Reads a member's header and checks that its bytes are as many as its shape says. */
export const arrayOf = (path: string, m: Member, memoryBytes: number): TaskEither<Fault, NpyArray> => {
  const place = `${path}: ${m.name}`
  return pipe(
    m.head(npyHeaderBytes),
    TE.chainEitherK((head) =>
      E.mapLeft((found: string) => (/NumPy's type/.test(found) ? notNumbers : wrongArchive)(place, found))(npyHeader(head)),
    ),
    TE.chainEitherK((header): Either<Fault, NpyArray> => {
      const bytes = countOf(header.shape) * header.bytes
      if (m.length !== header.offset + bytes)
        return E.left(wrongArchive(place, `${m.length - header.offset} bytes for ${header.type}[${header.shape.join(', ')}]`))
      if (!header.fortran) return E.right({ place, header, content: pipe(m.content, TE.map(after(header.offset))) })
      if (bytes > memoryBytes)
        return E.left(wrongArchive(place, `a column-major array of ${bytes} bytes, too large to be turned in memory`))
      let turned: Promise<Either<Fault, Content>> | undefined
      const turn = pipe(
        m.content,
        TE.chain((c) => contentBytes(c)(header.offset, bytes)),
        TE.map((all): Content => ({ _tag: 'Memory', place, bytes: sharedBytes(rowMajor(header, all)) })),
      )
      return E.right({ place, header, content: () => (turned ??= turn()) })
    }),
  )
}

/** A .npy file, with that of its labels where there is one. */
export const besides = async (path: string): Promise<ReadonlyArray<string>> => {
  if (named(path, basename(path).replace(/\.npy$/i, '')).role !== 'images') return [path]
  const folder = dirname(path)
  const names = await readdir(folder).catch((): ReadonlyArray<string> => [])
  const labels = labelsBeside(names).get(basename(path))
  return labels === undefined ? [path] : [path, join(folder, labels)]
}

/** A .npy file as the only member of an archive. */
export const bareMember = (path: string): TaskEither<Fault, Member> =>
  withFile(
    'data',
    path,
  )(async (_, length) => {
    const stamp = await stamped(path)
    return E.right({
      name: basename(path),
      length,
      head: (n: number) => withSameFile('data', path, stamp)((handle) => readAt('data', path)(handle, 0, Math.min(n, length))),
      content: TE.right<Fault, Content>({ _tag: 'File', path, base: 0, stamp }),
    })
  })
