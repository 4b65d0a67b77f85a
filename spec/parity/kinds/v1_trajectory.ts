/** DINO's training loop: every step's loss, centre and norms, and the final student and teacher, from given crops. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Device, Feed, HostArray, HostValues } from '../../../compiler/target.ts'
import type { Fault } from '../../../core/fault.ts'
import { input } from '../../../core/leaves.ts'
import { range } from '../../../core/type.ts'
import { dino } from '../../../losses/dino.ts'
import { clipEach } from '../../../train/step/clip.ts'
import { v1Groups } from '../../../train/step/groups.ts'
import { isLastLayer } from '../../support/last-layer.ts'
import { initialize } from '../../../train/step/initialization.ts'
import { writeResidents } from '../../../train/run/state.ts'
import { adamw } from '../../../train/step/optimizer.ts'
import type { Schedule } from '../../../train/step/schedule.ts'
import { constant, epochCosineSchedule, epochTemperature } from '../../../train/step/schedule.ts'
import type { Program } from '../../../train/step/step.ts'
import { derive, trainingStep } from '../../../train/step/step.ts'
import { chain, gated, identity } from '../../../train/step/transform.ts'
import type { Case } from '../case.ts'
import { below, configOf, floats, inputOf } from '../case.ts'
import { networkConfig, networks } from '../dinov1.ts'
import type { Computed, Kind } from '../kind.ts'
import { runSteps, scalar, stacked, writeAll } from '../kind.ts'

const config = t.intersection([
  networkConfig,
  t.intersection([
    t.type({
      teacher_temp: t.number,
      epochs: t.number,
      niter_per_epoch: t.number,
      lr: t.number,
      weight_decay: t.number,
      momentum_teacher: t.number,
    }),
    t.partial({
      warmup_teacher_temp: t.number,
      warmup_teacher_temp_epochs: t.number,
      min_lr: t.number,
      warmup_epochs: t.number,
      weight_decay_end: t.number,
      clip_grad: t.union([t.number, t.null]),
      freeze_last_layer: t.number,
    }),
  ]),
])

type Config = t.TypeOf<typeof config>

const programOf = (c: Case, o: Config): Either<Fault, Program> =>
  pipe(
    E.Do,
    E.bind('global', () => inputOf(c, 'in/step0/global')),
    E.chain(({ global }) => {
      const local = c.inputs.get('in/step0/local')
      const clip = o.clip_grad ?? 0
      return derive(
        trainingStep({
          model: networks(o, below(c, 'init/')),
          loss: dino({ prototypes: o.out_dim, studentTemperature: o.student_temp ?? 0.1, centreMomentum: o.center_momentum ?? 0.9 }),
          batch: {
            images: o.batch,
            views: {
              global: input('batch.global', global.shape),
              ...(local === undefined ? {} : { local: input('batch.local', local.shape) }),
            },
          },
          optimizer: chain([clip > 0 ? clipEach(clip) : identity, gated('train_last_layer', isLastLayer), adamw({ groups: v1Groups })]),
          gradNorms: true,
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
  const span = { epochs: o.epochs, stepsPerEpoch: o.niter_per_epoch }
  return pipe(
    E.Do,
    E.bind('lr', () => epochCosineSchedule({ ...span, base: o.lr, final: o.min_lr ?? 1e-6, warmupEpochs: o.warmup_epochs ?? 0 })),
    E.bind('wd', () => epochCosineSchedule({ ...span, base: o.weight_decay, final: o.weight_decay_end ?? o.weight_decay })),
    E.bind('momentum', () => epochCosineSchedule({ ...span, base: o.momentum_teacher, final: 1 })),
    E.bind('temperature', (): Either<Fault, Schedule> =>
      (o.warmup_teacher_temp_epochs ?? 0) > 0
        ? epochTemperature({
            start: o.warmup_teacher_temp ?? o.teacher_temp,
            peak: o.teacher_temp,
            warmupEpochs: o.warmup_teacher_temp_epochs ?? 0,
            stepsPerEpoch: o.niter_per_epoch,
          })
        : E.right(constant(o.teacher_temp)),
    ),
  )
}

const feedOf =
  (c: Case, o: Config, s: Schedules) =>
  (step: number): Either<Fault, Feed> =>
    pipe(
      E.Do,
      E.bind('global', () => floats(c, `in/step${step}/global`)),
      E.bind('local', () => (c.inputs.has(`in/step${step}/local`) ? floats(c, `in/step${step}/local`) : E.right(new Float32Array()))),
      E.map(({ global, local }) => {
        const epoch = Math.floor(step / o.niter_per_epoch)
        return {
          step,
          values: new Map<string, HostArray>([
            ['batch.global', global],
            ...(local.length === 0 ? [] : [['batch.local', local] as const]),
            ['hyper.lr', scalar(s.lr(step))],
            ['hyper.wd', scalar(s.wd(step))],
            ['hyper.momentum', scalar(s.momentum(step))],
            ['hyper.teacher_temp', scalar(s.temperature(step))],
            ['hyper.train_last_layer', scalar(epoch < (o.freeze_last_layer ?? 1) ? 0 : 1)],
          ]),
        }
      }),
    )

const normOf = (xs: ArrayLike<number>): number => Math.sqrt(Array.from(xs).reduce((n, x) => n + x * x, 0))

/** The norms skip the key rows of a joint bias: without RoPE their gradient is zero but for rounding. */
const withoutKeys = (path: string, xs: ArrayLike<number>): ArrayLike<number> => {
  const n = xs.length / 3
  return path.endsWith('qkv.bias') ? Array.from(xs).filter((_, i) => i < n || i >= 2 * n) : xs
}

