/** Collectives come in adjoint pairs: as linear maps between what all ranks hold together, checked with the ranks side by side. */
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { grad, vjp } from '../../compiler/grad.ts'
import { stack } from '../../compiler/distribute/stack.ts'
import type { Split } from '../../compiler/distribute/placement.ts'
import { evaluate, reference } from '../../compiler/targets/reference.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import type { Expr } from '../../core/expr.ts'
import { showFault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { roots, state, value } from '../../core/graph.ts'
import type { Shape } from '../../core/type.ts'
import { sizeOf } from '../../core/type.ts'
import { allGather, allReduce, place, reduceScatter, shard, vary } from '../../ops/collective.ts'
import { mul } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { right } from '../data/either.ts'
import { expectClose, input, wave } from '../support/tensor.ts'

/** What every rank has of its own lies along a leading axis that is split among them. */
const rows: Split = { _tag: 'Split', axis: 0, blocks: [], of: 'batch' }
const own = (ranks: number): Split => ({ ...rows, blocks: [ranks] })

interface Map {
  readonly name: string
  readonly apply: (ranks: number) => (x: Expr) => Expr
  readonly shape: (ranks: number) => Shape
  /** Whether all ranks have one argument, or one result. */
  readonly from: 'own' | 'same'
  readonly to: 'own' | 'same'
}

/** Two blocks of two and of four for each rank. */
const cut = (ranks: number) => ({ ranks, axis: 1, blocks: [2 * ranks, 4 * ranks] })
const part = (): Shape => [1, 6, 2]
const whole = (ranks: number): Shape => [1, 6 * ranks, 2]

const maps: ReadonlyArray<Map> = [
  { name: 'allGather', apply: (n) => allGather(cut(n)), shape: part, from: 'own', to: 'own' },
  { name: 'reduceScatter', apply: (n) => reduceScatter(cut(n)), shape: whole, from: 'own', to: 'own' },
  { name: 'shard', apply: (n) => shard(cut(n)), shape: whole, from: 'own', to: 'own' },
  { name: 'place', apply: (n) => place(cut(n)), shape: part, from: 'own', to: 'own' },
  { name: 'allReduce of sums', apply: (n) => allReduce(n), shape: part, from: 'own', to: 'same' },
  { name: 'allReduce of largest', apply: (n) => allReduce(n, 'max'), shape: part, from: 'own', to: 'same' },
  { name: 'vary', apply: vary, shape: part, from: 'same', to: 'own' },
]

const stacked = (ranks: number, x: Expr, kind: 'own' | 'same', parts: ReadonlyArray<string>): Expr => {
  const graph: Graph = { name: 'one', outputs: [kind === 'own' ? state('y', x) : value('y', x)] }
  const at = new Map([...parts, ...(kind === 'own' ? ['y'] : [])].map((path) => [path, own(ranks)]))
  return right(stack({ graph, ranks, parts: at })).outputs[0].expr
}

describe.each([1, 2, 3, 4])('among %i ranks', (ranks) => {
  it.each(maps)('$name pulls back as its adjoint', ({ apply, shape, from, to }) => {
    const x = input('x', shape(ranks))
    const y = apply(ranks)(x)
    const ct = input('ct', y.type.shape)
    const parts = [...(from === 'own' ? ['x'] : []), ...(to === 'own' ? ['ct'] : [])]
    const all = (e: Expr, kind: 'own' | 'same'): Expr => stacked(ranks, e, kind, parts)
    const widened = (e: Expr, kind: 'own' | 'same'): Shape =>
      kind === 'own' ? [ranks * e.type.shape[0], ...e.type.shape.slice(1)] : e.type.shape
    const [wholeX, wholeCt] = [input('x', widened(x, from)), input('ct', widened(ct, to))]
    const [pulled] = vjp(y, [x], ct)
    // the side by side program is of ordinary ops, whose gradients are known
    const expected = grad(sum()(mul(all(y, to), wholeCt)), [wholeX])[0]
    const values = new Map(
      [wholeX, wholeCt].map((l, i) => ['path' in l.source ? l.source.path : '', Float64Array.from(wave(sizeOf(l.type.shape), i))]),
    )
    const [got, wanted] = evaluate([all(pulled, from), expected], values)
    expectClose(got, wanted, 1e-12)
  })

  it('parts joined are the whole, and a whole cut and joined is itself', () => {
    const x = input('x', whole(ranks))
    const both = allGather(cut(ranks))(shard(cut(ranks))(x))
    const summed = allReduce(ranks)(place(cut(ranks))(shard(cut(ranks))(x)))
    const values = new Map([['x', Float64Array.from(wave(sizeOf(x.type.shape)))]])
    for (const y of [both, summed]) expectClose(evaluate([stacked(ranks, y, 'same', [])], values)[0], values.get('x') ?? [], 0)
  })

  it('a reduction scattered and gathered is reduced', () => {
    const x = input('x', whole(ranks))
    const [a, b] = [allGather(cut(ranks))(reduceScatter(cut(ranks))(x)), allReduce(ranks)(x)]
    const values = new Map([['x', Float64Array.from(wave(ranks * sizeOf(x.type.shape)))]])
    const [one, other] = evaluate([stacked(ranks, a, 'same', ['x']), stacked(ranks, b, 'same', ['x'])], values)
    expectClose(one, other, 0)
  })
})

describe('on targets of one rank', () => {
  const program: Graph = { name: 'two', outputs: [value('y', allReduce(2)(input('x', [3])))] }
  it.each(['reference', 'native', 'gpujs:cpu'] as const)('%s says what to do', async (name) => {
    const device = right(await (name === 'reference' ? reference.open : openTarget(name, { say: () => undefined }))())
    const compiled = await device.compile(program)()
    device.close()
    expect(E.isLeft(compiled) ? showFault(compiled.left) : 'compiled').toBe(
      [
        'target fault at allReduce',
        '  found:   a program of 2 ranks on a target of one',
        '  allowed: a program of one rank, which speaks to no other',
        '  remedy:  put the ranks side by side in one program with `stack`, or do not distribute it',
      ].join('\n'),
    )
    // which is what the remedy says
    expectClose(
      evaluate(roots(right(stack({ graph: program, ranks: 2, parts: new Map() }))), new Map([['x', Float32Array.of(1, 2, 3)]]))[0],
      [2, 4, 6],
      0,
    )
  })

  it('a misfit is explained where it was written', () => {
    const y = shard({ ranks: 4, axis: 0, blocks: [6] })(input('x', [6]))
    expect(y._tag === 'Invalid' ? y.fault.allowed : '').toBe('a tensor whose axis 0 is of blocks of 6, each of which 4 ranks share evenly')
  })
})
