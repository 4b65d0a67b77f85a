/** Clipping by groups: one norm for all tensors of a submodule, none shared between submodules. */
import * as O from 'fp-ts/lib/Option.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { input } from '../../core/leaves.ts'
import { param, zeros } from '../../core/model.ts'
import { clipEach, clipGroups } from '../../train/step/clip.ts'
import type { GradientTransform, Proposal } from '../../train/step/transform.ts'
import { runs } from '../support/arbitrary.ts'
import { expectClose } from '../support/tensor.ts'

const paths = ['backbone.a', 'backbone.b.c', 'dino_head.a', 'ibot_head.a']

const proposals = (gates: Readonly<Record<string, string>> = {}): ReadonlyArray<Proposal> =>
  paths.map((path) => ({
    path,
    declaration: param([2], zeros),
    value: input(`value.${path}`, [2]),
    update: input(path, [2]),
    gate: O.fromNullable(gates[path]),
    begun: O.none,
  }))

const clipped = (
  t: GradientTransform,
  gradients: ReadonlyArray<ReadonlyArray<number>>,
  gates: Readonly<Record<string, string>> = {},
  open = 1,
): ReadonlyArray<ReadonlyArray<number>> =>
  evaluate(
    t.update(proposals(gates)).proposals.map((p) => p.update),
    new Map([...paths.map((path, i) => [path, Float64Array.from(gradients[i])] as const), ['hyper.open', Float64Array.of(open)]]),
  ).map((x) => [...x])

const gradients = fc.array(fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 2, maxLength: 2 }), {
  minLength: 4,
  maxLength: 4,
})
const norm = (xs: ReadonlyArray<number>): number => Math.sqrt(xs.reduce((n, x) => n + x * x, 0))

describe('clipping by submodule', () => {
  it('shortens all tensors of a submodule by one factor', () => {
    fc.assert(
      fc.property(gradients, fc.double({ min: 0.1, max: 6, noNaN: true }), (g, limit) => {
        const factor = (xs: ReadonlyArray<number>): number => Math.min(1, limit / (norm(xs) + 1e-6))
        const of = [factor([...g[0], ...g[1]]), factor([...g[0], ...g[1]]), factor(g[2]), factor(g[3])]
        clipped(clipGroups(limit), g).forEach((x, i) => {
          expectClose(
            x,
            g[i].map((v) => v * of[i]),
            1e-12,
          )
        })
      }),
      runs(50),
    )
  })
  it('with every tensor a group of its own is clipping each', () => {
    fc.assert(
      fc.property(gradients, (g) => {
        expect(
          clipped(
            clipGroups(1, (p) => p.path),
            g,
          ),
        ).toEqual(clipped(clipEach(1), g))
      }),
      runs(20),
    )
  })
  it('counts no tensor whose gate is closed', () => {
    const g = [
      [3, 0],
      [0, 4],
      [1, 0],
      [0, 1],
    ]
    const gates = { 'backbone.b.c': 'open' }
    expectClose(clipped(clipGroups(1), g, gates, 1)[0], [3 / 5, 0], 1e-6)
    expectClose(clipped(clipGroups(1), g, gates, 0)[0], [1, 0], 1e-6)
  })
})
