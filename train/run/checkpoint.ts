/**
 * Checkpoints: one file per checkpoint, `step-00001234.dino`, that says what it is and proves that it is whole.
 *
 *     bytes 0..8    the magic text DINOGRAF
 *     bytes 8..12   format version, u32 little-endian
 *     bytes 12..16  header length n, u32 little-endian
 *     bytes 16..48  sha256 of bytes 0..16 and of the header
 *     n bytes       header, MessagePack: step, seed, config, position, index of the tensors, bytes and sha256 of the body
 *     the rest      body: a safetensors file with the state
 *
 * Format 2 has no body: its header names shards, files beside it that ranks have written (shards.ts). Format 1 is written otherwise.
 *
 * A file is written aside, forced to the disk and renamed: a crash at any moment leaves the previous checkpoints whole.
 * A folder has one writer at a time.
 */

import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { pack, unpack } from 'msgpackr'
import { fault, messageOf } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { JsonValue, Whole, decodeAs } from '../../data/formats/codec.ts'
import type { Json } from '../../data/formats/codec.ts'
import { readAt, withFile, writeFile } from '../../data/formats/file.ts'
import { layOut, readPart } from '../../data/formats/safetensors.ts'
import { showTensor } from '../../data/formats/tensor.ts'
import type { HostTensors } from '../../data/formats/tensor.ts'
import { Shards, digestOf, feed, readShards } from './shards.ts'

/** The version that is written; others are refused by name. */
export const checkpointVersion = 1

/** The version of one whose state is in shards. */
export const shardedVersion = 2

export type BackboneKind = 'vit' | 'pyramid' | 'own'

/** Everything from which a run continues as if it had never stopped. */
export interface Checkpoint {
  /** Steps done: the next step has this number. */
  readonly step: number
  /** The seed of every random stream of the run. */
  readonly seed: number
  /** The resolved configuration. */
  readonly config: Json
  /** Where the data and the schedules stand (epoch, batch, phase), as far as the step alone does not say it. */
  readonly position: Json
  /** Whether what the backbone computes is known: a ViT, or a network with stages. `own`: to its program alone. Not said before 0.2. */
  readonly backbone?: BackboneKind
  /** The resident state by path: student, teacher, moments, centres, counters. */
  readonly state: HostTensors
}

const magic = new TextEncoder().encode('DINOGRAF')
const prefixBytes = 48
const maxHeaderBytes = 256 * 1024 * 1024

const Header = t.intersection([
  t.type({
    step: Whole,
    seed: Whole,
    config: JsonValue,
    position: JsonValue,
    tensors: t.array(t.tuple([t.string, t.string])),
    bodyBytes: Whole,
    bodySha256: t.string,
  }),
  t.partial({ backbone: t.keyof({ vit: null, pyramid: null, own: null }), shards: Shards }),
])

type Header = t.TypeOf<typeof Header>

const remedy = 'use an earlier checkpoint of the run; if there is none, start again'

const wrong = (path: string, found: string, allowed: string, cure = remedy): Fault =>
  fault('checkpoint', { place: path, found, allowed, remedy: cure })

const asCheckpointFault = (f: Fault): Fault => ({ ...f, kind: 'checkpoint', remedy })

const indexOf = (state: HostTensors): Header['tensors'] =>
  [...state].map(([name, tensor]): [string, string] => [name, showTensor(tensor)]).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))

const prefixOf = (header: Uint8Array, version: number): Uint8Array => {
  const prefix = new Uint8Array(prefixBytes)
  prefix.set(magic)
  const view = new DataView(prefix.buffer)
  view.setUint32(8, version, true)
  view.setUint32(12, header.length, true)
  prefix.set(createHash('sha256').update(prefix.subarray(0, 16)).update(header).digest(), 16)
  return prefix
}

const encodeHeader = (path: string, header: Header): Either<Fault, Uint8Array> =>
  pipe(
    header,
    decodeAs(Header, 'checkpoint', path, 'give whole numbers as step and seed, and plain JSON as config and position'),
    E.chain((h) =>
      E.tryCatch(
        () => Uint8Array.from(pack(h)),
        (e) => wrong(path, messageOf(e), 'a header that can be packed'),
      ),
    ),
    E.filterOrElse(
      (b) => b.length <= maxHeaderBytes,
      (b) => wrong(path, `a header of ${b.length} bytes`, `at most ${maxHeaderBytes} bytes`, 'make the configuration smaller'),
    ),
  )

/**
 * Writes a checkpoint, atomically, to exactly `path`. The state's arrays must not change until the task has ended: one
 * that does makes a file whose digest differs, which is never read as a checkpoint.
 * Faults: a config that is not plain JSON, a tensor that cannot be stored, whatever the system refuses.
 */
export const writeCheckpoint =
  (path: string) =>
  (checkpoint: Checkpoint): TaskEither<Fault, void> =>
    pipe(
      TE.Do,
      TE.apS('body', TE.fromEither(layOut(path)({ tensors: checkpoint.state, metadata: {} }))),
      TE.bind('bodySha256', ({ body }) => digestOf(path, body.chunks)),
      TE.bind('header', ({ body, bodySha256 }) => {
        const { step, seed, config, position, backbone, state } = checkpoint
        const header = {
          step,
          seed,
          config,
          position,
          ...(backbone === undefined ? {} : { backbone }),
          tensors: indexOf(state),
          bodyBytes: body.length,
          bodySha256,
        }
        return TE.fromEither(encodeHeader(path, header))
      }),
      TE.chain(({ body, header }) =>
        writeFile('checkpoint', path)([() => prefixOf(header, checkpointVersion), () => header, ...body.chunks]),
      ),
      TE.mapLeft((f): Fault => ({ ...f, kind: 'checkpoint' })),
    )