const readAll = (device: Device, root: string, paths: ReadonlyArray<string>): TaskEither<Fault, ReadonlyMap<string, HostArray>> =>
  pipe(
    paths,
    TE.traverseSeqArray((path) =>
      pipe(
        device.read(`${root}.${path}`),
        TE.map((data) => [path, data] as const),
      ),
    ),
    TE.map((all) => new Map(all)),
  )

interface StepResult {
  readonly loss: ArrayLike<number>
  readonly centre: ArrayLike<number>
  readonly gradients: ReadonlyArray<number>
  readonly parameters: ReadonlyArray<number>
}

const afterStep =
  (device: Device, order: ReadonlyArray<string>) =>
  (values: HostValues): TaskEither<Fault, StepResult> =>
    pipe(
      TE.Do,
      TE.bind('centre', () => device.read('loss.dino.center')),
      TE.bind('student', () => readAll(device, 'student', order)),
      TE.map(({ centre, student }) => ({
        loss: values.get('loss') ?? [],
        centre,
        gradients: order.map((path) => values.get(`grad_norm.${path}`)?.[0] ?? 0),
        parameters: order.map((path) => normOf(withoutKeys(path, student.get(path) ?? []))),
      })),
    )

const resultOf = (
  steps: ReadonlyArray<StepResult>,
  student: ReadonlyMap<string, HostArray>,
  teacher: ReadonlyMap<string, HostArray>,
): Computed =>
  new Map<string, ArrayLike<number>>([
    ['out/loss', stacked(steps.map((s) => s.loss))],
    ['out/center', stacked(steps.map((s) => s.centre))],
    ['out/grad_norm', stacked(steps.map((s) => s.gradients))],
    ['out/student_param_norm', stacked(steps.map((s) => s.parameters))],
    ...[...student].map(([path, x]) => [`final/student/${path}`, x] as const),
    ...[...teacher].map(([path, x]) => [`final/teacher/${path}`, x] as const),
  ])

/** What a run needs: the configuration, the program, and the feed of every step. */
const prepared = (c: Case): Either<Fault, { readonly program: Program; readonly feeds: ReadonlyArray<Feed> }> =>
  pipe(
    E.Do,
    E.bind('o', () => configOf(config, c)),
    E.bind('schedules', ({ o }) => schedulesOf(o)),
    E.bind('program', ({ o }) => programOf(c, o)),
    E.bind('feeds', ({ o, schedules }) => pipe(range(o.epochs * o.niter_per_epoch), E.traverseArray(feedOf(c, o, schedules)))),
  )

const isNames = (x: unknown): x is ReadonlyArray<string> => Array.isArray(x) && x.every((n) => typeof n === 'string')

export const kind: Kind = (c, device) => {
  const paths = [...below(c, 'init/').keys()]
  const order = isNames(c.scalars.param_order) ? c.scalars.param_order : paths
  return pipe(
    TE.fromEither(prepared(c)),
    // official student and teacher begin equal, from given weights; moments, counts and the centre from their declarations
    TE.chainFirst(({ program }) => writeResidents(device, program.residents)(initialize(0)(program.residents))),
    TE.chainFirst(() => writeAll(device, 'student.', below(c, 'init/'))),
    TE.chainFirst(() => writeAll(device, 'teacher.', below(c, 'init/'))),
    TE.bind('executable', ({ program }) => device.compile(program.graph)),
    TE.bind('steps', ({ executable, feeds }) => runSteps(feeds, executable.run, afterStep(device, order))),
    TE.bind('student', () => readAll(device, 'student', paths)),
    TE.bind('teacher', () => readAll(device, 'teacher', paths)),
    TE.map(({ steps, student, teacher }) => resultOf(steps, student, teacher)),
  )
}
