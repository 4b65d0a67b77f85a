/**
 * The folder of a run: one run at a time, and one run altogether. What an earlier one has left there is gone on with or moved aside, never
 * written over.
 */
import { mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { codeOf, fault } from '../../core/fault.ts'
import { makeFolder } from '../../core/folder.ts'
import { guarded, whatIs } from '../../data/formats/file.ts'
import { hold, isLock } from './lock.ts'
import { made } from './origin.ts'
import { checkBegun, isBegun } from './resumption.ts'

/** What becomes of what is in the folder already. */
export interface Taking {
  readonly resume: boolean
  /** Moves what an earlier run has left to `NAME.1`, and begins anew. */
  readonly overwrite?: boolean
  /** Lines that a person pastes to do so: what the remedy of a refusal is. Without: as a program says it. */
  readonly lines?: { readonly resume: string; readonly overwrite: string }
  readonly say: (text: string) => void
}

/** A folder that belongs to one run, until it is released. */
export interface Taken {
  readonly release: () => Promise<void>
}

const checkpointsOf = (out: string): string => join(out, 'checkpoints')

/** What a run has written before its first step: its configuration, its start, how it sees pictures, and logs without a number. */
const beginning =
  /^(config\.yaml|environment\.json|preprocessor_config\.json|beginning\.safetensors|metrics\.jsonl|events\.out\.tfevents\.[^/]*)$/

/** Whether an entry is part of a lock, or what a run was writing before its first step when it was killed: nobody reads it. */
const isNothing = (name: string): boolean => isLock(name) || beginning.test(/^\.(.*)\.tmp$/.exec(name)?.[1] ?? '')

/** Files within a folder, by their paths from there, at most `most`; leftovers are none. Empty folders hold nothing. */
const filesIn = async (folder: string, most: number, under = ''): Promise<ReadonlyArray<string>> => {
  const files: Array<string> = []
  for (const entry of await readdir(join(folder, under), { withFileTypes: true })) {
    if (files.length >= most) break
    const path = join(under, entry.name)
    if (entry.isDirectory()) files.push(...(await filesIn(folder, most - files.length, path)))
    else if (under !== '' || !isNothing(entry.name)) files.push(path)
  }
  return files
}

/** Files that a refusal names. */
const named = 3

const used = (out: string, { lines }: Taking): Fault =>
  fault('usage', {
    place: out,
    found: 'an earlier run in this folder',
    allowed: '--resume, which goes on with it; --overwrite, which moves it aside and begins anew; or another folder by --out',
    remedy:
      lines === undefined
        ? 'run it with { resume: true }, with { overwrite: true }, or with another { out }'
        : `go on with it by\n    ${lines.resume}\n  or begin anew by\n    ${lines.overwrite}`,
  })

const foreign = (out: string, files: ReadonlyArray<string>): Fault =>
  fault('usage', {
    place: out,
    found: `a folder with files that are not of a run: ${files.slice(0, named).join(', ')}${files.length > named ? ', …' : ''}`,
    allowed: 'a folder that is new or empty, or with --resume or --overwrite that of an earlier run',
    remedy: `name another folder, such as --out ${join(out, 'run')}`,
  })

const both = fault('usage', {
  place: '--resume --overwrite',
  found: 'both',
  allowed: 'one of them: --resume goes on with the run in the folder, --overwrite moves it aside and begins anew',
  remedy: 'leave one out',
})

/** A folder beside `out` that is made now: `NAME.1`, or the first number that is free. */
const madeBeside = async (out: string, n = 1): Promise<string> => {
  const path = `${out}.${n}`
  try {
    await mkdir(path)
    return path
  } catch (e) {
    if (codeOf(e) !== 'EEXIST') throw e
    return madeBeside(out, n + 1)
  }
}

/**
 * Moves all that is in a folder to another one beside it, which is returned; the lock stays. The configuration goes first: whoever is
 * killed on the way leaves no run behind that seems to be whole.
 */
const movedAside = async (out: string): Promise<string> => {
  const aside = await madeBeside(resolve(out))
  const names = (await readdir(out)).filter((name) => !isLock(name))
  for (const name of [...names].sort((a, b) => Number(b === 'config.yaml') - Number(a === 'config.yaml')))
    await rename(join(out, name), join(aside, name))
  return aside
}

/** Whether all that is there is a run that was to come before another, which has not begun: the same command goes on with it. */
const isBeforeAlone = async (out: string): Promise<boolean> => {
  const names = (await readdir(out)).filter((name) => !isNothing(name) && name !== 'checkpoints')
  return names.length === 1 && names[0] === made.before && (await isBegun(join(out, made.before)))
}

/** Within the lock: the folder as this run may have it. */
const emptied = async (out: string, o: Taking): Promise<Either<Fault, void>> => {
  const files = o.resume ? [] : await filesIn(out, named + 1)
  if (files.length > 0) {
    const isRun = (await isBegun(out)) || files.some((f) => f.startsWith(join('checkpoints', '')))
    const isBefore = !isRun && (await isBeforeAlone(out))
    if (!isRun && !isBefore) return E.left(foreign(out, files))
    if (isRun && o.overwrite !== true) return E.left(used(out, o))
    if (o.overwrite === true) o.say(`note: the earlier run in ${out} is now in ${await movedAside(out)}`)
  }
  await makeFolder(checkpointsOf(out))
  return E.right(undefined)
}

/** Removes what a run has written that ended before its first step: there is nothing to go on with, and the folder is free again. */
const forgotten = async (out: string): Promise<void> => {
  const files = await filesIn(out, Infinity)
  if (!files.every((f) => beginning.test(f))) return
  const taken = files.includes('metrics.jsonl') ? (await stat(join(out, 'metrics.jsonl'))).size : 0
  if (taken === 0) for (const f of files) await rm(join(out, f), { force: true })
}

/**
 * Takes a folder for a run, and makes it. Faults (`usage`, exit code 2): another run is under way there; an earlier one was there and
 * neither `resume` nor `overwrite` is asked for, or both; files that are not of a run. Further: nothing to resume; what the system refuses.
 */
export const takeFolder = (out: string, o: Taking): TaskEither<Fault, Taken> =>
  guarded(
    'io',
    out,
  )(async () => {
    if (o.resume && o.overwrite === true) return E.left(both)
    const possible = await checkBegun(out, o.resume)()
    if (E.isLeft(possible)) return possible
    const there = await whatIs(out)()
    await makeFolder(out)
    const held = await hold(out)
    if (E.isLeft(held)) return held
    const { before, release } = held.right
    // what a run that never began has made goes with it
    const released = async (): Promise<void> => {
      if (!o.resume) await forgotten(out).catch(() => undefined)
      await release()
      await rmdir(checkpointsOf(out)).catch(() => undefined)
      if (E.isRight(there) && there.right === 'nothing') await rmdir(out).catch(() => undefined)
    }
    try {
      const ready = await emptied(out, o)
      if (E.isLeft(ready)) {
        await release()
        return ready
      }
    } catch (e) {
      await release()
      throw e
    }
    if (before !== undefined)
      o.say(`note: the run of process ${before.pid} on ${before.host}, begun ${before.started}, ended without giving its folder back`)
    return E.right({ release: released })
  })
