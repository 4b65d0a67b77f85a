/** DINOv2's training loop: every step's losses, norms and centres, and the final student and teacher, from given crops and masks. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Device, Feed, HostArray, HostValues } from '../../../compiler/target.ts'
import type { Fault } from '../../../core/fault.ts'
import { range } from '../../../core/type.ts'
import { unchunked } from '../../../models/huggingface/official.ts'
import { clipGroups, submoduleOf } from '../../../train/step/clip.ts'
import { v2Groups } from '../../../train/step/groups.ts'
import { isLastLayer } from '../../support/last-layer.ts'
import { initialize } from '../../../train/step/initialization.ts'
import { writeResidents } from '../../../train/run/state.ts'
import { adamw } from '../../../train/step/optimizer.ts'
import type { Schedule } from '../../../train/step/schedule.ts'
import { cosineSchedule, stepTemperature } from '../../../train/step/schedule.ts'
import type { Program } from '../../../train/step/step.ts'
import { derive, trainingStep } from '../../../train/step/step.ts'
import { chain, identity, scaledBy } from '../../../train/step/transform.ts'
import { backboneWeights } from '../backbones.ts'
import type { Case } from '../case.ts'
import { below, configOf, ints } from '../case.ts'
import { maskedViews, maskValuesOf, optionalFloats } from '../dinov2.ts'
import type { Computed, Kind } from '../kind.ts'
import { runSteps, scalar, stacked, writeAll } from '../kind.ts'
import { config as modelConfig, pairsOf, setup } from './v2_model_grad.ts'

const config = t.intersection([
  modelConfig,
  t.type({
    steps: t.number,
    epochs: t.number,
    epoch_length: t.number,
    lr: t.number,
    weight_decay: t.number,
    momentum_teacher: t.number,
    teacher_temp: t.number,
  }),
  t.partial({
    min_lr: t.number,
    warmup_epochs: t.number,
    weight_decay_end: t.number,
    final_momentum_teacher: t.number,
    warmup_teacher_temp: t.number,
    warmup_teacher_temp_epochs: t.number,
    clip_grad: t.union([t.number, t.null]),
    freeze_last_layer_epochs: t.number,
    patch_embed_lr_mult: t.number,
    layerwise_decay: t.number,
  }),
])
type Config = t.TypeOf<typeof config>

/** The longest list of masked patches of all steps. */
const lengthOf = (c: Case, o: Config): Either<Fault, number> =>
  pipe(
    range(o.steps),
    E.traverseArray((i) =>
      pipe(
        E.Do,
        E.bind('bound', () => (c.inputs.has(`in/step${i}/upperbound`) ? ints(c, `in/step${i}/upperbound`) : E.right(Int32Array.of(1)))),
        E.bind('listed', () => ints(c, `in/step${i}/mask_indices`)),
        E.map(({ bound, listed }) => Math.max(1, bound[0], listed.length)),
      ),
    ),
    E.map((all) => Math.max(...all)),
  )

const programOf = (c: Case, o: Config, length: number): Either<Fault, Program> =>
  pipe(
    maskedViews(c, 'in/step0/', 'batch.', length),
    E.chain((views) => {
      const s = setup(c, o, 'init/')
      const clip = o.clip_grad ?? 0
      const groups = v2Groups({ decay: o.layerwise_decay ?? 1, blocks: o.depth, patchEmbed: o.patch_embed_lr_mult ?? 1 })
      return derive(
        trainingStep({
          model: s.networks,
          loss: s.loss,
          batch: { images: s.images, views },
          gradNorms: true,
          optimizer: chain([clip > 0 ? clipGroups(clip) : identity, adamw({ groups }), scaledBy('train_last_layer', isLastLayer)]),
        }),
      ).program
    }),
  )

interface Schedules {
  readonly lr: Schedule
  readonly wd: Schedule
  readonly momentum: Schedule
  readonly temperature: Schedule
}

const schedulesOf = (o: Config): Either<Fault, Schedules> => {
  const steps = o.epochs * o.epoch_length
  return pipe(
    E.Do,
    E.bind('lr', () =>
      cosineSchedule({ base: o.lr, final: o.min_lr ?? 1e-6, total: steps, warmup: (o.warmup_epochs ?? 0) * o.epoch_length }),
    ),
    E.bind('wd', () => cosineSchedule({ base: o.weight_decay, final: o.weight_decay_end ?? o.weight_decay, total: steps })),
    E.bind('momentum', () => cosineSchedule({ base: o.momentum_teacher, final: o.final_momentum_teacher ?? 1, total: steps })),
    E.bind('temperature', () =>
      stepTemperature({
        start: o.warmup_teacher_temp ?? o.teacher_temp,
        peak: o.teacher_temp,
        warmup: (o.warmup_teacher_temp_epochs ?? 0) * o.epoch_length,
      }),
    ),
  )
}

