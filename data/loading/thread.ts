/** The program of a worker thread: opens the dataset that it is sent, then fills the jobs that come; after a rest, those of a new start. */
import { parentPort } from 'node:worker_threads'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import { messageOf } from '../../core/fault.ts'
import type { Dataset } from '../readers/dataset.ts'
import { reopen } from './reopen.ts'
import { fillRows } from './fill.ts'
import type { Order, Reply, Rest, Start } from './messages.ts'
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

const early: Either<Fault, never> = E.left(stopped('a job before the dataset'))

/** The dataset, opened once: what asks before it is open waits. */
let data: Promise<Either<Fault, Dataset>> = Promise.resolve(early)
let opened: Promise<Either<Fault, Fill>> = Promise.resolve(early)

parentPort?.on('message', (m: Start | Order | Rest) => {
  if (m._tag === 'Start') {
    if (m.origin !== undefined) data = reopen(m.origin)()
    opened = data.then(E.map((d) => fillRows(d, m.options)))
  } else if (m._tag === 'Rest') opened = Promise.resolve(early)
  else
    void opened
      .then((fill) => answer(fill, m))
      .then((reply) => {
        parentPort?.postMessage(reply)
      })
})
