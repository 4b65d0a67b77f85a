/** The whole student of DINO against given teacher logits: logits of all crops, the loss, and the gradient of every weight. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { gradOptions } from '../../../compiler/grad.ts'
import type { HostArray } from '../../../compiler/target.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { value } from '../../../core/graph.ts'
import { input, parameter, resident } from '../../../core/leaves.ts'
import { call, context, declarations, leavesOf } from '../../../core/model.ts'
import { trace } from '../../../core/trace.ts'
import { tensorType } from '../../../core/type.ts'
import { dino } from '../../../losses/dino.ts'
import { total } from '../../../losses/loss.ts'
import { concat } from '../../../ops/window.ts'
import type { Case } from '../case.ts'
import { below, configOf, floats, inputOf } from '../case.ts'
import { networkConfig, networks } from '../dinov1.ts'
import type { Kind } from '../kind.ts'
import { runOnce, scalar, writeAll } from '../kind.ts'

const config = t.intersection([networkConfig, t.type({ teacher_temp: t.number })])

const graphOf = (c: Case, o: t.TypeOf<typeof config>): Either<Fault, Graph> =>
  pipe(
    E.Do,
    E.bind('global', () => inputOf(c, 'in/global')),
    E.bind('teacher', () => inputOf(c, 'in/teacher_logits')),
    E.chain(({ global, teacher }) => {
      const { student: model } = networks(o, below(c, 'state/'))
      const local = c.inputs.get('in/local')
      const student = call(model, context('train'), 'student', leavesOf('student', model.params), {
        global: input('global', global.shape),
        ...(local === undefined ? {} : { local: input('local', local.shape) }),
      })
      const loss = dino({ prototypes: o.out_dim, studentTemperature: o.student_temp ?? 0.1, centreMomentum: o.center_momentum ?? 0.9 })
      const [outcome] = loss.run({ images: o.batch, student, teacher: { global: { logits: input('teacher', teacher.shape) } } })(
        new Map([...loss.state].map(([path, d]) => [path, resident(path, d)])),
      )
      const objective = total(outcome)
      const trained = declarations(model.params).filter(([, d]) => d.trainable)
      const gradients = gradOptions(
        objective,
        trained.map(([path, d]) => parameter(`student.${path}`, d)),
      )
      return trace('model gradient', [
        value('out/loss', objective),
        value('out/student_logits', concat(0)([student.global.logits, ...(student.local === undefined ? [] : [student.local.logits])])),
        ...trained.flatMap(([path], i) =>
          pipe(
            gradients[i],
            O.match(
              () => [],
              (g) => [value(`grad/${path}`, g)],
            ),
          ),
        ),
      ])
    }),
  )

export const kind: Kind = (c, device) =>
  pipe(
    TE.fromEither(E.Do),
    TE.bind('o', () => TE.fromEither(configOf(config, c))),
    TE.bind('global', () => TE.fromEither(floats(c, 'in/global'))),
    TE.bind('local', () => TE.fromEither(c.inputs.has('in/local') ? floats(c, 'in/local') : E.right(new Float32Array()))),
    TE.bind('teacher', () => TE.fromEither(floats(c, 'in/teacher_logits'))),
    TE.bind('centre', () => TE.fromEither(floats(c, 'in/center'))),
    TE.chainFirst(() => writeAll(device, 'student.', below(c, 'state/'))),
    TE.chainFirst(({ o, centre }) => device.write('dino.center', tensorType('f32', [1, o.out_dim]), centre)),
    TE.chain(({ o, global, local, teacher }) =>
      runOnce(
        device,
        graphOf(c, o),
        new Map<string, HostArray>([
          ['global', global],
          ...(local.length === 0 ? [] : [['local', local] as const]),
          ['teacher', teacher],
          ['hyper.teacher_temp', scalar(o.teacher_temp)],
        ]),
      ),
    ),
  )