const feedOf =
  (c: Case, o: Config, s: Schedules, length: number) =>
  (step: number): Either<Fault, Feed> =>
    pipe(
      E.Do,
      E.bind('global', () => optionalFloats(c, `in/step${step}/global`)),
      E.bind('local', () => optionalFloats(c, `in/step${step}/local`)),
      E.bind('masks', () => maskValuesOf(c, `in/step${step}/`, length)),
      E.map(({ global, local, masks }) => ({
        step,
        values: new Map<string, HostArray>([
          ['batch.global', global],
          ...(local.length === 0 ? [] : [['batch.local', local] as const]),
          ...masks,
          ['hyper.lr', scalar(s.lr(step))],
          ['hyper.wd', scalar(s.wd(step))],
          ['hyper.momentum', scalar(s.momentum(step))],
          ['hyper.teacher_temp', scalar(s.temperature(step))],
          ['hyper.train_last_layer', scalar(step < (o.freeze_last_layer_epochs ?? 1) * o.epoch_length ? 0 : 1)],
        ]),
      })),
    )

interface StepResult {
  readonly values: HostValues
  /** After the step; none with Sinkhorn. */
  readonly dino: ArrayLike<number>
  readonly ibot: ArrayLike<number>
}

const centreOf = (device: Device, path: string): TaskEither<Fault, ArrayLike<number>> =>
  device.resident().has(path) ? device.read(path) : TE.right([])

const afterStep =
  (device: Device) =>
  (values: HostValues): TaskEither<Fault, StepResult> =>
    pipe(
      TE.Do,
      TE.bind('dino', () => centreOf(device, 'loss.dino.center')),
      TE.bind('ibot', () => centreOf(device, 'loss.ibot.center')),
      TE.map((centres) => ({ values, ...centres })),
    )

const submodules: ReadonlyArray<string> = ['backbone', 'dino_head', 'ibot_head']

/** The norm of all gradients of each submodule together, of those that the student has. */
const norms = (values: HostValues): ReadonlyArray<number> =>
  submodules.flatMap((name) => {
    const own = [...values].filter(
      ([path]) => path.startsWith('grad_norm.') && submoduleOf({ path: path.slice('grad_norm.'.length) }) === name,
    )
    return own.length === 0 ? [] : [Math.sqrt(own.reduce((n, [, x]) => n + x[0] * x[0], 0))]
  })

/** The values of a term as the official code shows them: some factor times our mean. */
const shownAs = (o: Config): ReadonlyArray<readonly [string, string, number]> => {
  const pairs = pairsOf(o)
  return [
    ['dino_local_crops_loss', 'dino.local', (2 * o.n_local) / pairs],
    ['dino_global_crops_loss', 'dino.global', 2 / pairs],
    ['koleo_loss', 'koleo', (o.koleo_weight ?? 0.1) / 2],
    ['ibot_loss', 'ibot', 1 / 2],
  ]
}

const finals = (c: Case, device: Device): TaskEither<Fault, Computed> =>
  pipe(
    c.expectations.filter((e) => e.name.startsWith('final/')),
    TE.traverseSeqArray((e) =>
      pipe(
        device.read(unchunked(e.name.slice('final/'.length).replace('/', '.'))),
        TE.map((data) => [e.name, data] as const),
      ),
    ),
    TE.map((all) => new Map(all)),
  )

const resultOf = (o: Config, steps: ReadonlyArray<StepResult>): Computed => {
  const last = steps[steps.length - 1]
  const used = [new Float64Array(o.out_dim), ...steps.slice(0, -1).map((s) => s.dino)]
  return new Map<string, ArrayLike<number>>([
    ['out/loss/total', stacked(steps.map((s) => s.values.get('loss') ?? []))],
    ...shownAs(o).map(
      ([name, term, factor]) =>
        [`out/loss/${name}`, stacked(steps.map((s) => Array.from(s.values.get(`loss.${term}`) ?? [], (x) => x * factor)))] as const,
    ),
    ['out/grad_norm', stacked(steps.map((s) => norms(s.values)))],
    ['out/center_used_dino', stacked(used)],
    ['out/center_dino', last?.dino ?? []],
    ['out/center_ibot', last?.ibot ?? []],
  ])
}

const prepared = (c: Case) =>
  pipe(
    E.Do,
    E.bind('o', () => configOf(config, c)),
    E.bind('schedules', ({ o }) => schedulesOf(o)),
    E.bind('length', ({ o }) => lengthOf(c, o)),
    E.bind('program', ({ o, length }) => programOf(c, o, length)),
    E.bind('feeds', ({ o, schedules, length }) => pipe(range(o.steps), E.traverseArray(feedOf(c, o, schedules, length)))),
  )

export const kind: Kind = (c, device) =>
  pipe(
    TE.fromEither(prepared(c)),
    // official student and teacher begin equal, from given weights; moments, counts and centres from their declarations
    TE.chainFirst(({ program }) => writeResidents(device, program.residents)(initialize(0)(program.residents))),
    TE.chainFirst(() => writeAll(device, 'student.', backboneWeights(below(c, 'init/')))),
    TE.chainFirst(() => writeAll(device, 'teacher.', backboneWeights(below(c, 'init/')))),
    TE.bind('executable', ({ program }) => device.compile(program.graph)),
    TE.bind('steps', ({ executable, feeds }) => runSteps(feeds, executable.run, afterStep(device))),
    TE.bind('last', () => finals(c, device)),
    TE.map(({ o, steps, last }) => new Map([...resultOf(o, steps), ...last])),
  )
