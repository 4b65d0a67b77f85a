/** A run that is over in seconds: a DINO of one block on sixteen random pictures. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { remat } from '../../compiler/passes/remat.ts'
import type { Device } from '../../compiler/target.ts'
import { reference } from '../../compiler/targets/reference.ts'
import type { Fault } from '../../core/fault.ts'
import { augmentations } from '../../data/augment/presets.ts'
import { arrayDataset } from '../../data/readers/array.ts'
import { dino } from '../../losses/dino.ts'
import { dinov1 } from '../../models/dino.ts'
import { head } from '../../models/head.ts'
import { vit } from '../../models/vit.ts'
import type { ValueOf } from '../../train/config/field.ts'
import { flag, whole } from '../../train/config/field.ts'
import { given } from '../../train/config/settings.ts'
import type { Given } from '../../train/config/section.ts'
import { section } from '../../train/config/section.ts'
import type { Experiment, ExperimentOptions } from '../../train/run/experiment.ts'
import { experimentOf } from '../../train/run/experiment.ts'
import type { Length } from '../../train/run/length.ts'
import type { Progress, Tick } from '../../train/run/log/progress.ts'
import { noPace } from '../../train/run/log/progress.ts'
import { adamw } from '../../train/step/optimizer.ts'
import { common, evaluation } from '../../train/config/common.ts'
import { reportRoot } from '../../train/judge/report/network.ts'
import type { Report } from '../../train/run/run.ts'
import { judge } from '../../train/judge/judge.ts'
import { runExperiment } from '../../train/run/run.ts'
import { method } from '../../train/step/method.ts'
import { constant } from '../../train/step/schedule.ts'
import { rewriteStep } from '../../train/step/step.ts'
import { freeze } from '../../train/step/strategies/freeze.ts'
import { noStrategy } from '../../train/step/strategies/strategy.ts'
import { right } from '../data/either.ts'
import { wave } from '../support/tensor.ts'

const settings = section('a test', {
  ...common({ steps: 4, batch: 4 }),
  evaluation: evaluation.with({ k: 1, during: 0 }),
  micro: whole(1, 'micro-batches'),
  frozen: whole(0, 'frozen blocks'),
  thaw: whole(0, 'when they move'),
  size: whole(8, 'of crops'),
  remat: flag(false, 'recomputes'),
})
export type Tiny = ValueOf<typeof settings>

const pictures = arrayDataset({
  name: 'pictures',
  channels: 1,
  height: 8,
  width: 8,
  range: [0, 1],
  images: Float32Array.from(wave(16 * 64, 1), (x) => (x + 1) / 2),
  labels: new Int32Array(16),
  classes: ['one'],
})

type Changes = Partial<Pick<ExperimentOptions<Tiny>, 'phases' | 'hypers'>>

/** The phases by default: the first `frozen` blocks are frozen before step `thaw`. */
export const tiny = (changes: Changes = {}): Experiment =>
  experimentOf({
    name: 'tiny',
    about: 'A test.',
    settings,
    data: () =>
      pipe(
        TE.fromEither(pictures),
        TE.map((train) => ({ train, test: train })),
      ),
    augmentation: ({ size }) => augmentations.digits({ globalSize: size, locals: 1, localSize: 4 }),
    method: (_, { channels }) => {
      const backbone = vit({ patch: 4, width: 8, depth: 2, heads: 2, mlpRatio: 2, image: 8, channels })
      return method({
        backbone,
        pair: dinov1({ backbone, head: head({ in: 8, prototypes: 6, hidden: 8, bottleneck: 4 }) }),
        loss: dino({ prototypes: 6 }),
      })
    },
    update: () => ({ optimizer: adamw() }),
    hypers: () => E.right({ lr: constant(0.01), wd: constant(0.04), momentum: constant(0.9), teacher_temp: constant(0.04) }),
    strategy: (s) => (s.frozen > 0 ? freeze({ prefix: s.frozen }) : noStrategy),
    rewrite: (s) => (s.remat ? rewriteStep(remat()) : (step) => step),
    accumulate: (s) => s.micro,
    phases: (s) =>
      s.thaw === 0
        ? [{ name: 'training', from: 0, settings: s }]
        : [
            { name: 'head', from: 0, settings: s },
            { name: 'all', from: s.thaw, settings: { ...s, frozen: 0 } },
          ],
    ...changes,
  })

export const quiet: Progress = {
  say: () => undefined,
  tick: () => undefined,
  end: () => undefined,
  pace: () => noPace,
}

export interface RanTiny {
  readonly report: Report
  readonly device: Device
  readonly state: ReadonlyMap<string, Float32Array>
  /** What its steps said. */
  readonly ticks: ReadonlyArray<Tick>
}

/** Runs it on the reference into a folder; `stopAfter` steps it is asked to stop. */
export const ranIn =
  (
    out: string,
    e: Experiment,
    change: Given<Tiny> = {},
    how: { readonly resume?: boolean; readonly stopAfter?: number; readonly length?: Length } = {},
  ) =>
  async (): Promise<E.Either<Fault, RanTiny>> => {
    await mkdir(join(out, 'checkpoints'), { recursive: true })
    const device = right(await reference.open())
    const ticks: Array<Tick> = []
    const progress: Progress = {
      ...quiet,
      tick: (t) => {
        ticks.push(t)
      },
    }
    const resolved = right(e.resolve([given(change)]))
    // closing forgets the state that is looked at here
    const report = await runExperiment(resolved, {
      name: e.name,
      out,
      device: TE.right({ ...device, close: () => undefined }),
      resume: how.resume === true,
      ...(how.length === undefined ? {} : { length: how.length }),
      judge,
      progress,
      stopping: () => ticks.length >= (how.stopAfter ?? Infinity),
    })()
    if (E.isLeft(report)) return report
    const state = new Map<string, Float32Array>()
    // a finished run's report has left the network there that it looked at
    for (const path of device.resident().keys())
      if (!path.startsWith(`${reportRoot}.`)) state.set(path, Float32Array.from(right(await device.read(path)())))
    return E.right({ report: report.right, device, state, ticks })
  }
