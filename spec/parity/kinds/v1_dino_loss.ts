/** DINOLoss over consecutive batches: the loss, the centre after each, and the gradient of the student's logits. */
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { gradOptions } from '../../../compiler/grad.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { state, value } from '../../../core/graph.ts'
import { input, resident } from '../../../core/leaves.ts'
import { trace } from '../../../core/trace.ts'
import { tensorType } from '../../../core/type.ts'
import { dino } from '../../../losses/dino.ts'
import { total } from '../../../losses/loss.ts'
import { slice } from '../../../ops/window.ts'
import { epochTemperature } from '../../../train/step/schedule.ts'
import { configOf, floats } from '../case.ts'
import type { Kind } from '../kind.ts'
import { runSteps, scalar } from '../kind.ts'

const config = t.intersection([
  t.type({
    out_dim: t.number,
    batch: t.number,
    ncrops: t.number,
    epochs_called: t.readonlyArray(t.number),
    warmup_teacher_temp: t.number,
    teacher_temp: t.number,
    warmup_teacher_temp_epochs: t.number,
  }),
  t.partial({ student_temp: t.number, center_momentum: t.number }),
])

const globals = 2

/** Values `loss` and `gradient`; the loss's own state goes on. */
const graphOf = (o: t.TypeOf<typeof config>): Either<Fault, Graph> => {
  const loss = dino({ prototypes: o.out_dim, studentTemperature: o.student_temp ?? 0.1, centreMomentum: o.center_momentum ?? 0.9 })
  const student = input('student', [o.ncrops * o.batch, o.out_dim])
  const rows = globals * o.batch
  const local = o.ncrops > globals ? { local: { logits: slice(0, rows)(student) } } : {}
  const [outcome, next] = loss.run({
    images: o.batch,
    student: { global: { logits: slice(0, 0, rows)(student) }, ...local },
    teacher: { global: { logits: input('teacher', [rows, o.out_dim]) } },
  })(new Map([...loss.state].map(([path, d]) => [path, resident(path, d)])))
  const objective = total(outcome)
  return trace('dino loss', [
    value('loss', objective),
    ...pipe(
      gradOptions(objective, [student])[0],
      O.match(
        () => [],
        (g) => [value('gradient', g)],
      ),
    ),
    ...[...next].map(([path, e]) => state(path, e)),
  ])
}

export const kind: Kind = (c, device) =>
  pipe(
    TE.fromEither(E.Do),
    TE.bind('o', () => TE.fromEither(configOf(config, c))),
    TE.bind('centre', () => TE.fromEither(floats(c, 'in/center0'))),
    TE.bind('temperature', ({ o }) =>
      TE.fromEither(
        epochTemperature({
          start: o.warmup_teacher_temp,
          peak: o.teacher_temp,
          warmupEpochs: o.warmup_teacher_temp_epochs,
          stepsPerEpoch: 1,
        }),
      ),
    ),
    TE.bind('feeds', ({ o, temperature }) =>
      pipe(
        o.epochs_called.map((epoch, i) => ({ epoch, i })),
        TE.traverseSeqArray(({ epoch, i }) =>
          pipe(
            TE.fromEither(E.Do),
            TE.bind('student', () => TE.fromEither(floats(c, `in/step${i}/student`))),
            TE.bind('teacher', () => TE.fromEither(floats(c, `in/step${i}/teacher`))),
            TE.map(({ student, teacher }) => ({
              values: new Map([
                ['student', student],
                ['teacher', teacher],
                ['hyper.teacher_temp', scalar(temperature(epoch))],
              ]),
            })),
          ),
        ),
      ),
    ),
    TE.chainFirst(({ o, centre }) => device.write('dino.center', tensorType('f32', [1, o.out_dim]), centre)),
    TE.bind('program', ({ o }) =>
      pipe(
        TE.fromEither(graphOf(o)),
        TE.chain((g) => device.compile(g)),
      ),
    ),
    TE.chain(({ feeds, program }) =>
      runSteps(feeds, program.run, (values, i) =>
        pipe(
          device.read('dino.center'),
          TE.map(
            (centre) =>
              [
                [`out/step${i}/loss`, values.get('loss') ?? []],
                [`out/step${i}/center`, centre],
                [`grad/step${i}/student`, values.get('gradient') ?? []],
              ] as const,
          ),
        ),
      ),
    ),
    TE.map((steps) => new Map(steps.flat())),
  )
