/** The program of a worker thread: opens the dataset that it is sent, then fills the jobs that come. */
import { parentPort } from 'node:worker_threads'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { messageOf } from '../../core/fault.ts'
import { reopen } from './reopen.ts'
import { fillRows } from './fill.ts'
import type { Order, Reply, Start } from './messages.ts'
import { stopped } from './messages.ts'

type Fill = ReturnType<typeof fillRows>

const answer = async (fill: Either<Fault, Fill>, { id, job }: Order): Promise<Reply> => {
  if (E.isLeft(fill)) return { _tag: 'Reply', id, result: fill }
  try {
    return { _tag: 'Reply', id, result: await fill.right(job)() }
  } catch (e) {
    return { _tag: 'Reply', id, result: E.left(stopped(messageOf(e))) }
  }
}

/** The dataset, opened once: what asks before it is open waits. */
let opened: Promise<Either<Fault, Fill>> = Promise.resolve(E.left(stopped('a job before the dataset')))

parentPort?.on('message', (m: Start | Order) => {
  if (m._tag === 'Start')
    opened = pipe(
      reopen(m.origin),
      TE.map((d) => fillRows(d, m.options)),
    )()
  else
    void opened
      .then((fill) => answer(fill, m))
      .then((reply) => {
        parentPort?.postMessage(reply)
      })
})
