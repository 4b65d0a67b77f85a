/** The laws of gradient transforms on the expressions that they build, and AdamW against a plain loop. */
import fc from 'fast-check'
import * as O from 'fp-ts/lib/Option.js'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { hyper, input, parameter } from '../../core/leaves.ts'
import { param, zeros } from '../../core/model.ts'
import { clipEach } from '../../train/step/clip.ts'
import { uniformGroups, v1Groups } from '../../train/step/groups.ts'
import { isLastLayer } from '../support/last-layer.ts'
import { adamw, decayWeights, scaleByAdam, scaleByRate } from '../../train/step/optimizer.ts'
import type { GradientTransform, Proposal } from '../../train/step/transform.ts'
import { chain, gated, identity, transformMonoid } from '../../train/step/transform.ts'
import { expectClose } from '../support/tensor.ts'

const proposal = (path: string, shape: ReadonlyArray<number>): Proposal => {
  const declaration = param(shape, zeros)
  return {
    path,
    declaration,
    value: parameter(`student.${path}`, declaration),
    update: input(`gradient.${path}`, shape),
    gate: O.none,
    begun: O.none,
  }
}

const proposals = [proposal('backbone.weight', [2, 2]), proposal('backbone.bias', [2]), proposal('head.last_layer.weight_v', [2, 1])]

const some: fc.Arbitrary<GradientTransform> = fc.oneof(
  fc.constantFrom(0.5, 3).map(clipEach),
  fc.constantFrom('a', 'b').map((name) => gated(name, isLastLayer)),
  fc.constant(scaleByAdam()),
  fc.constant(decayWeights(hyper('wd'), v1Groups)),
  fc.constant(scaleByRate(hyper('lr'), uniformGroups)),
  fc.constant(adamw({ groups: v1Groups, betas: [0.8, 0.9] })),
)

/** All that a transform builds, expressions by identity. */
const said = (t: GradientTransform): unknown => {
  const r = t.update(proposals)
  return [r.proposals.map((p) => [p.path, p.update.id, p.gate]), r.kept.map((k) => [k.path, k.next.id])]
}

describe('gradient transforms are a Monoid', () => {
  const { concat } = transformMonoid
  it('with the identity as the neutral element', () => {
    fc.assert(
      fc.property(some, (t) => {
        expect(said(concat(identity, t))).toEqual(said(t))
        expect(said(concat(t, identity))).toEqual(said(t))
      }),
    )
  })
  it('and concat is associative, so that chain may be nested', () => {
    fc.assert(
      fc.property(some, some, some, (a, b, c) => {
        expect(said(concat(concat(a, b), c))).toEqual(said(concat(a, concat(b, c))))
        expect(said(chain([a, chain([b, c])]))).toEqual(said(chain([a, b, c])))
      }),
    )
  })
})

describe('clipping', () => {
  it('shortens a tensor that is too long, and no other', () => {
    const clipped = clipEach(1)
      .update(proposals)
      .proposals.map((p) => p.update)
    const values = new Map([
      ['gradient.backbone.weight', Float64Array.of(3, 0, 4, 0)],
      ['gradient.backbone.bias', Float64Array.of(0.3, 0.4)],
      ['gradient.head.last_layer.weight_v', new Float64Array(2)],
    ])
    const [w, b, z] = evaluate(clipped, values)
    expectClose(
      w,
      [3, 0, 4, 0].map((x) => x / (5 + 1e-6)),
      1e-12,
    )
    expectClose(b, [0.3, 0.4], 1e-12)
    expectClose(z, [0, 0], 0)
  })
})

describe('adamw', () => {
  const steps = 40
  const gradient = (t: number): number => Math.sin(t * 1.3) + 0.2
  const open = (t: number): boolean => t % 5 !== 0 && t > 3

  /** torch.optim.AdamW for one number; a step without a gradient does nothing. */
  const torch = (decayed: boolean, takes: (t: number) => boolean): ReadonlyArray<number> => {
    let [p, m, v, n] = [1, 0, 0, 0]
    return Array.from({ length: steps }, (_, t) => {
      if (!takes(t)) return p
      const g = gradient(t)
      n++
      p *= 1 - 0.01 * (decayed ? 0.1 : 0)
      m = 0.9 * m + 0.1 * g
      v = 0.999 * v + 0.001 * g * g
      p -= ((0.01 / (1 - 0.9 ** n)) * m) / (Math.sqrt(v) / Math.sqrt(1 - 0.999 ** n) + 1e-8)
      return p
    })
  }

  it('follows PyTorch step by step, with a decay by group and a last layer that is withheld at some steps', () => {
    const scalars = [proposal('backbone.weight', [1, 1]), proposal('backbone.bias', [1]), proposal('head.last_layer.weight_v', [1, 1])]
    const { proposals: changes, kept } = chain([gated('open', isLastLayer), adamw({ groups: v1Groups })]).update(scalars)
    expect(kept.map((k) => k.path)).toContain('step.open')
    const params = new Map(scalars.map((p) => [p.path, 1]))
    const state = new Map(kept.map((k) => [k.path, 0]))
    const expected = [torch(true, () => true), torch(false, () => true), torch(true, open)]
    for (let t = 0; t < steps; t++) {
      const values = new Map([
        ...scalars.flatMap(
          (p) =>
            [
              [`student.${p.path}`, Float64Array.of(params.get(p.path) ?? NaN)],
              [`gradient.${p.path}`, Float64Array.of(gradient(t))],
            ] as const,
        ),
        ...[...state].map(([path, x]) => [`optimizer.${path}`, Float64Array.of(x)] as const),
        ['hyper.lr', Float64Array.of(0.01)] as const,
        ['hyper.wd', Float64Array.of(0.1)] as const,
        ['hyper.open', Float64Array.of(open(t) ? 1 : 0)] as const,
      ])
      const results = evaluate([...changes.map((p) => p.update), ...kept.map((k) => k.next)], values)
      changes.forEach((p, i) => {
        if (O.isNone(p.gate) || open(t)) params.set(p.path, (params.get(p.path) ?? NaN) + results[i][0])
      })
      kept.forEach((k, i) => state.set(k.path, results[changes.length + i][0]))
      expectClose(
        scalars.map((p) => params.get(p.path) ?? NaN),
        expected.map((xs) => xs[t]),
        1e-9,
        `step ${t}`,
      )
    }
    expect([state.get('step'), state.get('step.open')]).toEqual([steps, Array.from({ length: steps }, (_, t) => t).filter(open).length])
  })
})
