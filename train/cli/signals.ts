/**
 * Signals under `npx tsx`: its command line ends a program that does not answer a signal within some hundredths of a second, which a
 * step that computes on the main thread does not. There the program starts itself once more without that command line, and only passes
 * signals on: it always answers, and every step is finished and saved. The one that computes ends when the other is gone.
 */
import { spawn } from 'node:child_process'
import { performance } from 'node:perf_hooks'

const isRelay = (word: string): boolean => /tsx[\\/]dist[\\/]preflight\.cjs$/.test(word)

/** Whether this process was started by tsx's command line, which loads a part that relays signals. */
export const isRelayed = (execArgv: ReadonlyArray<string>): boolean => execArgv.some(isRelay)

/** The options of Node without that part: `--require FILE`, two words. */
export const withoutRelay = (execArgv: ReadonlyArray<string>): ReadonlyArray<string> =>
  execArgv.filter((word, i) => !isRelay(word) && !(i + 1 < execArgv.length && isRelay(execArgv[i + 1])))

const signals = ['SIGINT', 'SIGTERM'] as const

/** Runs the same program without tsx's command line; gives its exit code. */
export const restarted = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const words = [...withoutRelay(process.execArgv), ...process.argv.slice(1)]
    const child = spawn(process.execPath, words, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
    for (const s of signals)
      process.on(s, () => {
        child.kill(s)
      })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      resolve(code ?? (signal === 'SIGKILL' ? 137 : 130))
    })
  })

/** Ends this process when the one that started it is gone, whatever happened to that. */
export const endWithParent = (): void => {
  if (process.send !== undefined) process.on('disconnect', () => process.exit(137))
}

/** Milliseconds within which signals are one: a terminal sends to all processes, and some pass on what the others have had already. */
const together = 500

/** Whether a stop was requested. `again` is called at a second request. */
export const stopOnSignals = (asked: () => void, again: () => void): (() => boolean) => {
  let first = 0
  const stop = (): void => {
    // of a steady clock: the time of day may be set back
    const now = performance.now()
    if (first === 0) {
      first = now
      asked()
    } else if (now - first > together) again()
  }
  for (const s of signals) process.on(s, stop)
  return () => first > 0
}
