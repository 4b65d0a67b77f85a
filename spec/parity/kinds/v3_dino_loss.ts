/** DINOv3's DINOLoss: Sinkhorn's targets, and the mean over pairs of crops with and without those of a crop with itself. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { fill } from '../../../core/expr.ts'
import type { Output } from '../../../core/graph.ts'
import { value } from '../../../core/graph.ts'
import { hyper, input } from '../../../core/leaves.ts'
import { trace } from '../../../core/trace.ts'
import type { SamePairs } from '../../../losses/pairs.ts'
import { meanOfPairs, pairSum } from '../../../losses/pairs.ts'
import { sinkhorn } from '../../../losses/sinkhorn.ts'
import { div } from '../../../ops/elementwise.ts'
import { logSoftmax } from '../../../ops/nn.ts'
import { reshape } from '../../../ops/reshape.ts'
import { configOf, floats, inputOf } from '../case.ts'
import { gradient } from '../gradient.ts'
import type { Kind } from '../kind.ts'
import { runOnce, scalar } from '../kind.ts'

const config = t.intersection([
  t.type({ batch: t.number, teacher_temp: t.number }),
  t.partial({ teacher_crops: t.number, student_temp: t.number, sk_iterations: t.number }),
])

/** Name of the results, name of the student's crops, and the pairs that count. */
const variants: ReadonlyArray<readonly [string, string, SamePairs]> = [
  ['local', 'local', 'keep'],
  ['local_ignore_diag', 'local', 'skip'],
  ['global_all', 'global', 'keep'],
  ['global_ignore_diag', 'global', 'skip'],
]

export const kind: Kind = (c, device) =>
  pipe(
    TE.fromEither(configOf(config, c)),
    TE.bindTo('o'),
    TE.bind('teacher', () => TE.fromEither(inputOf(c, 'in/teacher'))),
    TE.bind('local', () => TE.fromEither(inputOf(c, 'in/student_local'))),
    TE.bind('global', () => TE.fromEither(inputOf(c, 'in/student_global'))),
    TE.bind('ts', () => TE.fromEither(floats(c, 'in/teacher'))),
    TE.bind('ls', () => TE.fromEither(floats(c, 'in/student_local'))),
    TE.bind('gs', () => TE.fromEither(floats(c, 'in/student_global'))),
    TE.chain(({ o, teacher, local, global, ts, ls, gs }) => {
      const [targets] = sinkhorn({ iterations: o.sk_iterations ?? 3 }).run(
        input('teacher', teacher.shape),
        hyper('teacher_temp'),
      )(new Map())
      const expected = reshape([-1, o.batch, teacher.shape[1]])(targets.probabilities)
      const crops = new Map([
        ['local', input('local', local.shape)],
        ['global', input('global', global.shape)],
      ])
      const outputs = variants.flatMap(([name, which, same]): ReadonlyArray<Output> => {
        const x = crops.get(which) ?? fill('f32', [], 0)
        const loss = meanOfPairs(pairSum(expected, logSoftmax(-1)(div(x, o.student_temp ?? 0.1)), same), o.batch)
        return loss === undefined ? [] : [value(`out/${name}/loss`, loss), ...gradient(`grad/${name}`, loss, x)]
      })
      return runOnce(
        device,
        trace('dino loss', [value('out/teacher_probs', targets.probabilities), ...outputs]),
        new Map([
          ['teacher', ts],
          ['local', ls],
          ['global', gs],
          ['hyper.teacher_temp', scalar(o.teacher_temp)],
        ]),
      )
    }),
  )
