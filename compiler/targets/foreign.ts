/** koffi, which calls compiled libraries, with stacks that they need: the settings are one for a process, whatever loads it first. */
import koffi from 'koffi'
import { messageOf } from '../../core/fault.ts'

/** Calls run on stacks of this size, the largest that koffi takes: its own of 128 KB is too small for kernels' tables and for XLA. */
const stackBytes = 16 << 20

koffi.config({ sync_stack_size: stackBytes, async_stack_size: stackBytes })

/** A function of a library. */
export type Call = (...args: ReadonlyArray<unknown>) => unknown

/** The same, as it is called off the main thread. */
export interface Async {
  readonly async: (...args: ReadonlyArray<unknown>) => void
}

/** What a function returns that is called off the main thread. Rejects with what the call itself fails of. */
export const later = (f: Async, ...args: ReadonlyArray<unknown>): Promise<unknown> =>
  new Promise((done, fail) => {
    f.async(...args, (e: unknown, result: unknown) => {
      if (e === null || e === undefined) done(result)
      else fail(new Error(messageOf(e)))
    })
  })

/** An address as koffi gives it: a number where it is small. */
export const asAddress = (x: unknown): bigint => (typeof x === 'bigint' ? x : typeof x === 'number' ? BigInt(x) : koffi.address(x))

/** RTLD_LAZY, and RTLD_NODELETE as Linux and macOS have it. */
const keeping: Partial<Record<NodeJS.Platform, number>> = { linux: 0x1001, darwin: 0x81 }

/**
 * Keeps a library that has been loaded until the process is over. koffi unloads what is not held, and all when Node ends; a library with
 * threads and exit handlers of its own must still be there then.
 */
export const keepLoaded = (path: string): void => {
  const flags = keeping[process.platform]
  if (flags === undefined) return
  const open: Call = koffi.load(null).func('int64_t dlopen(const char *path, int flags)')
  open(path, flags)
}

export { koffi }
