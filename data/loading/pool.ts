/** Worker threads that fill batches. A thread that dies or throws is a fault of every batch that waits, never a hang. */
import { Worker } from 'node:worker_threads'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import { messageOf } from '../../core/fault.ts'
import type { Filled, Filler, Job } from './fill.ts'
import { stopped } from './messages.ts'
import type { Order, Reply, Start } from './messages.ts'

type Result = Either<Fault, ReadonlyArray<Filled>>

/** One thread, and what it has been asked. */
interface Thread {
  readonly ask: (job: Job) => Promise<Result>
  readonly close: () => void
}

const program = new URL('./thread.js', import.meta.url)

/** A thread keeps the process alive only while something waits for it. */
const openThread = (start: Start, patience: number, url: URL): Thread => {
  const worker = new Worker(url, { execArgv: [] })
  worker.unref()
  worker.postMessage(start)
  const waiting = new Map<number, (r: Result) => void>()
  const state: { asked: number; ended: Fault | undefined; timer: NodeJS.Timeout | undefined } = {
    asked: 0,
    ended: undefined,
    timer: undefined,
  }
  const settle = (): void => {
    clearTimeout(state.timer)
    state.timer = undefined
    if (waiting.size === 0) worker.unref()
    else
      state.timer = setTimeout(() => {
        end(`no answer for ${patience / 1000} seconds`)
      }, patience)
  }
  const end = (found: string): void => {
    state.ended ??= stopped(found)
    const left = E.left(state.ended)
    for (const answer of waiting.values()) answer(left)
    waiting.clear()
    settle()
    void worker.terminate()
  }
  worker.on('message', ({ id, result }: Reply) => {
    waiting.get(id)?.(result)
    waiting.delete(id)
    settle()
  })
  worker.on('messageerror', (e) => {
    end(`a message that cannot be read: ${messageOf(e)}`)
  })
  worker.on('error', (e) => {
    end(messageOf(e))
  })
  worker.on('exit', (code) => {
    end(`it ended with code ${code}`)
  })
  return {
    ask: (job) => {
      if (state.ended !== undefined) return Promise.resolve(E.left(state.ended))
      const order: Order = { _tag: 'Order', id: state.asked++, job }
      return new Promise((resolve) => {
        waiting.set(order.id, resolve)
        worker.ref()
        if (state.timer === undefined) settle()
        worker.postMessage(order)
      })
    },
    close: () => {
      end('the loader was closed')
    },
  }
}

/** How a pool is made. */
export interface PoolOptions {
  readonly workers: number
  /** Milliseconds after which a thread that answers nothing is given up; ten minutes by default. */
  readonly patience?: number
  /** The threads' program. */
  readonly program?: URL
}

/** Threads that each fill a part of every job. They start with the first one. */
export const poolFiller = (start: Start, o: PoolOptions): Filler => {
  let threads: ReadonlyArray<Thread> = []
  return {
    fill: (job) => async () => {
      if (threads.length === 0)
        threads = Array.from({ length: o.workers }, () => openThread(start, o.patience ?? 600_000, o.program ?? program))
      const parts = threads.map((t, n) => {
        const rows = job.rows.filter((_, r) => r % threads.length === n)
        return rows.length === 0 ? Promise.resolve(E.right([])) : t.ask({ ...job, rows })
      })
      const filled = E.sequenceArray<Fault, ReadonlyArray<Filled>>(await Promise.all(parts))
      return E.map((all: ReadonlyArray<ReadonlyArray<Filled>>) => all.flat())(filled)
    },
    close: () => {
      for (const t of threads) t.close()
    },
  }
}
