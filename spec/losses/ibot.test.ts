/** The masked patch loss against plain loops, its padding, and its masks. */
import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { showFault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { input, resident } from '../../core/leaves.ts'
import { trace } from '../../core/trace.ts'
import type { Centring } from '../../losses/centring.ts'
import { centre, sharpen } from '../../losses/centring.ts'
import { ibot } from '../../losses/ibot.ts'
import { total as totalOf } from '../../losses/loss.ts'
import { sinkhorn } from '../../losses/sinkhorn.ts'
import { runs } from '../support/arbitrary.ts'
import { expectClose, wave } from '../support/tensor.ts'
import type { Values } from './support.ts'
import { anything, floats, gradientOf, number, numbers, outcomeOf, rowOf, softmax, total, values } from './support.ts'

const [crops, patches, k, hidden, rows] = [4, 6, 3, 5, 8]
const centred = centre({ path: 'ibot.center', prototypes: k, momentum: 0.9 })
const weights = [1 / 3, 1 / 3, 1 / 3, 1 / 2, 1 / 2]

const lists = (length: number) => {
  const [student, teacher] = [input('s', [length, k]), input('t', [length, k])]
  return {
    student: { masked: { logits: student, weights: input('w', [length]), mask: input('m', [crops, patches]) } },
    teacher: { masked: { logits: teacher } },
  }
}

const given = (s: ReadonlyArray<number>, t: ReadonlyArray<number>, w: ReadonlyArray<number>): Values =>
  values({ s, t, w, 'ibot.center': wave(k, 9), 'hyper.teacher_temp': [0.06] })

const run = (
  centring: Centring,
  length: number,
  v: Values,
): { readonly loss: number; readonly gradient: ReadonlyArray<number>; readonly next: ReadonlyArray<number> } => {
  const features = lists(length)
  const loss = ibot({ prototypes: k, centring })
  const [outcome, next] = loss.run(features)(new Map([...loss.state].map(([path, d]) => [path, resident(path, d)])))
  return {
    loss: number(totalOf(outcome), v),
    gradient: gradientOf(totalOf(outcome), features.student.masked.logits, v),
    next: [...next.values()].flatMap((e) => [...numbers(e, v)]),
  }
}

const centrings: ReadonlyArray<readonly [string, Centring]> = [
  ['a centre', centred],
  ['Sinkhorn', sinkhorn()],
  ['sharpening', sharpen],
]

describe('the loss', () => {
  it('is the mean over all crops of the weighted sum over their hidden patches', () => {
    const [s, t] = [wave(hidden * k, 1), wave(hidden * k, 2)]
    const c = wave(k, 9)
    const expected =
      total(
        weights.map((w, i) => {
          const p = softmax(rowOf(t, k, i).map((x, j) => (x - c[j]) / 0.06))
          const q = softmax(rowOf(s, k, i).map((x) => x / 0.1))
          return -w * total(p.map((x, j) => x * Math.log(q[j])))
        }),
      ) / crops
    expectClose([run(centred, hidden, given(s, t, weights)).loss], [expected], 1e-12)
  })
  it.each(centrings)('knows nothing of padding, with %s', (_, centring) => {
    fc.assert(
      fc.property(floats(hidden * k), floats(hidden * k), anything((rows - hidden) * k), (s, t, rest) => {
        const short = run(centring, hidden, given(s, t, weights))
        const long = run(centring, rows, given([...s, ...rest], [...t, ...rest], [...weights, 0, 0, 0]))
        expectClose([long.loss], [short.loss], 1e-12)
        expectClose(long.next, short.next, 1e-12)
        expectClose(long.gradient, [...short.gradient, ...rest.map(() => 0)], 1e-12)
      }),
      runs(20),
    )
  })
  it.each(centrings)('is 0 where nothing is hidden, with %s', (_, centring) => {
    const none = run(centring, 2, given(wave(2 * k, 1), wave(2 * k, 2), [0, 0]))
    expect(none.loss).toBeCloseTo(0, 12)
    expect(none.gradient.every((x) => x === 0)).toBe(true)
    expect(none.next.every(Number.isFinite)).toBe(true)
  })
  it('moves the centre towards the mean of the hidden patches alone', () => {
    const t = wave(hidden * k, 2)
    const mean = Array.from({ length: k }, (_, j) => total(t.filter((_x, i) => i % k === j)) / hidden)
    const padded = [...t, 100, 100, 100, NaN, 0, 0, 0, 0, 0]
    expectClose(
      run(centred, rows, given([...wave(rows * k, 1)], padded, [...weights, 0, 0, 0])).next,
      wave(k, 9).map((c, j) => 0.9 * c + 0.1 * mean[j]),
      1e-12,
    )
  })
  it('sends no gradient to the teacher', () => {
    const f = lists(hidden)
    expect(gradientOf(totalOf(outcomeOf(ibot({ prototypes: k }), f)), f.teacher.masked.logits, given([], [], []))).toEqual([])
  })
  it('of lists that are not alike is a misuse', () => {
    const f = { ...lists(hidden), teacher: { masked: { logits: input('other', [hidden + 1, k]) } } }
    const g = trace('loss', [value('loss', totalOf(outcomeOf(ibot({ prototypes: k }), f)))])
    expect(E.isLeft(g) ? showFault(g.left) : '').toContain('broadcast')
  })
})
