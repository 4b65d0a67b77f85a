/** The files of a Hugging Face folder: JSON, and tensors in one safetensors file or in shards that an index names. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { whatIs, writeFile } from '../../../data/formats/file.ts'
import { readJson, writeJson } from '../../../data/formats/json.ts'
import { layOut, readSafetensors } from '../../../data/formats/safetensors.ts'
import type { HostTensor, HostTensors } from '../../../data/formats/tensor.ts'
import { countOf } from '../../../data/formats/tensor.ts'

export const weightsFile = 'model.safetensors'
export const indexFile = `${weightsFile}.index.json`

const indexCodec = t.type({ weight_map: t.record(t.string, t.string) })

/** Tensors of all shards. Faults: a shard that is missing or truncated, a tensor that its shard does not hold. */
const readShards = (folder: string, map: Readonly<Record<string, string>>): TaskEither<Fault, HostTensors> => {
  const files = [...new Set(Object.values(map))].sort()
  const outside = files.find((f) => f.includes('/') || f.includes('\\'))
  if (outside !== undefined)
    return TE.left(fault('data', { place: join(folder, indexFile), found: `the file ${outside}`, allowed: 'files in the same folder', remedy: 'put all shards beside the index' }))
  return pipe(
    files,
    TE.traverseSeqArray((file) => pipe(readSafetensors(join(folder, file)), TE.map(({ tensors }) => [file, tensors] as const))),
    TE.chainEitherK((read) => {
      const held = new Map(read)
      const all = new Map<string, HostTensor>()
      for (const [name, file] of Object.entries(map)) {
        const tensor = held.get(file)?.get(name)
        if (tensor === undefined)
          return E.left(fault('data', { place: join(folder, file), found: `no tensor ${name}`, allowed: `what ${indexFile} says it holds`, remedy: 'download or export the folder again' }))
        all.set(name, tensor)
      }
      return E.right(all)
    }),
  )
}

/** All tensors of a folder. Fault: neither `model.safetensors` nor an index is there. */
export const readWeights = (folder: string): TaskEither<Fault, HostTensors> => pipe(
  readJson(join(folder, indexFile), indexCodec),
  TE.chain((index) => O.isSome(index) ? readShards(folder, index.value.weight_map) : pipe(
    whatIs(join(folder, weightsFile)),
    TE.chain((what) => what === 'file'
      ? pipe(readSafetensors(join(folder, weightsFile)), TE.map(({ tensors }) => tensors))
      : TE.left(fault('data', {
          place: folder, found: `no ${weightsFile} and no ${indexFile}`, allowed: 'one of them',
          remedy: 'pytorch_model.bin is not read: save the model with safe_serialization=True in Python, or download model.safetensors',
        }))),
  )),
)

const bytesOf = (x: HostTensor): number => countOf(x.shape) * (x.dtype === 'f16' || x.dtype === 'bf16' ? 2 : 4)

/** Tensors in order, a new shard begun where the next one would go beyond `limit` bytes. */
export const sharded = (tensors: HostTensors, limit: number): ReadonlyArray<HostTensors> => {
  const shards: Array<Map<string, HostTensor>> = []
  let room = 0
  for (const [name, tensor] of tensors) {
    const bytes = bytesOf(tensor)
    if (shards.length === 0 || bytes > room) {
      shards.push(new Map())
      room = limit
    }
    shards[shards.length - 1].set(name, tensor)
    room -= bytes
  }
  return shards
}

const writeTensors = (path: string, tensors: HostTensors): TaskEither<Fault, void> =>
  pipe(TE.fromEither(layOut(path)({ tensors, metadata: { format: 'pt' } })), TE.chain(({ chunks }) => writeFile('io', path)(chunks)))

/** Writes `model.safetensors`, or shards of at most `limit` bytes with their index. Gives the names of the files. */
export const writeWeights = (folder: string, tensors: HostTensors, limit: number): TaskEither<Fault, ReadonlyArray<string>> => {
  const shards = sharded(tensors, limit)
  if (shards.length === 1) return pipe(writeTensors(join(folder, weightsFile), tensors), TE.map(() => [weightsFile]))
  const pad = (n: number): string => String(n).padStart(5, '0')
  const names = shards.map((_, i) => `model-${pad(i + 1)}-of-${pad(shards.length)}.safetensors`)
  const weight_map = Object.fromEntries(shards.flatMap((s, i) => [...s.keys()].map((name) => [name, names[i]] as const)).sort(([a], [b]) => (a < b ? -1 : 1)))
  const total_size = [...tensors.values()].reduce((n, x) => n + bytesOf(x), 0)
  return pipe(
    shards.map((s, i) => [names[i], s] as const),
    TE.traverseSeqArray(([name, s]) => writeTensors(join(folder, name), s)),
    TE.chain(() => writeJson(join(folder, indexFile), { metadata: { total_size }, weight_map })),
    TE.map(() => [...names, indexFile]),
  )
}
