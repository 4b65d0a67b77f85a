/** DINOv2's DINOLoss: targets by a centre over two steps and by Sinkhorn, and the loss of the local crops. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { state, value } from '../../../core/graph.ts'
import { hyper, input, resident } from '../../../core/leaves.ts'
import { trace } from '../../../core/trace.ts'
import { tensorType } from '../../../core/type.ts'
import type { Centring } from '../../../losses/centring.ts'
import { centre } from '../../../losses/centring.ts'
import { dino } from '../../../losses/dino.ts'
import { sinkhorn } from '../../../losses/sinkhorn.ts'
import { mul } from '../../../ops/elementwise.ts'
import type { Case } from '../case.ts'
import { configOf, floats, inputOf } from '../case.ts'
import { gradient } from '../gradient.ts'
import type { Kind } from '../kind.ts'
import { runOnce, scalar } from '../kind.ts'

const config = t.intersection([
  t.type({ out_dim: t.number, batch: t.number, teacher_temp: t.number }),
  t.partial({ student_temp: t.number, center_momentum: t.number, sk_iterations: t.number }),
])

/** Values `probs`, `loss` and `gradient` for one way of centring; its own state goes on. */
const graphOf = (c: Case, o: t.TypeOf<typeof config>, centring: Centring): Either<Fault, Graph> =>
  pipe(
    E.Do,
    E.bind('teacher', () => inputOf(c, 'in/teacher0')),
    E.bind('student', () => inputOf(c, 'in/student')),
    E.chain((shapes) => {
      const [teacher, student] = [input('teacher', shapes.teacher.shape), input('student', shapes.student.shape)]
      const old = new Map([...centring.state].map(([path, d]) => [path, resident(path, d)]))
      const [targets, next] = centring.run(teacher, hyper('teacher_temp'))(old)
      const [outcome] = dino({ prototypes: o.out_dim, studentTemperature: o.student_temp ?? 0.1, centring, split: true }).run({
        images: o.batch,
        student: { global: { logits: teacher }, local: { logits: student } },
        teacher: { global: { logits: teacher } },
      })(old)
      // the official loss is a sum over pairs
      const pairs = (shapes.teacher.shape[0] / o.batch) * (shapes.student.shape[0] / o.batch)
      const losses = outcome.terms.filter((x) => x.name === 'dino.local').map((x) => mul(x.value, pairs))
      return trace('dino loss', [
        value('probs', targets.probabilities),
        ...losses.map((x) => value('loss', x)),
        ...losses.flatMap((x) => gradient('gradient', x, student)),
        ...[...next].map(([path, e]) => state(path, e)),
      ])
    }),
  )

const path = 'dino.center'

export const kind: Kind = (c, device) =>
  pipe(
    TE.fromEither(configOf(config, c)),
    TE.bindTo('o'),
    TE.bind('student', () => TE.fromEither(floats(c, 'in/student'))),
    TE.bind('first', () => TE.fromEither(floats(c, 'in/teacher0'))),
    TE.bind('second', () => TE.fromEither(floats(c, 'in/teacher1'))),
    TE.bind('centre', () => TE.fromEither(floats(c, 'in/center0'))),
    TE.bind('feed', ({ o, student }) =>
      TE.right(
        (teacher: Float32Array) =>
          new Map([
            ['teacher', teacher],
            ['student', student],
            ['hyper.teacher_temp', scalar(o.teacher_temp)],
          ]),
      ),
    ),
    TE.chainFirst(({ o, centre }) => device.write(path, tensorType('f32', [1, o.out_dim]), centre)),
    TE.bind('centred', ({ o }) =>
      pipe(
        TE.fromEither(graphOf(c, o, centre({ path, prototypes: o.out_dim, momentum: o.center_momentum ?? 0.9 }))),
        TE.chain((g) => device.compile(g)),
      ),
    ),
    TE.bind('step0', ({ centred, feed, first }) => centred.run({ values: feed(first) })),
    TE.bind('after0', () => device.read(path)),
    TE.bind('step1', ({ centred, feed, second }) => centred.run({ values: feed(second) })),
    TE.bind('after1', () => device.read(path)),
    TE.bind('sk', ({ o, feed, first }) => runOnce(device, graphOf(c, o, sinkhorn({ iterations: o.sk_iterations ?? 3 })), feed(first))),
    TE.map(
      ({ step0, step1, after0, after1, sk }) =>
        new Map<string, ArrayLike<number>>([
          ['out/center/probs0', step0.get('probs') ?? []],
          ['out/center/probs1', step1.get('probs') ?? []],
          ['out/center/center_after0', after0],
          ['out/center/center_after1', after1],
          ['out/center/loss_local', step0.get('loss') ?? []],
          ['grad/center/student', step0.get('gradient') ?? []],
          ['out/sk/probs', sk.get('probs') ?? []],
          ['out/sk/loss_local', sk.get('loss') ?? []],
          ['grad/sk/student', sk.get('gradient') ?? []],
        ]),
    ),
  )
