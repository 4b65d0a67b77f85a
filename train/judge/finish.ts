/**
 * What is made of a run that has come to its end, from the networks on the device. A finish is a function of what was trained;
 * adding one is adding it to `finishes`.
 */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { last } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { showFault } from '../../core/fault.ts'
import { writeNetwork } from '../exchange/huggingface/product.ts'
import type { Finished, Numbers } from '../run/judge.ts'
import { attentionSheet } from './interpret/sheet.ts'
import { reportFinished } from './report/ending.ts'

/** Makes something of a finished run. Its numbers join the report. */
export type Finish = (f: Finished) => TaskEither<Fault, Numbers>

const attention: Finish = (f) => {
  if (f.split.test.length === 0) return TE.right({})
  const path = join(f.out, 'attention.png')
  const { features } = last(f.assembled.phases)
  // a backbone without attention has no maps of it
  if (O.isNone(features.attention)) return TE.right({})
  const { value } = features.attention
  return pipe(
    attentionSheet(f.open, features, value, f.split.test, path, { images: 8, heads: value.type.shape[1] ?? 1 }),
    TE.match(
      // a picture is no reason to lose a run
      (why) => {
        f.progress.say(`note: no attention maps:\n${showFault(why)}`)
      },
      () => {
        f.progress.say(`attention maps: ${path}`)
      },
    ),
    TE.fromTask,
    TE.map(() => ({})),
  )
}

/** `huggingface/`: the evaluated backbone; `backbone/` where no class of transformers computes the same. */
const product: Finish = (f) =>
  pipe(
    writeNetwork(f.assembled.method.evaluated)(f),
    TE.map(() => ({})),
  )

/** What the experiment itself makes of its networks. */
const own: Finish = (f) => f.run.after(f)

/** All of them, in order: what was trained first, then pictures of it; the report, which shows all numbers, last. */
export const finishes: ReadonlyArray<Finish> = [product, attention, own, reportFinished]

/**
 * One after the other; each sees the numbers of those before it. Gives all numbers. Where one fails, those after it are made all the
 * same, and its fault is the result: what was trained for hours is not lost to what is made of it.
 */
export const finished =
  <F extends { readonly metrics: Numbers }>(all: ReadonlyArray<(f: F) => TaskEither<Fault, Numbers>>) =>
  (f: F): TaskEither<Fault, Numbers> =>
  async () => {
    let metrics = f.metrics
    let failed: Fault | undefined
    for (const finish of all) {
      const r = await finish({ ...f, metrics })()
      if (E.isLeft(r)) failed = failed ?? r.left
      else metrics = { ...metrics, ...r.right }
    }
    return failed === undefined ? E.right(metrics) : E.left(failed)
  }
