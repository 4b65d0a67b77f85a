/** A folder of checkpoints: saving with retention, and finding the newest one that is whole. */

import { readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { codeOf, fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { guarded, systemFault } from '../../data/formats/file.ts'
import { readCheckpoint, writeCheckpoint, writeSharded } from './checkpoint.ts'
import type { Checkpoint, Sharded } from './checkpoint.ts'
import { isShardLeftover, stepOfShard } from './shards.ts'

/** Which checkpoints stay when another one has been saved. */
export interface Retention {
  /** The newest this many stay, at least 1. */
  readonly keepLast: number
  /** Those whose step is a multiple of this stay for ever; 0 for none. */
  readonly keepEvery: number
  /** The step of the one that stays until another takes its place: the best so far. */
  readonly best?: number
}

/** What saving did. */
export interface Saved {
  readonly path: string
  /** Older files that were removed. */
  readonly removed: ReadonlyArray<string>
  /** Older files that should have gone and could not be removed: worth a warning, no failure. */
  readonly stuck: ReadonlyArray<Fault>
}

/** A checkpoint with the file that it came from. */
export interface Found {
  readonly path: string
  readonly checkpoint: Checkpoint
}

/** The newest whole checkpoint, and the newer files that were passed over with the reason. */
export interface Latest {
  readonly found: Option<Found>
  /** Of all files, damaged or not. */
  readonly steps: ReadonlySet<number>
  readonly rejected: ReadonlyArray<Fault>
}

/** A checkpoint's file in a listing. */
export interface CheckpointFile {
  readonly step: number
  readonly path: string
}

/** `step-00001234.dino`; steps beyond eight digits get more. */
export const checkpointName = (step: number): string => `step-${String(step).padStart(8, '0')}.dino`

const stepOf = (name: string): number | undefined => {
  const m = /^step-(\d{8,16})\.dino$/.exec(name)
  return m === null || checkpointName(Number(m[1])) !== name ? undefined : Number(m[1])
}

const isLeftover = (name: string): boolean => /^\.step-\d{8,16}\.dino\.tmp$/.test(name) || isShardLeftover(name)

const namesIn =
  (dir: string): TaskEither<Fault, ReadonlyArray<string>> =>
  async () => {
    try {
      return E.right(await readdir(dir))
    } catch (e) {
      return codeOf(e) === 'ENOENT' ? E.right([]) : E.left(systemFault('checkpoint', dir)(e))
    }
  }

/** The checkpoint files of a folder, newest first; none where there is no folder. Other files are not looked at. */
export const checkpointsIn = (dir: string): TaskEither<Fault, ReadonlyArray<CheckpointFile>> =>
  pipe(
    namesIn(dir),
    TE.map((names) => {
      const files: CheckpointFile[] = []
      for (const name of names) {
        const step = stepOf(name)
        if (step !== undefined) files.push({ step, path: join(dir, name) })
      }
      return files.sort((a, b) => b.step - a.step)
    }),
  )

/** Which of the files (newest first) go once `saved` has been written. Law: `saved` itself never goes, nor does the best. */
export const expired =
  (retention: Retention, saved: number) =>
  (files: ReadonlyArray<CheckpointFile>): ReadonlyArray<CheckpointFile> =>
    files.filter(
      (f, i) =>
        f.step !== saved &&
        f.step !== retention.best &&
        i >= retention.keepLast &&
        (retention.keepEvery === 0 || f.step % retention.keepEvery !== 0),
    )

const checkRetention = (dir: string, r: Retention): E.Either<Fault, void> =>
  Number.isSafeInteger(r.keepLast) && r.keepLast >= 1 && Number.isSafeInteger(r.keepEvery) && r.keepEvery >= 0
    ? E.right(undefined)
    : E.left(
        fault('config', {
          place: dir,
          found: `keepLast ${r.keepLast}, keepEvery ${r.keepEvery}`,
          allowed: 'keepLast a whole number >= 1, keepEvery a whole number >= 0',
          remedy: 'correct the retention of checkpoints in the configuration',
        }),
      )

/** Shards that no checkpoint is made of: their own is gone, was never written, or has been saved again as `shards`. */
const orphans = (names: ReadonlyArray<string>, steps: ReadonlySet<number>, step: number, shards: ReadonlySet<string>) =>
  names.filter((name) => {
    const of = stepOfShard(name)
    return of !== undefined && !shards.has(name) && (of === step || !steps.has(of))
  })

/** Removes what retention and crashes have left over. Nothing here fails a save that has succeeded. */
const prune =
  (dir: string, retention: Retention, path: string, step: number, shards: ReadonlyArray<string>): TaskEither<Fault, Saved> =>
  async () => {
    const names = await namesIn(dir)()
    const files = await checkpointsIn(dir)()
    if (E.isLeft(names)) return E.right({ path, removed: [], stuck: [names.left] })
    if (E.isLeft(files)) return E.right({ path, removed: [], stuck: [files.left] })
    const removed: string[] = []
    const stuck: Fault[] = []
    const old = expired(retention, step)(files.right)
    const gone = new Set(old.map((f) => f.step))
    const steps = new Set(files.right.map((f) => f.step).filter((s) => !gone.has(s)))
    const left = [...orphans(names.right, steps, step, new Set(shards)), ...names.right.filter(isLeftover)].map((name) => join(dir, name))
    // a checkpoint before its shards: one that is there is whole
    for (const file of [...old.map((f) => f.path), ...left]) {
      const done = await guarded(
        'checkpoint',
        file,
      )(async () => {
        await unlink(file)
        return E.right(undefined)
      })()
      if (E.isRight(done)) removed.push(file)
      else stuck.push(done.left)
    }
    return E.right({ path, removed, stuck })
  }

const saved = (
  dir: string,
  retention: Retention,
  step: number,
  shards: ReadonlyArray<string>,
  write: (path: string) => TaskEither<Fault, void>,
): TaskEither<Fault, Saved> => {
  const path = join(dir, checkpointName(step))
  return pipe(
    TE.fromEither(checkRetention(dir, retention)),
    TE.chain(() => write(path)),
    TE.chain(() => prune(dir, retention, path, step, shards)),
  )
}

/**
 * Saves a checkpoint into a folder as `step-00001234.dino` and, only when that is safely on the disk, removes the files
 * that `retention` no longer keeps and what crashed writers left. Saving a step again replaces its file.
 * Faults: a wrong retention, and those of `writeCheckpoint`; every earlier file is then unchanged.
 */
export const save =
  (dir: string, retention: Retention) =>
  (checkpoint: Checkpoint): TaskEither<Fault, Saved> =>
    saved(dir, retention, checkpoint.step, [], (path) => writeCheckpoint(path)(checkpoint))

/** The same of a checkpoint whose shards ranks have written into the folder, all of them. */
export const saveSharded =
  (dir: string, retention: Retention) =>
  (checkpoint: Sharded): TaskEither<Fault, Saved> =>
    saved(
      dir,
      retention,
      checkpoint.step,
      checkpoint.shards.files.map((f) => f.name),
      (path) => writeSharded(path)(checkpoint),
    )

/** Reads and verifies one checkpoint file. Faults: those of `readCheckpoint`. */
export const load: (path: string) => TaskEither<Fault, Checkpoint> = readCheckpoint

/**
 * The newest checkpoint of a folder that is whole. `found` is none where the folder has no checkpoint at all;
 * `rejected` explains every newer file that is damaged, newest first, so that a caller can warn.
 * Faults: there are checkpoints and none of them is whole, so that a run is never silently begun anew.
 */
export const latest = (dir: string): TaskEither<Fault, Latest> =>
  pipe(
    checkpointsIn(dir),
    TE.chain((files) => async (): Promise<E.Either<Fault, Latest>> => {
      const rejected: Fault[] = []
      const steps = new Set(files.map((f) => f.step))
      for (const { path } of files) {
        const checkpoint = await load(path)()
        if (E.isRight(checkpoint)) return E.right({ found: O.some({ path, checkpoint: checkpoint.right }), steps, rejected })
        rejected.push(checkpoint.left)
      }
      if (rejected.length === 0) return E.right({ found: O.none, steps, rejected })
      const first = rejected[0]
      return E.left(
        fault('checkpoint', {
          place: dir,
          found: `${rejected.length} checkpoint(s), none of them whole; the newest, ${first.place}: ${first.found}`,
          allowed: 'at least one whole checkpoint',
          remedy: 'restore one from a backup, or start again without resuming in another folder',
        }),
      )
    }),
  )
