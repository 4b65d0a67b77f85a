/**
 * Worker threads that fill batches. A part of a batch whose thread dies is made again by a new one, which gives the same: what a row holds
 * depends on the row alone. A part that ends threads again and again is a fault, and never a hang.
 */
import { Worker } from 'node:worker_threads'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import { messageOf } from '../../core/fault.ts'
import type { Dataset } from '../readers/dataset.ts'
import type { Filled, Filler, Job } from './fill.ts'
import { stopped } from './messages.ts'
import type { Order, Reply, Rest, Start } from './messages.ts'
import type { Threads } from './threads.ts'

type Result = Either<Fault, ReadonlyArray<Filled>>

/** One thread, and what it has been asked. */
interface Thread {
  readonly ask: (job: Job) => Promise<Result>
  /** Why it died, where it did. */
  readonly died: () => Fault | undefined
  readonly close: () => void
}

const program = new URL('./thread.js', import.meta.url)

const rest: Rest = { _tag: 'Rest' }

/** A thread keeps the process alive only while something waits for it. */
const openThread = (start: Start, patience: number, url: URL, between: PoolOptions['between']): Thread => {
  const rested = between?.threads.take(between.data)
  const worker = rested?.worker ?? new Worker(url, { execArgv: [] })
  worker.unref()
  try {
    worker.postMessage(rested !== undefined && rested.data === between?.data ? { ...start, origin: undefined } : start)
  } catch (e) {
    // a dataset with something in it that cannot be sent
    void worker.terminate()
    throw e
  }
  const waiting = new Map<number, (r: Result) => void>()
  const state: { asked: number; works: boolean; ended: Fault | undefined; died: Fault | undefined; timer: NodeJS.Timeout | undefined } = {
    asked: 0,
    works: false,
    ended: undefined,
    died: undefined,
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
  const died = (found: string): void => {
    state.died ??= state.ended === undefined ? stopped(found) : undefined
    end(found)
  }
  worker.on('message', ({ id, result }: Reply) => {
    state.works = E.isRight(result)
    waiting.get(id)?.(result)
    waiting.delete(id)
    settle()
  })
  worker.on('messageerror', (e) => {
    end(`a message that cannot be read: ${messageOf(e)}`)
  })
  worker.on('error', (e) => {
    died(messageOf(e))
  })
  worker.on('exit', (code) => {
    died(`it ended with code ${code}`)
  })
  return {
    ask: (job) => {
      if (state.ended !== undefined) return Promise.resolve(E.left(state.ended))
      const order: Order = { _tag: 'Order', id: state.asked++, job }
      return new Promise((resolve) => {
        waiting.set(order.id, resolve)
        worker.ref()
        if (state.timer === undefined) settle()
        try {
          worker.postMessage(order)
        } catch (e) {
          waiting.delete(order.id)
          settle()
          resolve(E.left(stopped(messageOf(e))))
        }
      })
    },
    died: () => state.died,
    close: () => {
      const idle = state.works && state.ended === undefined && waiting.size === 0
      if (between === undefined || !idle) {
        end('the loader was closed')
        return
      }
      state.ended = stopped('the loader was closed')
      // all at once would take those with which Node itself hears the thread
      for (const event of ['message', 'messageerror', 'error', 'exit']) worker.removeAllListeners(event)
      try {
        worker.postMessage(rest)
        between.threads.rest({ worker, data: between.data })
      } catch {
        void worker.terminate()
      }
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
  /** Where threads of this program come from and go to, and the data that they open; without it they start and end with the pool. */
  readonly between?: { readonly threads: Threads; readonly data: Dataset }
}

/** Times that a part of a batch is asked for when threads die of it. */
const attempts = 3

const again = (found: string): string => `a thread that reads images died (${found}): another reads what it was asked, and the run goes on`

/** Threads that each fill a part of every job. They start with the first one. */
export const poolFiller = (start: Start, o: PoolOptions): Filler => {
  const opened = (): Thread => openThread(start, o.patience ?? 600_000, o.program ?? program, o.between)
  const threads: Array<Thread> = []
  const state = { closed: false }
  /** What the thread at a place makes of a job; where it dies, another has its place. */
  const part = async (job: Job, n: number): Promise<Result> => {
    const died: Array<string> = []
    for (;;) {
      const thread = threads[n]
      const result = await thread.ask(job)
      if (E.isRight(result)) {
        const [first, ...rest] = result.right
        return died.length === 0 || first === undefined
          ? result
          : E.right([{ ...first, note: [first.note, again(died[0])].filter((t) => t !== undefined).join('; ') }, ...rest])
      }
      const gone = thread.died()
      if (gone === undefined || state.closed) return result
      died.push(gone.found)
      if (died.length === attempts) return result
      if (threads[n] === thread) threads[n] = opened()
    }
  }
  return {
    fill: (job) => async () => {
      try {
        while (threads.length < o.workers) threads.push(opened())
        const parts = threads.map((_, n) => {
          const rows = job.rows.filter((_, r) => r % threads.length === n)
          return rows.length === 0 ? Promise.resolve(E.right([])) : part({ ...job, rows }, n)
        })
        const filled = E.sequenceArray<Fault, ReadonlyArray<Filled>>(await Promise.all(parts))
        return E.map((all: ReadonlyArray<ReadonlyArray<Filled>>) => all.flat())(filled)
      } catch (e) {
        return E.left(stopped(messageOf(e)))
      }
    },
    close: () => {
      state.closed = true
      for (const t of threads) t.close()
    },
  }
}
