/** The runtime and compiled units as JavaScript sees them. */
import { availableParallelism } from 'node:os'
import type { Async, Call } from '../foreign.ts'
import { asAddress, koffi, later } from '../foreign.ts'

/** Memory outside of JavaScript's heap, and its view without a copy. */
export interface Memory {
  readonly address: bigint
  readonly bytes: number
  readonly view: ArrayBuffer
}

export interface RunCall {
  /** 4 words for each step: kernel, its parts, bytes of a copy, number of buffers. */
  readonly steps: BigInt64Array
  readonly buffers: BigInt64Array
  readonly threads: number
  /** Collects each step's seconds. */
  readonly times: Float64Array | null
  /** Held while it runs. */
  readonly units: ReadonlyArray<LoadedUnit>
}

export interface Runtime {
  /** Held, as koffi unloads a library without references. */
  readonly library: unknown
  readonly allocate: (bytes: number) => Memory | undefined
  readonly free: (m: Memory) => void
  /** Gives the system what others have freed and the process has kept. */
  readonly trim: () => void
  /** Programs reach other ranks by the function at this address (runtime/collective.h). */
  readonly speak: (collective: bigint) => void
  /** Runs a program off the main thread. */
  readonly run: (c: RunCall) => Promise<void>
}

/** Programs of one process run one after the other: the pool of threads is one. */
const queue = { last: Promise.resolve() }

export const openRuntime = (path: string): Runtime => {
  const lib = koffi.load(path)
  const allocate: Call = lib.func('int64_t dg_allocate(int64_t bytes)')
  const free: Call = lib.func('void dg_free(int64_t p, int64_t bytes)')
  const trim: Call = lib.func('void dg_trim()')
  const speak: Call = lib.func('void dg_speak(int64_t collective)')
  const run: Async = lib.func('void dg_run(void *steps, int64_t n, void *buffers, int32_t threads, void *times)')
  return {
    library: lib,
    allocate: (bytes) => {
      const address = asAddress(allocate(bytes))
      return address === 0n ? undefined : { address, bytes, view: koffi.view(address, bytes) }
    },
    free: (m) => {
      free(m.address, m.bytes)
    },
    trim: () => {
      trim()
    },
    speak: (collective) => {
      speak(collective)
    },
    run: (c) => {
      const now = queue.last.then(async () => {
        await later(run, c.steps, c.steps.length / 4, c.buffers, c.threads, c.times)
      })
      queue.last = now.catch(() => undefined)
      return now
    },
  }
}

/** A loaded unit: the addresses of its kernels, good for as long as the library is held. */
export interface LoadedUnit {
  readonly kernels: ReadonlyArray<bigint>
  readonly library: unknown
}

export const openUnit = (path: string, kernels: number): LoadedUnit => {
  const library = koffi.load(path)
  const kernel: Call = library.func('int64_t dg_kernel(int32_t i)')
  return { kernels: Array.from({ length: kernels }, (_, i) => asAddress(kernel(i))), library }
}

export const allCores = (): number => availableParallelism()

/** Operations a second that `threads` threads reach on registers alone: the best of some runs. */
export const peakOf = async (r: Runtime, path: string, threads: number): Promise<number> => {
  const lib = koffi.load(path)
  const kernel: Call = lib.func('int64_t dg_peak_kernel()')
  const work: Call = lib.func('double dg_peak_work()')
  const out = r.allocate(64 * threads)
  if (out === undefined) return NaN
  // many at once: coming and going takes a tenth of the time of one
  const turns = Array.from({ length: 20 })
  const call: RunCall = {
    steps: BigInt64Array.from(turns.flatMap(() => [asAddress(kernel()), BigInt(threads), 0n, 1n])),
    buffers: BigInt64Array.from(turns.map(() => out.address)),
    threads,
    times: null,
    units: [],
  }
  let best = Infinity
  for (let i = 0; i < 100; i++) {
    const from = performance.now()
    await r.run(call)
    best = Math.min(best, performance.now() - from)
  }
  r.free(out)
  return (Number(work()) * threads * turns.length) / (best / 1000)
}
