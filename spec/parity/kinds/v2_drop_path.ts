/**
 * One block of DINOv2 in training with stochastic depth by subsets of the batch, its random orders given, and the gradients of
 * the sum of the squares of its result.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { gradOptions } from '../../../compiler/grad.ts'
import type { Expr } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { leavesOfGraph, value } from '../../../core/graph.ts'
import { input, parameter } from '../../../core/leaves.ts'
import { call, context, declarations, leavesOf } from '../../../core/model.ts'
import { substitute } from '../../../core/rewrite.ts'
import { trace } from '../../../core/trace.ts'
import { block } from '../../../models/block.ts'
import { square } from '../../../ops/elementwise.ts'
import { sum } from '../../../ops/reduce.ts'
import type { Case } from '../case.ts'
import { below, configOf, floats, inputOf, ints } from '../case.ts'
import type { Kind } from '../kind.ts'
import { runOnce, writeAll } from '../kind.ts'

const config = t.intersection([
  t.type({ batch: t.number, tokens: t.number, dim: t.number, sample_drop_ratio: t.number }),
  t.partial({ num_heads: t.number }),
])
type Config = t.TypeOf<typeof config>

/** Heads of the block where the case does not say. */
const heads = 2

/** The random orders become inputs named as the case names them. */
const ordered = (g: Graph): Graph =>
  substitute(
    new Map(
      leavesOfGraph(g).flatMap((l): ReadonlyArray<readonly [Expr, Expr]> =>
        l.source._tag === 'Draw' ? [[l.leaf, input(`perm${l.path.slice(-1)}`, l.type.shape)]] : [],
      ),
    ),
  )(g)

const graphOf = (c: Case, o: Config): Either<Fault, Graph> => {
  const shape = (name: string): ReadonlyArray<number> => c.inputs.get(`state/${name}`)?.shape ?? []
  const has = (name: string): boolean => c.inputs.has(`state/${name}`)
  const model = block({
    width: o.dim,
    heads: o.num_heads ?? heads,
    qkvBias: has('attn.qkv.bias'),
    projBias: has('attn.proj.bias'),
    eps: 1e-6,
    ffn: has('mlp.w12.weight') ? 'swiglu-fused' : 'mlp',
    ffnBias: has('mlp.fc1.bias') || has('mlp.w12.bias'),
    hidden: has('mlp.w12.weight') ? shape('mlp.w12.weight')[0] / 2 : shape('mlp.fc1.weight')[0],
    ...(has('ls1.gamma') ? { layerScale: 1 } : {}),
    dropPath: o.sample_drop_ratio,
    dropPathForm: 'subset',
  })
  return pipe(
    inputOf(c, 'in/x'),
    E.chain(({ shape: rows }) => {
      const x = input('x', rows)
      const { tokens } = call(model, context('train'), 'block', leavesOf('block', model.params), x)
      const named = [['in/x', x] as const, ...declarations(model.params).map(([path, d]) => [path, parameter(`block.${path}`, d)] as const)]
      const gradients = gradOptions(
        sum()(square(tokens)),
        named.map(([, e]) => e),
      )
      return trace('block', [
        value('out/y', tokens),
        ...named.flatMap(([path], i) =>
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
    E.map(ordered),
  )
}

export const kind: Kind = (c, device) =>
  pipe(
    TE.Do,
    TE.bind('o', () => TE.fromEither(configOf(config, c))),
    TE.bind('x', () => TE.fromEither(floats(c, 'in/x'))),
    TE.bind('perm1', () => TE.fromEither(ints(c, 'in/perm1'))),
    TE.bind('perm2', () => TE.fromEither(ints(c, 'in/perm2'))),
    TE.chainFirst(() => writeAll(device, 'block.', below(c, 'state/'))),
    TE.chain(({ o, x, perm1, perm2 }) =>
      runOnce(
        device,
        graphOf(c, o),
        new Map([
          ['x', x],
          ['perm1', Float32Array.from(perm1)],
          ['perm2', Float32Array.from(perm2)],
        ]),
      ),
    ),
  )
