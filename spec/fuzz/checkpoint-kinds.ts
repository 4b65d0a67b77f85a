/** Checkpoints that are damaged: every byte of one, and of its shards, is under a digest, so that what is read is what was written. */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { HostTensors } from '../../data/formats/tensor.ts'
import { countOf, floatTensor } from '../../data/formats/tensor.ts'
import type { Checkpoint } from '../../train/run/checkpoint.ts'
import { readCheckpoint, writeCheckpoint } from '../../train/run/checkpoint.ts'
import { right } from '../data/either.ts'
import { saveByRanks } from '../train/sharded.ts'
import type { Kind } from './kind.ts'

const name = 'step-00000003.dino'

const checkpoint = (state: HostTensors): Checkpoint => ({
  ...{ step: 3, seed: 1, config: { a: [1, 'x'] }, position: {}, backbone: 'vit' },
  state,
})

const whole = checkpoint(
  new Map([
    ['a.weight', { dtype: 'f32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
    ['b', { dtype: 'f16', shape: [4], data: Float32Array.of(1, 0.5, 0.25, 2) }],
    ['c', { dtype: 'i64', shape: [2], data: Float64Array.of(7, 9) }],
  ]),
)

/** What two ranks cut, of one axis or another, or not at all. */
const parted = checkpoint(
  new Map(
    [[4, 6], [], [3], [8]].map((shape, k) => {
      const values = Float32Array.from({ length: countOf(shape) }, (_, i) => k + i / 8)
      return [`t${k}`, floatTensor(shape, values)] as const
    }),
  ),
)

const show = ({ step, state }: Pick<Checkpoint, 'step' | 'state'>): string =>
  [`${step}`, ...[...state].map(([n, t]) => `${n} ${t.dtype} ${t.shape.join()} ${[...t.data].join()}`).sort()].join('\n')

const readAs =
  (written: Checkpoint) =>
  async (path: string): ReturnType<Kind['read']> => {
    const read = await readCheckpoint(path)()
    if (E.isLeft(read)) return read
    return E.right(show(read.right) === show(written) ? undefined : 'a checkpoint that nobody wrote')
  }

type Files = Readonly<Record<string, Buffer>>

const made = async (write: (dir: string) => Promise<unknown>): Promise<Files> => {
  const folder = await mkdtemp(join(tmpdir(), 'dinograph-fuzz-'))
  await write(folder)
  const files = await Promise.all((await readdir(folder)).map(async (f) => [f, await readFile(join(folder, f))] as const))
  await rm(folder, { recursive: true })
  return Object.fromEntries(files)
}

let known: Promise<Files> | undefined

/** The two shards, and the file that names them. */
const sharded = (): Promise<Files> => (known ??= made((dir) => saveByRanks(dir, { keepLast: 1, keepEvery: 0 }, parted, 2)))

const firstShard = (files: Files): string => Object.keys(files).find((f) => f.includes('.0-of-2.')) ?? 'none'

const seed = async (files: Promise<Files>, of: (all: Files) => string): Promise<ReadonlyArray<Buffer>> => {
  const all = await files
  return [all[of(all)] ?? Buffer.alloc(0)]
}

export const checkpoints: ReadonlyArray<Kind> = [
  {
    name: 'dino',
    file: name,
    structure: 'bytes',
    seeds: () =>
      seed(
        made(async (dir) => {
          right(await writeCheckpoint(join(dir, name))(whole)())
        }),
        () => name,
      ),
    read: readAs(whole),
  },
  { name: 'shards', file: name, beside: sharded, structure: 'bytes', seeds: () => seed(sharded(), () => name), read: readAs(parted) },
  {
    name: 'shard',
    file: 'damaged',
    beside: sharded,
    structure: 'headed',
    seeds: () => seed(sharded(), firstShard),
    // it is called by the digest of what was written, not by that of what it has become
    read: async (path, bytes) => {
      await writeFile(join(dirname(path), firstShard(await sharded())), bytes)
      return readAs(parted)(join(dirname(path), name))
    },
  },
]
