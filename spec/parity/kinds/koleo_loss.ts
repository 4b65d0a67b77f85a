/** KoLeoLoss of one crop: the loss, its gradient and the nearest neighbours, with one and with several neighbours. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Device, HostValues } from '../../../compiler/target.ts'
import type { Fault } from '../../../core/fault.ts'
import { value } from '../../../core/graph.ts'
import { input } from '../../../core/leaves.ts'
import { trace } from '../../../core/trace.ts'
import { koleo, nearest } from '../../../losses/koleo.ts'
import { total } from '../../../losses/loss.ts'
import { l2Normalize } from '../../../ops/nn.ts'
import { reshape } from '../../../ops/reshape.ts'
import type { Case } from '../case.ts'
import { below, configOf, floats, inputOf } from '../case.ts'
import { gradient } from '../gradient.ts'
import type { Kind } from '../kind.ts'
import { runOnce } from '../kind.ts'

const config = t.partial({ topk: t.readonlyArray(t.number) })

/** Features `in/<from>`, results under the name `to`. */
const one = (c: Case, device: Device, from: string, to: string, neighbours: number): TaskEither<Fault, HostValues> =>
  pipe(
    TE.fromEither(inputOf(c, `in/${from}`)),
    TE.bindTo('features'),
    TE.bind('data', () => TE.fromEither(floats(c, `in/${from}`))),
    TE.chain(({ features, data }) => {
      const x = input('x', features.shape)
      const group = { global: { cls: x } }
      const [outcome] = koleo({ neighbours }).run({ images: features.shape[0], student: group, teacher: group })(new Map())
      const loss = total(outcome)
      return runOnce(
        device,
        trace('koleo', [
          value(`out/${to}/loss`, loss),
          ...gradient(`grad/${to}`, loss, x),
          value(`out/${to}/nn`, nearest(1)(l2Normalize(-1, 1e-8)(reshape([1, ...features.shape])(x)))),
        ]),
        new Map([['x', data]]),
      )
    }),
  )

export const kind: Kind = (c, device) =>
  pipe(
    TE.fromEither(configOf(config, c)),
    TE.chain((o) =>
      pipe(
        [
          ...[...below(c, 'in/').keys()].map((name) => [name, name, 1] as const),
          ...(o.topk ?? []).map((k) => ['x', `topk${k}`, k] as const),
        ],
        TE.traverseSeqArray(([from, to, k]) => one(c, device, from, to, k)),
      ),
    ),
    TE.map((all) => new Map(all.flatMap((values) => [...values]))),
  )
