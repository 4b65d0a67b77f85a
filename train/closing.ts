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
import type { Device } from '../compiler/target.ts'
import type { Fault } from '../core/fault.ts'
import { declarations } from '../core/model.ts'
import type { Split } from '../data/dataset.ts'
import { preprocessorOfCrops } from './evaluate/preprocess.ts'
import type { Resolved, Trained } from './experiment.ts'
import { writeBackbone } from './huggingface/write.ts'
import { attentionSheet } from './interpret/sheet.ts'
import { reportFinished } from './report/ending.ts'
import { mergedNetwork } from './strategies/adapters.ts'

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

/** A statistic of every channel of the images; one number for all where the recipe has another number of channels. */
const perChannel = (values: ReadonlyArray<number>, channels: number): ReadonlyArray<number> =>
  (values.length === channels ? values : Array.from({ length: channels }, () => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length)))

/** `huggingface/`: the evaluated backbone, its adapters merged, as transformers reads it. What no type there can hold is said. */
const huggingFace: Closing = (f) => {
  const { evaluated: { root, backbone }, program, phases } = f.assembled
  if (O.isNone(backbone)) return TE.right({})
  const model = backbone.value
  const { normalisation: { mean, std }, global: { size } } = last(phases).crops.recipe
  const { channels } = model.options
  // whole images as this run evaluates them, so that figures of the folder are those of the run
  const preprocessor = preprocessorOfCrops({ size, mean: perChannel(mean, channels), std: perChannel(std, channels) })
  const folder = join(f.out, 'huggingface')
  return pipe(
    TE.fromEither(mergedNetwork(program.adapters, root)(f.state)),
    TE.map((values) => new Map(declarations(model.params).map(([path]) => [path, values.get(`backbone.${path}`) ?? new Float32Array()] as const))),
    TE.chain((weights) => writeBackbone(folder, { preprocessor })({ model, weights })),
    TE.map(() => { f.progress.say(`for Hugging Face: ${folder}`); return {} }),
    TE.orElse((bad) => {
      if (bad.kind !== 'usage') return TE.left(bad)
      f.progress.say(`not written for Hugging Face: ${bad.found}: ${bad.allowed}`)
      return TE.right({})
    }),
  )
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
