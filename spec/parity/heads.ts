/** Projection heads: logits, bottleneck, and gradients of the sum of logits times a cotangent. */
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { vjpAll } from '../../compiler/grad.ts'
import type { Device } from '../../compiler/target.ts'
import type { Expr } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { input, parameter } from '../../core/leaves.ts'
import type { Model } from '../../core/model.ts'
import { call, context, declarations, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import type { PlainHeadOptions, Projected } from '../../models/head.ts'
import type { Case } from './case.ts'
import { below, configOf, floats, inputOf } from './case.ts'
import type { Computed } from './kind.ts'
import { runOnce, writeAll } from './kind.ts'

const config = t.intersection([
  t.type({ in_dim: t.number, out_dim: t.number }),
  t.partial({ norm_last_layer: t.boolean, nlayers: t.number, hidden_dim: t.number, bottleneck_dim: t.number, mlp_bias: t.boolean }),
])

type Config = t.TypeOf<typeof config>

const optionsOf = (o: Config): PlainHeadOptions => ({
  in: o.in_dim,
  prototypes: o.out_dim,
  layers: Math.max(1, o.nlayers ?? 3),
  hidden: o.hidden_dim ?? 2048,
  bottleneck: o.bottleneck_dim ?? 256,
  bias: o.mlp_bias ?? true,
})

/** `out/y`, `out/bottleneck`, `grad/in/x` and the gradient of every weight. */
export const headCase = <P>(
  c: Case,
  device: Device,
  make: (o: PlainHeadOptions, given: Config) => Model<P, Expr, Projected>,
  mode: 'train' | 'eval' = 'train',
): TaskEither<Fault, Computed> =>
  pipe(
    TE.fromEither(configOf(config, c)),
    TE.bindTo('o'),
    TE.bind('x', () => TE.fromEither(inputOf(c, 'in/x'))),
    TE.bind('xs', () => TE.fromEither(floats(c, 'in/x'))),
    TE.bind('cotangent', () => TE.fromEither(inputOf(c, 'in/cotangent'))),
    TE.bind('cts', () => TE.fromEither(floats(c, 'in/cotangent'))),
    TE.chainFirst(() => writeAll(device, 'head.', below(c, 'state/'))),
    TE.chain(({ o, x, xs, cotangent, cts }) => {
      const model = make(optionsOf(o), o)
      const rows = input('x', x.shape)
      const { logits, bottleneck } = call(model, context(mode), 'head', leavesOf('head', model.params), rows)
      const trained = declarations(model.params).filter(([, d]) => d.trainable)
      const named = [['in/x', rows] as const, ...trained.map(([path, d]) => [path, parameter(`head.${path}`, d)] as const)]
      const gradients = vjpAll(
        [{ y: logits, ct: input('cotangent', cotangent.shape) }],
        named.map(([, e]) => e),
      )
      return runOnce(
        device,
        trace('head', [
          value('out/y', logits),
          value('out/bottleneck', bottleneck),
          ...named.flatMap(([path], i) =>
            pipe(
              gradients[i],
              O.match(
                () => [],
                (g) => [value(`grad/${path}`, g)],
              ),
            ),
          ),
        ]),
        new Map([
          ['x', xs],
          ['cotangent', cts],
        ]),
      )
    }),
  )
