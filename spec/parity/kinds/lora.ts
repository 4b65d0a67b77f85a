/** A linear layer with a LoRA adapter: its result, the merged weights, and gradients of the result times a cotangent. */
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { vjpAll } from '../../../compiler/grad.ts'
import { value } from '../../../core/graph.ts'
import { input, parameter } from '../../../core/leaves.ts'
import { call, context, leavesOf } from '../../../core/model.ts'
import { trace } from '../../../core/trace.ts'
import { join } from '../../../core/tree.ts'
import { linear } from '../../../models/linear.ts'
import { merge } from '../../../models/merge.ts'
import type { Objective } from '../../../train/objective.ts'
import { adaptersOf, lora } from '../../../train/strategies/lora.ts'
import type { LoraStrategy } from '../../../train/strategies/lora.ts'
import { withinNetwork } from '../../../train/strategies/strategy.ts'
import { configOf, floats, inputOf } from '../case.ts'
import type { Kind } from '../kind.ts'
import { runOnce, writeAll } from '../kind.ts'

const config = t.type({ in: t.number, out: t.number, r: t.number, alpha: t.number, batch: t.number })

/** A network of one linear layer, as an objective that a strategy can rewrite. */
const layer = (o: t.TypeOf<typeof config>): E.Either<Parameters<typeof E.left>[0] & never, Objective> | ReturnType<typeof made> => made(o)

const made = (o: t.TypeOf<typeof config>) => {
  const model = linear({ in: o.in, out: o.out })
  const y = call(model, context('train'), 'layer', leavesOf('student.layer', model.params), input('x', [o.batch, o.in]))
  return pipe(
    trace('layer', [value('out/y', y)]),
    E.map((graph): Objective => ({
      graph,
      residents: [
        { path: 'student.layer.weight', declaration: model.params.weight, role: 'trained' },
        ...(model.params.bias === undefined ? [] : [{ path: 'student.layer.bias', declaration: model.params.bias, role: 'trained' as const }]),
      ],
    })),
  )
}
