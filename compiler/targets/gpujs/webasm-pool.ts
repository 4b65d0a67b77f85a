/** The threads of the webasm engine, and programs that they run together. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { type Fault, fault, messageOf } from '../../../core/fault.ts'
import { promised } from './compile.ts'
import type { Grid } from './kernel.ts'
import * as worker from './webasm-worker.js'

/** A kernel as all threads know it: the number under which workers keep their own instance. */
export interface PooledKernel {
  readonly id: number
  readonly code: worker.WebasmCode
  readonly kernel: worker.WebasmKernel
}

/** One launch of a program: a kernel, the addresses of its arrays, and its grid. */
export interface PooledLaunch {
  readonly kernel: PooledKernel
  readonly addresses: ReadonlyArray<number>
  readonly grid: Grid
}

export interface Pool {
  readonly threads: number
  /** Makes a kernel known to the pool. */
  readonly adopt: (code: worker.WebasmCode) => PooledKernel
  readonly program: (launches: ReadonlyArray<PooledLaunch>) => { readonly run: () => Promise<void> }
  readonly close: () => void
}

/** Fewer threads of a grid than these are not worth handing to another core. */
const smallestPiece = 64

const trapped = (e: unknown): Fault =>
  fault('target', {
    place: 'gpu.js, webasm, run',
    found: messageOf(e),
    allowed: 'kernels that read inside of memory',
    remedy: 'report this with the program that was run',
  })

/** How a launch is cut: many pieces per core, as a core may be busy elsewhere; by rows if there are enough, then within rows. */
const step = (kernel: number, { addresses, grid }: PooledLaunch, cores: number): worker.Step => {
  const [columns, y, z] = grid.threads
  const rows = y * z
  const pieces = Math.max(1, Math.min(16 * cores, Math.floor((columns * rows) / smallestPiece)))
  const rowParts = Math.min(rows, pieces)
  const columnParts = Math.max(1, Math.min(Math.ceil(pieces / rowParts), Math.floor(columns / smallestPiece)))
  return { kernel, addresses, rows, columns, rowParts, columnParts }
}

/** Opens a pool with one thread per core, the calling thread being one of them. Workers start with the first run. */
export const openPool = (memory: WebAssembly.Memory, cores: number = availableParallelism()): Pool => {
  const state: { workers: ReadonlyArray<Worker>; kernels: number; programs: number } = { workers: [], kernels: 0, programs: 0 }

  const start = (): void => {
    if (state.workers.length > 0) return
    state.workers = Array.from({ length: cores - 1 }, () => {
      const thread = new Worker(new URL('./webasm-worker.js', import.meta.url), {
        workerData: { dinograph: 'webasm', memory },
        execArgv: [],
      })
      // A worker that waits for work keeps no process alive.
      thread.unref()
      return thread
    })
  }

  const program = (launches: ReadonlyArray<PooledLaunch>): { readonly run: () => Promise<void> } => {
    const kernels = [...new Set(launches.map((l) => l.kernel))]
    const indices = new Map(kernels.map((k, n) => [k, n]))
    const steps = launches.map((l) => step(indices.get(l.kernel) ?? 0, l, cores))
    const shared = new Int32Array(new SharedArrayBuffer(4 * (worker.HEADER + 2 * steps.length)))
    const own = kernels.map((k) => k.kernel)
    const worthSharing = cores > 1 && steps.some((s) => s.rowParts * s.columnParts > 1)
    state.programs += 1
    const id = state.programs
    const known = { sent: false, generation: 0 }

    const callWorkers = (): void => {
      start()
      for (const thread of state.workers) {
        if (!known.sent) {
          thread.postMessage({ type: 'program', id, steps, state: shared, kernels: kernels.map((k) => ({ id: k.id, code: k.code })) })
        }
        thread.postMessage({ type: 'run', id, generation: known.generation })
      }
      known.sent = true
    }

    const run = (): void => {
      shared.fill(0, worker.FAILED)
      known.generation += 1
      Atomics.store(shared, worker.GENERATION, known.generation)
      Atomics.store(shared, worker.CLOSED, 0)
      if (worthSharing) callWorkers()
      try {
        worker.walk(steps, own, shared)
        if (Atomics.load(shared, worker.FAILED) !== 0) throw new Error('a kernel trapped on a worker thread')
      } catch (e) {
        throw trapped(e)
      } finally {
        // No worker may be left inside when the counters are set back for the next run.
        Atomics.store(shared, worker.CLOSED, 1)
        for (let active = Atomics.load(shared, worker.ACTIVE); active > 0; active = Atomics.load(shared, worker.ACTIVE)) {
          Atomics.wait(shared, worker.ACTIVE, active, 1)
        }
      }
    }
    return { run: () => promised(run) }
  }

  return {
    threads: cores,
    adopt: (code) => {
      state.kernels += 1
      return { id: state.kernels, code, kernel: worker.instantiate(code, memory) }
    },
    program,
    close: () => {
      for (const thread of state.workers) void thread.terminate()
      state.workers = []
    },
  }
}
