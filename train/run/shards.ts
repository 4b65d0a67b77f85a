/**
 * A checkpoint in shards: each rank writes what it has of the state, and the file of the checkpoint says what belongs together.
 *
 *     step-00001234.0-of-2.9f86d081884c7d65.shard   a safetensors file: rank 0's parts of tensors that are cut, and some of the others
 *     step-00001234.1-of-2.60303ae22b998861.shard   the same of rank 1
 *     step-00001234.dino                            written last, when all of them are on the disk: names, sizes and digests
 *
 * A shard is called by its own digest, so that none that a checkpoint names is ever written over: one that is saved again leaves the old
 * one whole until the new one is.
 */
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { dirname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { hostWhole } from '../../compiler/targets/parts.ts'
import type { Split } from '../../compiler/distribute/placement.ts'
import { tensorType } from '../../core/type.ts'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { Whole } from '../../data/formats/codec.ts'
import { guarded, withFile, writeFile } from '../../data/formats/file.ts'
import type { Chunk } from '../../data/formats/file.ts'
import { layOut, readPart } from '../../data/formats/safetensors.ts'
import { floatTensor, showTensor } from '../../data/formats/tensor.ts'
import type { HostTensor, HostTensors } from '../../data/formats/tensor.ts'

/** A file of one rank. */
export const ShardFile = t.readonly(t.type({ name: t.string, bytes: Whole, sha256: t.string }))

export type ShardFile = t.TypeOf<typeof ShardFile>

/** All files of a state, in order of ranks, and how its tensors are cut: by name, the axis and the blocks of it (`Split`). */
export const Shards = t.readonly(
  t.type({ files: t.readonlyArray(ShardFile), cuts: t.readonlyArray(t.tuple([t.string, Whole, t.readonlyArray(Whole)])) }),
)

export type Shards = t.TypeOf<typeof Shards>

/** The rank in the name of a shard, the step, and how many there are. */
const pattern = /^step-(\d{8,16})\.\d+-of-\d+\.[0-9a-f]{16}\.shard$/

/** The step of a shard's name; nothing for other names. */
export const stepOfShard = (name: string): number | undefined => {
  const m = pattern.exec(name)
  return m === null ? undefined : Number(m[1])
}

/** What is left where a rank was killed while it wrote one. */
export const isShardLeftover = (name: string): boolean =>
  name.startsWith('.') && name.endsWith('.tmp') && stepOfShard(name.slice(1, -4)) !== undefined

const remedy = 'use an earlier checkpoint of the run; if there is none, start again'

const wrong = (place: string, found: string, allowed: string): Fault => fault('checkpoint', { place, found, allowed, remedy })

/** Feeds a hash; one call takes less than 2 GiB. */
export const feed =
  (hash: Hash) =>
  (bytes: Uint8Array): void => {
    const piece = 64 * 1024 * 1024
    for (let at = 0; at < bytes.length; at += piece) hash.update(bytes.subarray(at, at + piece))
  }

/** The sha256 of what is to be written to a file. */
export const digestOf = (path: string, chunks: Iterable<Chunk>): TaskEither<Fault, string> =>
  guarded(
    'checkpoint',
    path,
  )(() => {
    const hash = createHash('sha256')
    for (const chunk of chunks) feed(hash)(chunk())
    return Promise.resolve(E.right(hash.digest('hex')))
  })

/** Writes the shard of a rank into a folder, atomically. Faults: a tensor that cannot be stored, whatever the system refuses. */
export const writeShard =
  (dir: string, step: number, { rank, ranks }: { readonly rank: number; readonly ranks: number }) =>
  (state: HostTensors): TaskEither<Fault, ShardFile> => {
    const begin = `step-${String(step).padStart(8, '0')}.${rank}-of-${ranks}`
    return pipe(
      TE.fromEither(layOut(join(dir, begin))({ tensors: state, metadata: {} })),
      TE.bindTo('body'),
      TE.bind('sha256', ({ body }) => digestOf(join(dir, begin), body.chunks)),
      TE.chain(({ body, sha256 }) => {
        const name = `${begin}.${sha256.slice(0, 16)}.shard`
        return pipe(
          writeFile('checkpoint', join(dir, name))(body.chunks),
          TE.map((): ShardFile => ({ name, bytes: body.length, sha256 })),
        )
      }),
      TE.mapLeft((f): Fault => ({ ...f, kind: 'checkpoint' })),
    )
  }

/** The tensors of a shard, all of whose bytes are those that were written. */
const readShard = (path: string, file: ShardFile): TaskEither<Fault, HostTensors> =>
  withFile(
    'checkpoint',
    path,
  )(async (handle, bytes) => {
    if (bytes !== file.bytes) return E.left(wrong(path, `${bytes} bytes`, `${file.bytes} bytes: the file is truncated or has grown`))
    const hash = createHash('sha256')
    const body = await readPart(handle, { file: path, start: 0, length: bytes, seen: feed(hash) })
    if (E.isLeft(body)) return E.left({ ...body.left, kind: 'checkpoint', remedy })
    return hash.digest('hex') === file.sha256
      ? E.right(body.right.tensors)
      : E.left(wrong(path, 'damaged tensors: their sha256 differs', 'the tensors as they were written'))
  })

/** The whole of the parts of all ranks. */
const joined = (place: string, parts: ReadonlyArray<HostTensor>, { axis, blocks }: Split): Either<Fault, HostTensor> => {
  const [first] = parts
  const { shape } = first
  const ranks = parts.length
  const fits =
    axis < shape.length &&
    blocks.every((b) => b % ranks === 0) &&
    blocks.reduce((n, b) => n + b, 0) === shape[axis] * ranks &&
    parts.every((p) => p.dtype === 'f32' && showTensor(p) === showTensor(first))
  if (!fits)
    return E.left(wrong(place, parts.map(showTensor).join(', '), `${ranks} parts of axis ${axis} in blocks of ${blocks.join(', ')}`))
  const whole = shape.map((d, a) => (a === axis ? d * ranks : d))
  const all = new Float32Array(first.data.length * ranks)
  for (const [r, part] of parts.entries()) all.set(part.data, r * first.data.length)
  return E.right(
    floatTensor(whole, Float32Array.from(hostWhole(all, tensorType('f32', whole), { _tag: 'Split', axis, blocks, of: 'state' }, ranks))),
  )
}

/**
 * The state that shards beside a checkpoint hold, whole, however many ranks had it. Faults: a shard that is not there, or that has another
 * byte than was written; each names the file.
 */
export const readShards =
  (path: string) =>
  ({ files, cuts }: Shards): TaskEither<Fault, HostTensors> =>
  async () => {
    const own: Array<Map<string, HostTensor>> = []
    for (const file of files) {
      if (stepOfShard(file.name) === undefined) return E.left(wrong(path, `a shard called ${file.name}`, 'the name of a shard'))
      const read = await readShard(join(dirname(path), file.name), file)()
      if (E.isLeft(read)) return read
      own.push(new Map(read.right))
    }
    const state = new Map<string, HostTensor>()
    for (const [name, axis, blocks] of cuts) {
      const parts = own.flatMap((o) => o.get(name) ?? [])
      if (parts.length !== files.length || parts.length === 0)
        return E.left(wrong(path, `${parts.length} parts of ${name}`, `${files.length} parts, one of each rank`))
      const whole = joined(`${path}: ${name}`, parts, { _tag: 'Split', axis, blocks, of: 'state' })
      if (E.isLeft(whole)) return whole
      state.set(name, whole.right)
      // a part is no longer held once its tensor is whole
      for (const o of own) o.delete(name)
    }
    for (const [name, tensor] of own.flatMap((o) => [...o])) state.set(name, tensor)
    return E.right(state)
  }
