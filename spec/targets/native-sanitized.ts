/** Run by native-sanitizers.test.ts in a process of its own, under the sanitizers' libraries: random graphs and a block. */
import fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { grad } from '../../compiler/grad.ts'
import { recogniseAttention } from '../../compiler/passes/attention.ts'
import { openNative } from '../../compiler/targets/native/device.ts'
import type { HostArray } from '../../compiler/target.ts'
import type { Expr } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { showFault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { leavesOfGraph, value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import { sizeOf } from '../../core/type.ts'
import { einsum } from '../../ops/contract.ts'
import { add, mul } from '../../ops/elementwise.ts'
import { gelu, layerNorm, softmax } from '../../ops/nn.ts'
import { sum } from '../../ops/reduce.ts'
import { reshape } from '../../ops/reshape.ts'
import { pad, slice } from '../../ops/window.ts'
import { graphOf, steps } from '../support/graphs.ts'
import { hostArray, input, wave } from '../support/tensor.ts'

const must = async <A>(task: TaskEither<Fault, A>): Promise<A> => {
  const r = await task()
  if (E.isRight(r)) return r.right
  throw new Error(showFault(r.left))
}

const x = input('x', [21, 150])
const weight = input('weight', [72, 150])
const heads = reshape([3, 7, 3, 24])(
  einsum('mk,nk->mn')(
    layerNorm(1e-6)(x, slice(0, 0, 150)(reshape([72 * 150])(weight)), slice(0, 9, 159)(reshape([72 * 150])(weight))),
    weight,
  ),
)
const attention = (h: Expr): Expr => einsum('bhqk,bkhd->bqhd')(softmax(-1)(einsum('bqhd,bkhd->bhqk')(h, h)), h)
const many = input('many', [1, 101, 2, 9])
const composed = add(sum()(mul(gelu(pad(1, 2, 3)(reshape([21, 72])(attention(heads)))), 0.5)), sum()(attention(many)))
// attention as a region, with its own gradient
const found = await must(() => Promise.resolve(E.chain((g: Graph) => recogniseAttention.run(g))(trace('block', [value('loss', composed)]))))
const losses = found.outputs.map((o) => o.expr)
const inputs = [x, weight, many]
const whole: Graph = { name: 'block', outputs: [...losses, ...grad(losses[0], inputs)].map((e, i) => value(`${i}`, e)) }

const device = await must(openNative({ threads: 2, least: 1, flags: (process.argv[2] ?? '').split(' ').filter((f) => f !== '') }))
const run = async (g: Graph, given: ReadonlyMap<string, HostArray>): Promise<void> => {
  for (const l of leavesOfGraph(g))
    if (l.source._tag === 'Param') await must(device.write(l.path, l.type, given.get(l.path) ?? new Float32Array(sizeOf(l.type.shape))))
  await must((await must(device.compile(g))).run({ values: given }))
}
// few rows or columns are read where they lie; rows of sums are cut
const tall = input('tall', [1300, 37])
const few = slice(1, 3, 11)(tall)
const thin = [
  einsum('kr,kn->rn')(few, tall),
  einsum('kn,kr->nr')(tall, few),
  einsum('nk,rk->nr')(tall, slice(0, 3, 11)(tall)),
  einsum('rk,nk->rn')(slice(0, 3, 11)(tall), tall),
  sum({ axes: [0] })(mul(tall, tall)),
]
await run(
  await must(() =>
    Promise.resolve(
      trace(
        'thin',
        thin.map((e, i) => value(`${i}`, e)),
      ),
    ),
  ),
  new Map([['tall', Float32Array.from(wave(1300 * 37))]]),
)
await run(
  await must(() => Promise.resolve(trace('block', whole.outputs))),
  new Map(inputs.map((l, i) => [['x', 'weight', 'many'][i], Float32Array.from(wave(sizeOf(l.type.shape)))])),
)
for (const list of fc.sample(steps(), { numRuns: 6, seed: 3 })) {
  const r = graphOf(list)
  await run(r.graph, new Map([...r.values].map(([path, t]) => [path, hostArray(t)])))
}
device.close()
process.stdout.write('clean\n')
