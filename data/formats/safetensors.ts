/**
 * safetensors files (huggingface/safetensors, format 0.x): the length n of the header as 8 little-endian bytes, n bytes
 * of JSON padded with spaces, and the tensors' bytes, row-major and little-endian. Written files are canonical: tensors
 * in order of element size (largest first), then name, so that every tensor is aligned to its elements.
 */

import type { FileHandle } from 'node:fs/promises'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { faultsOf } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { elementNames, elements, tensorOfBytes, writerOf } from './element.ts'
import { readAt, systemFault, withFile, writeFile } from './file.ts'
import type { Chunk } from './file.ts'
import { maxHeaderBytes, parseHeader, reservedName, unknownType } from './header.ts'
import type { SafetensorsIndex, TensorEntry } from './header.ts'
import type { Stored } from './stored.ts'
import { countOf } from './tensor.ts'
import type { HostTensor, HostTensors } from './tensor.ts'

/** What a safetensors file holds. Hugging Face's loaders want `metadata.format` to be `'pt'`. */
export interface Safetensors {
  readonly tensors: HostTensors
  readonly metadata: Readonly<Record<string, string>>
}

/** A file's bytes as chunks that are made one at a time, and their total. */
export interface Layout {
  readonly length: number
  readonly chunks: ReadonlyArray<Chunk>
}

const prefixBytes = 8

const wrong = faultsOf('data')

const damaged = 'the file is damaged or of another kind: copy, export or download it again'

/** The length that the first 8 bytes state. */
const headerLength = (place: string, prefix: Uint8Array, total: number): Either<Fault, number> => {
  if (prefix.length < prefixBytes) return E.left(wrong(place, `${prefix.length} bytes`, 'at least 8 bytes', damaged))
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefixBytes)
  const n = view.getUint32(0, true) + view.getUint32(4, true) * 4294967296
  if (n > maxHeaderBytes) return E.left(wrong(place, `a header of ${n} bytes`, `at most ${maxHeaderBytes} bytes`, damaged))
  if (n > total - prefixBytes)
    return E.left(wrong(place, `a header of ${n} bytes in a file of ${total}`, 'a header within the file', damaged))
  return E.right(n)
}

const tensorOf = (file: string, entry: TensorEntry, buffer: ArrayBuffer): Either<Fault, HostTensor> =>
  entry.dtype === undefined
    ? E.left(unknownType(file, entry))
    : pipe(
        tensorOfBytes(entry.dtype, entry.shape, buffer),
        E.mapLeft((found) => wrong(`${file}: ${entry.name}`, found, 'values that the element type holds exactly', damaged)),
      )

/** The index of a whole file in memory. Faults: every way in which a header can be wrong, see `parseHeader`. */
export const indexOf =
  (file: string) =>
  (bytes: Uint8Array): Either<Fault, SafetensorsIndex> =>
    pipe(
      headerLength(file, bytes.subarray(0, prefixBytes), bytes.length),
      E.chain((n) => parseHeader(file)(bytes.subarray(prefixBytes, prefixBytes + n), bytes.length - prefixBytes - n)),
    )

/** Decodes a whole file in memory; nothing of `bytes` is shared. `file` names it in faults. */
export const decodeSafetensors =
  (file: string) =>
  (bytes: Uint8Array): Either<Fault, Safetensors> =>
    pipe(
      indexOf(file)(bytes),
      E.chain((index) =>
        E.flatten(
          E.tryCatch(
            (): Either<Fault, Safetensors> => {
              const start = bytes.length - index.bodyBytes
              const tensors = new Map<string, HostTensor>()
              for (const entry of index.entries) {
                const own = new Uint8Array(entry.end - entry.begin)
                own.set(bytes.subarray(start + entry.begin, start + entry.end))
                const tensor = tensorOf(file, entry, own.buffer)
                if (E.isLeft(tensor)) return tensor
                tensors.set(entry.name, tensor.right)
              }
              return E.right({ tensors, metadata: index.metadata })
            },
            systemFault('data', file),
          ),
        ),
      ),
    )

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const bytesPerElement = (t: HostTensor): number => elements[elementNames[t.dtype]].bytes

/** The tensors in the order of the file: widest elements first, then by name. */
const ordered = (tensors: HostTensors): ReadonlyArray<readonly [string, HostTensor]> =>
  [...tensors].sort(([a, x], [b, y]) => bytesPerElement(y) - bytesPerElement(x) || compareText(a, b))

/**
 * Lays a file out. The tensors' bytes are made when their chunk is asked for, so that no second copy of a model is held.
 * Faults: a shape that does not fit its array, a value or type that cannot be stored, a reserved name, a huge header.
 */