/** A checkpoint without its state, which is in shards. */
export interface Sharded extends Omit<Checkpoint, 'state'> {
  /** Names and types of all tensors, whole: `f32[3, 4]`. */
  readonly tensors: ReadonlyArray<readonly [name: string, type: string]>
  readonly shards: Shards
}

/** Writes the file of a checkpoint whose shards are on the disk, atomically, to `path`, beside them. Faults as `writeCheckpoint`. */
export const writeSharded =
  (path: string) =>
  ({ step, seed, config, position, backbone, tensors, shards }: Sharded): TaskEither<Fault, void> =>
    pipe(
      TE.fromEither(
        encodeHeader(path, {
          step,
          seed,
          config,
          position,
          ...(backbone === undefined ? {} : { backbone }),
          tensors: tensors.map(([name, type]): [string, string] => [name, type]).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
          bodyBytes: 0,
          bodySha256: createHash('sha256').digest('hex'),
          shards,
        }),
      ),
      TE.chain((header) => writeFile('checkpoint', path)([() => prefixOf(header, shardedVersion), () => header])),
      TE.mapLeft((f): Fault => ({ ...f, kind: 'checkpoint' })),
    )

/** The header's length, once magic and version are right. */
const readPrefix = (path: string, prefix: Uint8Array, fileBytes: number): Either<Fault, number> => {
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength)
  const n = view.getUint32(12, true)
  const version = view.getUint32(8, true)
  if (magic.some((b, i) => prefix[i] !== b)) {
    return E.left(wrong(path, 'a file of another kind, or a damaged one', 'a checkpoint, which begins with DINOGRAF'))
  }
  if (version !== checkpointVersion && version !== shardedVersion) {
    const cure = 'read it with the version of Dinograph that wrote it, or start again'
    return E.left(wrong(path, `checkpoint format ${version}`, `format ${checkpointVersion} or ${shardedVersion}`, cure))
  }
  if (n > maxHeaderBytes || prefixBytes + n > fileBytes)
    return E.left(wrong(path, `a header of ${n} bytes in a file of ${fileBytes}`, 'a whole file'))
  return E.right(n)
}

const decodeHeader = (path: string, prefix: Uint8Array, header: Uint8Array, fileBytes: number): Either<Fault, Header> => {
  const digest = createHash('sha256').update(prefix.subarray(0, 16)).update(header).digest()
  if (digest.some((b, i) => prefix[16 + i] !== b))
    return E.left(wrong(path, 'a damaged header: its sha256 differs', 'the header as it was written'))
  return pipe(
    E.tryCatch(
      (): unknown => unpack(header),
      () => wrong(path, 'a header that is no MessagePack', 'a MessagePack record'),
    ),
    E.chain(decodeAs(Header, 'checkpoint', path, remedy)),
    E.filterOrElse(
      (h) => prefixBytes + header.length + h.bodyBytes === fileBytes,
      (h) => wrong(path, `${fileBytes} bytes`, `${prefixBytes + header.length + h.bodyBytes} bytes: the file is truncated or has grown`),
    ),
  )
}

const sameIndex = (a: Header['tensors'], b: Header['tensors']): boolean =>
  a.length === b.length && a.every(([name, type], i) => name === b[i][0] && type === b[i][1])

/** The state behind a header, or in its shards. */
const stateOf = async (path: string, handle: FileHandle, header: Header, start: number): Promise<Either<Fault, HostTensors>> => {
  if (header.shards !== undefined) return readShards(path)(header.shards)()
  const hash = createHash('sha256')
  const body = await readPart(handle, { file: path, start, length: header.bodyBytes, seen: feed(hash) })
  if (E.isLeft(body)) return E.left(asCheckpointFault(body.left))
  return hash.digest('hex') === header.bodySha256
    ? E.right(body.right.tensors)
    : E.left(wrong(path, 'damaged tensors: their sha256 differs', 'the tensors as they were written'))
}

/**
 * Reads a checkpoint and verifies all of it: magic, version, sizes, all digests, and every tensor; of one in shards all of them.
 * Faults (`checkpoint`): another kind of file, a foreign version, truncation, any changed byte; each names the file.
 * Whether the state's names and shapes are those of the program is for the caller to check.
 */
export const readCheckpoint = (path: string): TaskEither<Fault, Checkpoint> =>
  pipe(
    withFile(
      'checkpoint',
      path,
    )(async (handle, fileBytes) => {
      if (fileBytes < prefixBytes) return E.left(wrong(path, `${fileBytes} bytes`, `at least ${prefixBytes} bytes`))
      const read = readAt('checkpoint', path)
      const prefix = await read(handle, 0, prefixBytes)
      if (E.isLeft(prefix)) return prefix
      const n = readPrefix(path, prefix.right, fileBytes)
      if (E.isLeft(n)) return n
      const headerBytes = await read(handle, prefixBytes, n.right)
      if (E.isLeft(headerBytes)) return headerBytes
      const header = decodeHeader(path, prefix.right, headerBytes.right, fileBytes)
      if (E.isLeft(header)) return header
      const state = await stateOf(path, handle, header.right, prefixBytes + n.right)
      if (E.isLeft(state)) return state
      const { step, seed, config, position, tensors, backbone } = header.right
      if (!sameIndex(tensors, indexOf(state.right))) {
        return E.left(wrong(path, 'other tensors than the header lists', 'the tensors that the header lists'))
      }
      return E.right({ step, seed, config, position, ...(backbone === undefined ? {} : { backbone }), state: state.right })
    }),
  )
