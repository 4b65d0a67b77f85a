/** What the calling thread and a worker thread say to each other. */
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Origin } from '../readers/origin.ts'
import type { Filled, FillOptions, Job } from './fill.ts'

/** What a thread is started with; without an origin, what it has open. */
export interface Start {
  readonly _tag: 'Start'
  readonly origin: Origin | undefined
  readonly options: FillOptions
}

/** Nothing more is filled until the next start. */
export interface Rest {
  readonly _tag: 'Rest'
}

export interface Order {
  readonly _tag: 'Order'
  readonly id: number
  readonly job: Job
}

export interface Reply {
  readonly _tag: 'Reply'
  readonly id: number
  readonly result: Either<Fault, ReadonlyArray<Filled>>
}

/** The fault of a worker thread that ended, or that threw where a reader must not. */
export const stopped = (found: string): Fault =>
  fault('data', {
    place: 'a worker thread of the loader',
    found,
    allowed: 'threads that read until they are stopped',
    remedy: 'see the reason above; to find the image that causes it, load on the calling thread (workers 0)',
  })
