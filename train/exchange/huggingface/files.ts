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
import { openTensors } from '../../../data/formats/foreign.ts'
import { layOut } from '../../../data/formats/safetensors.ts'
import type { Stored, StoredTensor } from '../../../data/formats/stored.ts'
import type { HostTensor, HostTensors } from '../../../data/formats/tensor.ts'
import { countOf } from '../../../data/formats/tensor.ts'

export const weightsFile = 'model.safetensors'
export const indexFile = `${weightsFile}.index.json`

/** Weights as folders of transformers have them, best first; an index names the files of shards. */
const kinds = [
  { whole: weightsFile, index: indexFile },
  { whole: 'pytorch_model.bin', index: 'pytorch_model.bin.index.json' },
] as const

/** Files that a folder of one file may be called instead: timm's, fairseq's and what people rename. */
const others = [
  'open_clip_model.safetensors',
  'open_clip_pytorch_model.bin',
  'pytorch_model.pth',
  'model.pth',
  'model.pt',
  'pytorch_model.pt',
  'pytorch_model.safetensors',
]

const indexCodec = t.type({ weight_map: t.record(t.string, t.string) })

/** Tensors of all shards. Faults: a shard that is missing or damaged, a tensor that its shard does not hold. */
const openShards = (folder: string, index: string, map: Readonly<Record<string, string>>): TaskEither<Fault, Stored> => {
  const files = [...new Set(Object.values(map))].sort()
  const outside = files.find((f) => f.includes('/') || f.includes('\\'))
  if (outside !== undefined)
    return TE.left(
      fault('data', {
        place: join(folder, index),
        found: `the file ${outside}`,
        allowed: 'files in the same folder',
        remedy: 'put all shards beside the index',
      }),
    )
  return pipe(
    files,
    TE.traverseSeqArray((file) =>
      pipe(
        openTensors(join(folder, file)),
        TE.map((stored) => [file, stored] as const),
      ),
    ),
    TE.chainEitherK((read) => {
      const held = new Map(read)
      const tensors = new Map<string, StoredTensor>()
      for (const [name, file] of Object.entries(map)) {
        const tensor = held.get(file)?.tensors.get(name)
        if (tensor === undefined)
          return E.left(
            fault('data', {
              place: join(folder, file),
              found: `no tensor ${name}`,
              allowed: `what ${index} says it holds`,
              remedy: 'download or export the folder again',
            }),
          )
        tensors.set(name, tensor)
      }
      return E.right({ tensors, metadata: {}, notes: read.flatMap(([, { notes }]) => notes) })
    }),
  )
}

/** The tensors of a folder: whole or in shards, of safetensors or of torch.save. Fault: none of the usual files is there. */
export const openWeights = (folder: string): TaskEither<Fault, Stored> => {
  const tried = kinds.flatMap(({ whole, index }) => [
    pipe(
      readJson(join(folder, index), indexCodec),
      TE.chain((found) => (O.isSome(found) ? pipe(openShards(folder, index, found.value.weight_map), TE.map(O.some)) : TE.right(O.none))),
    ),
    ifThere(join(folder, whole)),
  ])
  return pipe(
    [...tried, ...others.map((name) => ifThere(join(folder, name)))].reduce((before, next) =>
      pipe(
        before,
        TE.chain((found) => (O.isSome(found) ? TE.right(found) : next)),
      ),
    ),
    TE.chainEitherK(
      E.fromOption(() =>
        fault('data', {
          place: folder,
          found: `no ${kinds.map(({ whole }) => whole).join(', no ')}, and no index of shards`,
          allowed: 'one of them',
          remedy: 'download the weights as well, or name their file with --model',
        }),
      ),
    ),
  )
}

const ifThere = (file: string): TaskEither<Fault, O.Option<Stored>> =>
  pipe(
    whatIs(file),
    TE.chain((what) => (what === 'file' ? pipe(openTensors(file), TE.map(O.some)) : TE.right(O.none))),
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
  pipe(
    TE.fromEither(layOut(path)({ tensors, metadata: { format: 'pt' } })),
    TE.chain(({ chunks }) => writeFile('io', path)(chunks)),
  )

/** Writes `model.safetensors`, or shards of at most `limit` bytes with their index. Gives the names of the files. */
export const writeWeights = (folder: string, tensors: HostTensors, limit: number): TaskEither<Fault, ReadonlyArray<string>> => {
  const shards = sharded(tensors, limit)
  if (shards.length === 1)
    return pipe(
      writeTensors(join(folder, weightsFile), tensors),
      TE.map(() => [weightsFile]),
    )
  const pad = (n: number): string => String(n).padStart(5, '0')
  const names = shards.map((_, i) => `model-${pad(i + 1)}-of-${pad(shards.length)}.safetensors`)
  const weight_map = Object.fromEntries(
    shards.flatMap((s, i) => [...s.keys()].map((name) => [name, names[i]] as const)).sort(([a], [b]) => (a < b ? -1 : 1)),
  )
  const total_size = [...tensors.values()].reduce((n, x) => n + bytesOf(x), 0)
  return pipe(
    shards.map((s, i) => [names[i], s] as const),
    TE.traverseSeqArray(([name, s]) => writeTensors(join(folder, name), s)),
    TE.chain(() => writeJson(join(folder, indexFile), { metadata: { total_size }, weight_map })),
    TE.map(() => [...names, indexFile]),
  )
}
