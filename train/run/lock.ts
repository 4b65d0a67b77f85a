/**
 * A folder has one run at a time: `run.lock` names the process that writes there. It appears whole (written aside and linked), is removed
 * when the run ends, and is known to be left behind where that process is gone, the machine was started again, or another process has
 * the number by now.
 */
import { createHash, randomUUID } from 'node:crypto'
import { link, readFile, unlink, writeFile } from 'node:fs/promises'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { codeOf, fault } from '../../core/fault.ts'

const holderCodec = t.type({
  pid: t.number,
  host: t.string,
  /** ISO 8601, UTC. */
  started: t.string,
  /** Of the machine: another one each time that it is started; '' where the system does not say. */
  boot: t.string,
  /** Of the process: when it began, in the system's own count, so that another one with its number is distinguished. */
  birth: t.string,
  /** Within which processes are numbered: a container has numbers of its own. */
  space: t.string,
})

/** The process that holds a folder. */
export type Holder = t.TypeOf<typeof holderCodec>

const lockName = 'run.lock'

/** Whether an entry of a run's folder is part of its lock. */
export const isLock = (name: string): boolean => name.startsWith(lockName)

const orNone = (read: () => string): string => {
  try {
    return read()
  } catch {
    return ''
  }
}

/** When a process began, by Linux: the 22nd word of its line, the 20th behind its name in brackets. */
const birthOf = (pid: number): string =>
  orNone(() => {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  })

/** This process. */
export const holderHere = (): Holder => ({
  pid: process.pid,
  host: hostname(),
  started: new Date().toISOString(),
  boot: orNone(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
  birth: birthOf(process.pid),
  space: orNone(() => readlinkSync('/proc/self/ns/pid')),
})

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (e) {
    return codeOf(e) === 'EPERM'
  }
}

/** What is known of a holder: at work, gone, or out of sight of this machine. */
const stateOf = (h: Holder): 'at work' | 'gone' | 'out of sight' => {
  const here = holderHere()
  if (h.host !== here.host) return 'out of sight'
  if (h.boot !== here.boot) return 'gone'
  if (h.space !== here.space) return 'out of sight'
  return isRunning(h.pid) && birthOf(h.pid) === h.birth ? 'at work' : 'gone'
}

const holderOf = (text: string): Holder | undefined => {
  try {
    const read = holderCodec.decode(JSON.parse(text))
    return E.isRight(read) ? read.right : undefined
  } catch {
    return undefined
  }
}

const inUse = (out: string, h: Holder): Fault =>
  fault('usage', {
    place: out,
    found: `a run that is under way in this folder: process ${h.pid} on ${h.host}, since ${h.started}`,
    allowed: 'one run at a time in a folder',
    remedy: `wait for it or stop it, or name another folder with --out${
      stateOf(h) === 'out of sight' ? `; if that process is no more, which cannot be seen from here: rm ${join(out, lockName)}` : ''
    }`,
  })

/** A folder that this process holds. */
export interface Held {
  /** Who had left a lock behind. */
  readonly before: Holder | undefined
  readonly release: () => Promise<void>
}

const textOf = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined)

/** Puts a file where there is none, whole. False: there is one. */
const placed = async (own: string, path: string): Promise<boolean> => {
  try {
    await link(own, path)
    return true
  } catch (e) {
    if (codeOf(e) === 'EEXIST') return false
    // file systems without links: here a reader may meet the file before its text
    return writeFile(path, await readFile(own), { flag: 'wx' }).then(
      () => true,
      (again: unknown) => {
        if (codeOf(again) === 'EEXIST') return false
        throw again
      },
    )
  }
}

/** Whether a file names a process that is no more. */
const isLeft = (text: string): boolean => {
  const holder = holderOf(text)
  return holder === undefined || stateOf(holder) === 'gone'
}

/**
 * Removes a lock that was left behind, if it still has this text, which no other ever has. Who may is decided by a second file, made for
 * this text and this alone: without it two who saw the old lock could remove one that a third had put there meanwhile. That file is left
 * behind in its turn where its maker ends, and removed in the same way.
 */
const removed = async (own: string, path: string, text: string): Promise<void> => {
  const turn = `${path}.${createHash('sha256').update(text).digest('hex').slice(0, 8)}`
  if (await placed(own, turn)) {
    if ((await textOf(path)) === text) await unlink(path)
    await unlink(turn)
    return
  }
  const other = await textOf(turn)
  if (other !== undefined && isLeft(other)) await removed(own, turn, other)
  else await new Promise((done) => setTimeout(done, 10))
}

/** Times that a lock is tried for, others coming and going meanwhile. */
const tries = 20

/** Holds a folder, which exists, for this process. Fault: another process has it. Throws what the system refuses. */
export const hold = async (out: string): Promise<Either<Fault, Held>> => {
  const id = randomUUID()
  const [path, own] = [join(out, lockName), join(out, `${lockName}.${id}`)]
  const text = `${JSON.stringify({ ...holderHere(), id })}\n`
  let before: Holder | undefined
  try {
    await writeFile(own, text)
    for (let i = 0; i < tries; i++) {
      if (await placed(own, path)) {
        const release = async (): Promise<void> => {
          if ((await textOf(path)) === text) await unlink(path).catch(() => undefined)
        }
        return E.right({ before, release })
      }
      const found = await textOf(path)
      if (found === undefined) continue
      const holder = holderOf(found)
      if (holder !== undefined && stateOf(holder) !== 'gone') return E.left(inUse(out, holder))
      // cut short: it may still be being written
      if (holder === undefined) await new Promise((done) => setTimeout(done, 50))
      if ((await textOf(path)) !== found) continue
      before = holder
      await removed(own, path, found)
    }
    return E.left(
      fault('io', {
        place: path,
        found: 'a lock that comes and goes',
        allowed: 'one run at a time in a folder',
        remedy: 'name another folder with --out',
      }),
    )
  } finally {
    await unlink(own).catch(() => undefined)
  }
}
