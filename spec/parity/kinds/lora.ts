/** A linear layer with a LoRA adapter: its result, the merged weights, and gradients of the result times a cotangent. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { vjpAll } from '../../../compiler/grad.ts'
import type { Expr } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { value } from '../../../core/graph.ts'
import { input } from '../../../core/leaves.ts'
import { call, context, declarations, leavesOf } from '../../../core/model.ts'
import { trace } from '../../../core/trace.ts'
import { join } from '../../../core/tree.ts'
import { linear } from '../../../models/linear.ts'
import type { Values } from '../../../train/step/values.ts'
import { merge } from '../../../train/exchange/merge.ts'
import { writeResidents } from '../../../train/run/state.ts'
import type { Objective, Resident } from '../../../train/step/objective.ts'
import { leafOf } from '../../../train/step/objective.ts'
import type { LoraStrategy } from '../../../train/step/strategies/lora.ts'
import { lora } from '../../../train/step/strategies/lora.ts'
import { withinNetwork } from '../../../train/step/strategies/strategy.ts'
import type { Case } from '../case.ts'
import { configOf, floats } from '../case.ts'
import type { Computed, Kind } from '../kind.ts'
import { runOnce } from '../kind.ts'

const config = t.type({ in: t.number, out: t.number, r: t.number, alpha: t.number, batch: t.number })

/** A network of one linear layer, as an objective that a strategy can rewrite. */
const layer = (o: t.TypeOf<typeof config>): Either<Fault, Objective> => {
  const model = linear({ in: o.in, out: o.out })
  const y = call(model, context('train'), 'layer', leavesOf('student.layer', model.params), input('x', [o.batch, o.in]))
  const residents = declarations(model.params).map(([path, declaration]): Resident => ({
    path: join('student.layer', path),
    declaration,
    role: 'trained',
  }))
  return pipe(
    trace('layer', [value('out/y', y)]),
    E.map((graph) => ({ graph, residents })),
  )
}

/** The values of the case by the names of the network: the weight under `layer`, the pair beside it. */
const valuesOf = (c: Case): Either<Fault, Values> =>
  pipe(
    ['weight', 'bias', 'lora_A', 'lora_B'],
    E.traverseArray((name) =>
      pipe(
        floats(c, `state/${name}`),
        E.map((x) => [`layer.${name}${name.startsWith('lora') ? '.weight' : ''}`, x] as const),
      ),
    ),
    E.map((entries) => new Map(entries)),
  )

const mergedWeight = (o: LoraStrategy, objective: Objective, values: Values): Either<Fault, Float32Array> =>
  pipe(
    lora(o)(objective),
    E.chain(({ adapters = [] }) => merge(adapters)(values)),
    E.map((m) => m.values.get('layer.weight') ?? new Float32Array(0)),
  )

export const kind: Kind = (c, device) =>
  pipe(
    TE.fromEither(E.Do),
    TE.bind('o', () => TE.fromEither(configOf(config, c))),
    TE.bind('x', () => TE.fromEither(floats(c, 'in/x'))),
    TE.bind('cotangent', () => TE.fromEither(floats(c, 'in/cotangent'))),
    TE.bind('values', () => TE.fromEither(valuesOf(c))),
    TE.chain(({ o, x, cotangent, values }) => {
      const options: LoraStrategy = { targets: ['layer'], rank: o.r, alpha: o.alpha, base: () => true }
      return pipe(
        TE.fromEither(E.Do),
        TE.bind('plain', () => TE.fromEither(layer(o))),
        TE.bind('merged', ({ plain }) => TE.fromEither(mergedWeight(options, plain, values))),
        TE.bind('rescaled', ({ plain }) => TE.fromEither(mergedWeight({ ...options, rsLora: true }, plain, values))),
        TE.bind('adapted', ({ plain }) => TE.fromEither(lora(options)(plain))),
        TE.chainFirst(({ adapted }) =>
          writeResidents(device, adapted.residents)(new Map([...values].map(([path, v]) => [join('student', path), v]))),
        ),
        TE.bind('computed', ({ adapted }) => {
          const [{ expr: y }] = adapted.graph.outputs
          const wanted = new Map<string, Expr>([
            ['x', input('x', [o.batch, o.in])],
            ...adapted.residents.map(
              (r) =>
                [
                  withinNetwork(r.path)
                    .replace('layer.', '')
                    .replace(/^(lora_.)\.weight$/, '$1'),
                  leafOf(r),
                ] as const,
            ),
          ])
          const gradients = vjpAll([{ y, ct: input('cotangent', [o.batch, o.out]) }], [...wanted.values()])
          const outputs = [...wanted.keys()].flatMap((name, i) =>
            pipe(
              gradients[i],
              O.match(
                () => [],
                (g) => [value(`grad/${name}`, g)],
              ),
            ),
          )
          return runOnce(
            device,
            trace('layer', [value('out/y', y), ...outputs]),
            new Map([
              ['x', x],
              ['cotangent', cotangent],
            ]),
          )
        }),
        TE.map(
          ({ computed, merged, rescaled }): Computed =>
            new Map<string, ArrayLike<number>>([...computed, ['out/merged_weight', merged], ['out/rslora_merged_weight', rescaled]]),
        ),
      )
    }),
  )
