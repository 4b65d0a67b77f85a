/**
 * What is made of a run that has come to its end, from the networks on the device. A closing is a function of what was trained;
 * adding one is adding it to `closings`.
 */
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import { last } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import type { Split } from '../../data/readers/dataset.ts'
import type { Resolved, Trained } from './experiment.ts'
import { writeNetwork } from '../exchange/huggingface/product.ts'
import { attentionSheet } from '../judge/interpret/sheet.ts'
import { reportFinished } from '../judge/report/ending.ts'

/** A finished run: what it was, what it learned, and the numbers that it is reported with so far. */
export interface Finished extends Trained {
  readonly name: string
  readonly run: Resolved
  readonly split: Split
  /** The device with the networks on it. */
  readonly open: Device
  readonly metrics: Readonly<Record<string, number>>
}

/** Makes something of a finished run. Its numbers join the report. */
export type Closing = (f: Finished) => TaskEither<Fault, Readonly<Record<string, number>>>

const attention: Closing = (f) => {
  if (f.split.test.length === 0) return TE.right({})
  const path = join(f.out, 'attention.png')
  const { features } = last(f.assembled.phases)
  return pipe(attentionSheet(f.open, features, f.split.test, path, { images: 8, heads: features.attention.type.shape[1] ?? 1 }), TE.map(() => {
    f.progress.say(`attention maps: ${path}`)
    return {}
  }))
}

/** `huggingface/`: the evaluated backbone. */
const huggingFace: Closing = (f) => {
  const { root, backbone } = f.assembled.evaluated
  return O.isNone(backbone) ? TE.right({}) : pipe(writeNetwork(join(f.out, 'huggingface'), root, backbone.value)(f), TE.map(() => ({})))
}

/** What the experiment itself makes of its networks. */
const own: Closing = (f) => f.run.after(f)

/** All of them, in order; the report, which shows all numbers, last. */
export const closings: ReadonlyArray<Closing> = [attention, huggingFace, own, reportFinished]

/** One after the other; each sees the numbers of those before it. */
export const close = (all: ReadonlyArray<Closing>) => (f: Finished): TaskEither<Fault, Readonly<Record<string, number>>> => async () => {
  let metrics = f.metrics
  for (const closing of all) {
    const r = await closing({ ...f, metrics })()
    if (r._tag === 'Left') return r
    metrics = { ...metrics, ...r.right }
  }
  return { _tag: 'Right', right: metrics }
}
