/** Samples of the contraction: batch, summed and free axes in any number and any order of storage. */
import fc from 'fast-check'
import { dimension, odd, tensors } from '../support/arbitrary.ts'
import { indices } from '../support/tensor.ts'
import type { Draft } from './sample.ts'

type Pairs = Record<'leftBatch' | 'rightBatch' | 'left' | 'right', Array<number>>

/** Axes by name (`b` batch, `k` summed, `m` free on the left, `n` free on the right), in order of storage. */
interface Layout {
  readonly x: ReadonlyArray<string>
  readonly y: ReadonlyArray<string>
  readonly extent: ReadonlyMap<string, number>
}

const names = (letter: string, max: number): fc.Arbitrary<ReadonlyArray<string>> =>
  fc.nat(max).map((n) => Array.from({ length: n }, (_, i) => `${letter}${i}`))
const shuffled = (axes: ReadonlyArray<string>): fc.Arbitrary<ReadonlyArray<string>> =>
  fc.shuffledSubarray([...axes], { minLength: axes.length })

const layouts: fc.Arbitrary<Layout> = fc.tuple(names('b', 2), names('k', 2), names('m', 1), names('n', 1)).chain(([b, k, m, n]) =>
  fc.record({
    x: shuffled([...b, ...k, ...m]),
    y: shuffled([...b, ...k, ...n]),
    extent: fc
      .tuple(...[...b, ...k, ...m, ...n].map((a) => dimension.map((d) => [a, Math.min(d, 3)] as const)))
      .map((pairs) => new Map(pairs)),
  }),
)

export const dots = layouts.chain((l) => {
  const size = (a: string): number => l.extent.get(a) ?? 1
  const of = (letter: string, axes: ReadonlyArray<string>): ReadonlyArray<string> => axes.filter((a) => a.startsWith(letter))
  const [batch, summed] = [[...of('b', l.x)].sort(), [...of('k', l.x)].sort()]
  const out = [...batch, ...of('m', l.x), ...of('n', l.y)]
  const params: Pairs = {
    leftBatch: batch.map((a) => l.x.indexOf(a)),
    rightBatch: batch.map((a) => l.y.indexOf(a)),
    left: summed.map((a) => l.x.indexOf(a)),
    right: summed.map((a) => l.y.indexOf(a)),
  }
  return fc.tuple(tensors('f32', l.x.map(size), odd), tensors('f32', l.y.map(size), odd)).map((args): Draft<Pairs> => ({
    params,
    args,
    formula: ([x, y], i) =>
      indices(summed.map(size)).reduce((sum, k) => {
        const place = (a: string): number => (out.includes(a) ? i[out.indexOf(a)] : k[summed.indexOf(a)])
        return sum + x(l.x.map(place)) * y(l.y.map(place))
      }, 0),
  }))
})
