/**
 * Worker threads that rest between two loaders: one needs a third of a second to start, and lists a folder again to open it, and a run has
 * a loader for every evaluation.
 */
import type { Worker } from 'node:worker_threads'
import type { Dataset } from '../readers/dataset.ts'

/** Milliseconds that a thread rests before it ends. */
const patience = 20_000

export interface Rested {
  readonly worker: Worker
  /** What it has open. */
  readonly data: Dataset
}

export interface Threads {
  /** One that rests, of those that have `data` open if there are any; nothing where none rests. */
  readonly take: (data: Dataset) => Rested | undefined
  /** One that nobody waits for. */
  readonly rest: (r: Rested) => void
}

/** None rests at first; they keep no process alive. */
export const restingThreads = (): Threads => {
  const resting = new Map<Worker, Rested & { readonly wake: () => void }>()
  return {
    take: (data) => {
      const all = [...resting.values()]
      const r = all.find((x) => x.data === data) ?? all.at(0)
      r?.wake()
      return r
    },
    rest: (r) => {
      const end = (): void => {
        wake()
        void r.worker.terminate()
      }
      const timer = setTimeout(end, patience)
      timer.unref()
      const wake = (): void => {
        clearTimeout(timer)
        r.worker.off('error', end).off('exit', end)
        resting.delete(r.worker)
      }
      r.worker.on('error', end).on('exit', end)
      resting.set(r.worker, { ...r, wake })
    },
  }
}
