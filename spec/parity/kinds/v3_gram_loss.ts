/** GramLoss with every combination of options that the case names. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { value } from '../../../core/graph.ts'
import { input } from '../../../core/leaves.ts'
import { trace } from '../../../core/trace.ts'
import type { GramOptions } from '../../../losses/gram.ts'
import { gram } from '../../../losses/gram.ts'
import { total } from '../../../losses/loss.ts'
import { configOf, floats, inputOf } from '../case.ts'
import { gradient } from '../gradient.ts'
import type { Kind } from '../kind.ts'
import { runOnce } from '../kind.ts'

const variant = t.partial({ apply_norm: t.boolean, img_level: t.boolean, remove_neg: t.boolean, remove_only_teacher_neg: t.boolean })
const config = t.type({ variants: t.record(t.string, variant) })

const optionsOf = (v: t.TypeOf<typeof variant>): GramOptions => ({
  normalize: v.apply_norm ?? true,
  level: (v.img_level ?? true) ? 'image' : 'batch',
  negatives: v.remove_neg === true ? 'remove' : v.remove_only_teacher_neg === true ? 'remove-teacher' : 'keep',
})

export const kind: Kind = (c, device) =>
  pipe(
    TE.fromEither(configOf(config, c)),
    TE.bindTo('o'),
    TE.bind('shape', () => TE.fromEither(inputOf(c, 'in/student'))),
    TE.bind('student', () => TE.fromEither(floats(c, 'in/student'))),
    TE.bind('teacher', () => TE.fromEither(floats(c, 'in/teacher'))),
    TE.chain(({ o, shape, student, teacher }) => {
      const [s, g] = [input('student', shape.shape), input('teacher', shape.shape)]
      const outputs = Object.entries(o.variants).flatMap(([name, v]) => {
        const loss = total(gram(optionsOf(v)).run({ student: { global: { patches: s } }, teacher: { gram: { patches: g } } })(new Map())[0])
        return [value(`out/${name}/loss`, loss), ...gradient(`grad/${name}/student`, loss, s)]
      })
      return runOnce(
        device,
        trace('gram', outputs),
        new Map([
          ['student', student],
          ['teacher', teacher],
        ]),
      )
    }),
  )
