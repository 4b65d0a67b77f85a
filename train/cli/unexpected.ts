/**
 * What was not expected: an error that no edge has turned into a fault. It is reported as a fault of this program, with its stack in a file
 * for those who mend it; a run that is on saves what it has first.
 */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { arch, platform, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Fault } from '../../core/fault.ts'
import { exitCode, messageOf, showFault, unexpected } from '../../core/fault.ts'
import { withoutSecrets } from '../../core/text.ts'
import { tell } from './terminal.ts'

/** Writes what is needed to find a mistake of this program; gives the file. */
const written = (f: Fault): string | undefined => {
  try {
    const path = join(mkdtempSync(join(tmpdir(), 'dinograph-fault-')), 'report.txt')
    const lines = [
      new Date().toISOString(),
      `node ${process.version} on ${platform()} ${release()} ${arch()}`,
      process.argv.slice(1).join(' '),
      '',
      f.stack ?? f.found,
      '',
    ]
    writeFileSync(path, withoutSecrets(process.env)(lines.join('\n')), { mode: 0o600 })
    return path
  } catch {
    return undefined
  }
}

/** Reports a fault; of one of this program the stack goes into a file that is named. Gives the exit code. */
export const tellFault = (f: Fault): number => {
  const file = f.stack === undefined ? undefined : written(f)
  tell(showFault(file === undefined ? f : { ...f, remedy: `${f.remedy}; its stack is in ${file}` }))
  return exitCode(f)
}

/** Milliseconds that a run has to finish its step and to save it. */
const patience = 120_000

/** Runs what trains; an error that comes from nowhere in it asks to stop, so that the step at hand is finished and saved. */
export interface Watch {
  /** What came, if anything. */
  readonly fault: () => Fault | undefined
  readonly end: () => void
}

/** Watches for errors that are not caught while a run is on. */
export const watchRun = (): Watch => {
  const state: { came: Fault | undefined } = { came: undefined }
  const listener = (e: unknown): void => {
    if (state.came !== undefined) return
    state.came = unexpected(e)
    tell(`an error that was not expected (${messageOf(e)}): the run stops after this step and is saved`)
    const { came } = state
    setTimeout(() => process.exit(tellFault(came)), patience).unref()
  }
  process.on('uncaughtException', listener)
  return {
    fault: () => state.came,
    end: () => {
      process.off('uncaughtException', listener)
    },
  }
}

/** Runs a program to its exit code, whatever is thrown in it. */
export const guardedProgram = async (body: () => Promise<number>): Promise<number> => {
  process.on('uncaughtException', (e) => {
    // the reader of what is printed has read enough
    if ('code' in e && e.code === 'EPIPE') process.exit(141)
    // a run that is on watches itself
    if (process.listenerCount('uncaughtException') === 1) process.exit(tellFault(unexpected(e)))
  })
  try {
    return await body()
  } catch (e) {
    return tellFault(unexpected(e))
  }
}