export const layOut =
  (file: string) =>
  (contents: Safetensors): Either<Fault, Layout> => {
    const items: string[] = []
    const chunks: Chunk[] = []
    const metadata = Object.entries(contents.metadata)
    if (metadata.length > 0) {
      items.push(`"${reservedName}":{${metadata.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(',')}}`)
    }
    let at = 0
    for (const [name, tensor] of ordered(contents.tensors)) {
      const place = `${file}: ${name}`
      if (name === reservedName) return E.left(wrong(place, `a tensor called ${name}`, 'any other name', 'rename the tensor'))
      if (!tensor.shape.every((d) => Number.isSafeInteger(d) && d >= 0) || countOf(tensor.shape) !== tensor.data.length) {
        const found = `${tensor.data.length} values for the shape [${tensor.shape.join(', ')}]`
        return E.left(wrong(place, found, 'as many values as the shape has elements', 'give the tensor the shape of its array'))
      }
      const writer = writerOf(tensor)
      if (E.isLeft(writer)) {
        return E.left(wrong(place, writer.left, 'a value that the element type holds', 'convert the tensor to another type first'))
      }
      const end = at + tensor.data.length * bytesPerElement(tensor)
      const entry = { dtype: elementNames[tensor.dtype], shape: tensor.shape, data_offsets: [at, end] }
      items.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`)
      chunks.push(writer.right)
      at = end
    }
    const text = new TextEncoder().encode(`{${items.join(',')}}`)
    const padded = Math.ceil(text.length / 8) * 8
    if (padded > maxHeaderBytes) {
      return E.left(wrong(file, `a header of ${padded} bytes`, `at most ${maxHeaderBytes} bytes`, 'split the tensors over several files'))
    }
    const head = new Uint8Array(prefixBytes + padded).fill(0x20)
    new DataView(head.buffer).setUint32(0, padded, true)
    head.fill(0, 4, prefixBytes)
    head.set(text, prefixBytes)
    return E.right({ length: head.length + at, chunks: [() => head, ...chunks] })
  }

/** Encodes a whole file in memory. Faults: as `layOut`. Law: decoding it gives the same tensors and metadata. */
export const encodeSafetensors = (contents: Safetensors): Either<Fault, Uint8Array> =>
  pipe(
    layOut('safetensors')(contents),
    E.map(({ length, chunks }) => {
      const bytes = new Uint8Array(length)
      let at = 0
      for (const chunk of chunks) {
        const piece = chunk()
        bytes.set(piece, at)
        at += piece.length
      }
      return bytes
    }),
  )

/** Where in an open file a safetensors part lies, what it is called in faults, and who else wants its bytes in order. */
export interface Part {
  readonly file: string
  readonly start: number
  readonly length: number
  readonly seen: (bytes: Uint8Array) => void
}

const readIndex = async (handle: FileHandle, part: Part): Promise<Either<Fault, SafetensorsIndex>> => {
  const read = readAt('data', part.file)
  const prefix = await read(handle, part.start, Math.min(prefixBytes, part.length))
  if (E.isLeft(prefix)) return prefix
  part.seen(prefix.right)
  const n = headerLength(part.file, prefix.right, part.length)
  if (E.isLeft(n)) return n
  const header = await read(handle, part.start + prefixBytes, n.right)
  if (E.isLeft(header)) return header
  part.seen(header.right)
  return parseHeader(part.file)(header.right, part.length - prefixBytes - n.right)
}

/** Reads a safetensors part of an open file, tensor by tensor; `seen` gets every byte of it once, in order. */
export const readPart = async (handle: FileHandle, part: Part): Promise<Either<Fault, Safetensors>> => {
  const index = await readIndex(handle, part)
  if (E.isLeft(index)) return index
  const start = part.start + part.length - index.right.bodyBytes
  const tensors = new Map<string, HostTensor>()
  for (const entry of index.right.entries) {
    const bytes = await readAt('data', part.file)(handle, start + entry.begin, entry.end - entry.begin)
    if (E.isLeft(bytes)) return bytes
    part.seen(bytes.right)
    const tensor = tensorOf(part.file, entry, bytes.right.buffer)
    if (E.isLeft(tensor)) return tensor
    tensors.set(entry.name, tensor.right)
  }
  return E.right({ tensors, metadata: index.right.metadata })
}

const unwatched = (): void => undefined

/** Reads a file. Files beyond 2 GiB are fine; a tensor may have up to 4 GiB. Faults name the file and the tensor. */
export const readSafetensors = (path: string): TaskEither<Fault, Safetensors> =>
  withFile('data', path)((handle, length) => readPart(handle, { file: path, start: 0, length, seen: unwatched }))

/** Reads only what a file holds: names, types, shapes and metadata. */
export const readSafetensorsIndex = (path: string): TaskEither<Fault, SafetensorsIndex> =>
  withFile('data', path)((handle, length) => readIndex(handle, { file: path, start: 0, length, seen: unwatched }))

/**
 * Opens a file: its tensors are read when they are asked for, so that what is not wanted costs nothing. Faults: as `parseHeader`; later
 * those of a tensor.
 */
export const openSafetensors = (path: string): TaskEither<Fault, Stored> =>
  pipe(
    withFile(
      'data',
      path,
    )(async (handle, length) =>
      pipe(
        await readIndex(handle, { file: path, start: 0, length, seen: unwatched }),
        E.map((index) => ({ index, start: length - index.bodyBytes })),
      ),
    ),
    TE.map(({ index: { entries, metadata, notes }, start }): Stored => ({
      metadata,
      notes,
      tensors: new Map(
        entries.map((entry) => [
          entry.name,
          {
            type: entry.type,
            shape: entry.shape,
            read: withFile(
              'data',
              path,
            )(async (handle) =>
              pipe(
                await readAt('data', path)(handle, start + entry.begin, entry.end - entry.begin),
                E.chain((bytes) => tensorOf(path, entry, bytes.buffer)),
              ),
            ),
          },
        ]),
      ),
    })),
  )

/** Writes a file, atomically. Faults: as `layOut`, and what the system refuses. */
export const writeSafetensors =
  (path: string) =>
  (contents: Safetensors): TaskEither<Fault, void> =>
    pipe(
      TE.fromEither(layOut(path)(contents)),
      TE.chain(({ chunks }) => writeFile('io', path)(chunks)),
    )
