/** KoLeo where symmetry says what it must be. */
import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { showFault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { trace } from '../../core/trace.ts'
import { koleo } from '../../losses/koleo.ts'
import { total as totalOf } from '../../losses/loss.ts'
import { divisor, runs } from '../support/arbitrary.ts'
import { expectClose } from '../support/tensor.ts'
import { gradientOf, number, outcomeOf, rowOf, total, values } from './support.ts'

const lossOf = (rows: number, width: number, images: number, neighbours = 1) => {
  const cls = input('x', [rows, width])
  const group = { global: { cls } }
  return { cls, loss: totalOf(outcomeOf(koleo({ neighbours }), { images, student: group, teacher: group })) }
}

const of = (x: ReadonlyArray<number>, width: number, images: number, neighbours = 1): number =>
  number(lossOf(x.length / width, width, images, neighbours).loss, values({ x }))

/** Four rows of three numbers, none of them near zero. */
const some = fc.array(divisor, { minLength: 12, maxLength: 12 })

const axes = (n: number): ReadonlyArray<number> => Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0))

describe('KoLeo', () => {
  it('of orthogonal directions is -ln sqrt 2 for each crop, whatever their lengths', () => {
    for (const n of [2, 3, 5])
      expectClose(
        [
          of(
            axes(n).map((x, i) => x * (1 + i)),
            n,
            n,
          ),
        ],
        [-Math.log(Math.SQRT2)],
        1e-7,
      )
    expectClose([of([...axes(3), ...axes(3)], 3, 3)], [-2 * Math.log(Math.SQRT2)], 1e-7)
    expectClose([of(axes(4), 4, 4, 3)], [-Math.log(Math.SQRT2)], 1e-7)
  })
  it('of opposite directions is -ln 2', () => {
    expectClose([of([1, 0, -1, 0], 2, 2)], [-Math.log(2)], 1e-7)
  })
  it('is the sum over crops, which never meet', () => {
    fc.assert(
      fc.property(some, some, (a, b) => {
        expectClose([of([...a, ...b], 3, 4)], [of(a, 3, 4) + of(b, 3, 4)], 1e-9)
        // the same features in both views do not come near each other
        expectClose([of([...a, ...a], 3, 4)], [2 * of(a, 3, 4)], 1e-9)
      }),
      runs(20),
    )
  })
  it('does not know the order of images', () => {
    fc.assert(
      fc.property(some, (a) => {
        const reversed = [3, 2, 1, 0].flatMap((i) => rowOf(a, 3, i))
        expectClose([of(reversed, 3, 4)], [of(a, 3, 4)], 1e-6)
      }),
      runs(20),
    )
  })
  it('with several neighbours is the mean over all of them', () => {
    const angle = (d: number): ReadonlyArray<number> => [Math.cos((d * Math.PI) / 180), Math.sin((d * Math.PI) / 180)]
    const chord = (d: number): number => Math.log(2 * Math.sin((d * Math.PI) / 360))
    const x = [0, 10, 30].flatMap(angle)
    expectClose([of(x, 2, 3, 1)], [-(chord(10) + chord(10) + chord(20)) / 3], 1e-6)
    expectClose([of(x, 2, 3, 2)], [-(2 * chord(10) + 2 * chord(20) + 2 * chord(30)) / 6], 1e-6)
  })
  it('pushes both of a pair apart, with finite force even where they are one', () => {
    const { cls, loss } = lossOf(3, 2, 3)
    const apart = gradientOf(loss, cls, values({ x: [1, 0.1, 1, -0.1, -1, 0] }))
    expect(apart[1]).toBeLessThan(0)
    expect(apart[3]).toBeGreaterThan(0)
    expect(gradientOf(loss, cls, values({ x: [1, 2, 1, 2, -1, 0] })).every(Number.isFinite)).toBe(true)
    expect(total(gradientOf(loss, cls, values({ x: [0, 0, 1, 2, -1, 0] })).map((x) => (Number.isFinite(x) ? 0 : 1)))).toBe(0)
  })
  it.each([
    [1, 1],
    [3, 3],
  ])('of %i images with %i neighbours is a misuse', (images, neighbours) => {
    const g = trace('loss', [value('loss', lossOf(images, 2, images, neighbours).loss)])
    expect(E.isLeft(g) ? showFault(g.left) : '').toContain('give larger batches')
  })
})
