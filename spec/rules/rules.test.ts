/** What must hold of every primitive, one loop over the vocabulary. */
import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { grad, hvp, jvp, vjp } from '../../compiler/grad.ts'
import { evaluate, reference } from '../../compiler/targets/reference.ts'
import { roundings } from '../../compiler/numerics.ts'
import type { Expr, Leaf } from '../../core/expr.ts'
import { value } from '../../core/graph.ts'
import { print } from '../../core/print.ts'
import { apply } from '../../core/primitive.ts'
import { load, save } from '../../core/serialize.ts'
import type { HalfType } from '../../core/type.ts'
import { isFloat, isHalf, isValueOf, sizeOf, tensorType } from '../../core/type.ts'
import { mul } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import type { PrimitiveName } from '../../ops/vocabulary.ts'
import { loadOp, vocabulary } from '../../ops/vocabulary.ts'
import { runs } from '../support/arbitrary.ts'
import type { Tensor } from '../support/tensor.ts'
import { expectClose, getter, input, tabulate, wave } from '../support/tensor.ts'
import { agreesWithReference, must } from './agreement.ts'
import type { Case } from './sample.ts'
import { samples } from './samples.ts'

const isPrimitive = (name: string): name is PrimitiveName => name in samples
const names = Object.keys(vocabulary).filter(isPrimitive)

/** A case as an expression of inputs, with the values of the inputs. */
interface Applied {
  readonly leaves: ReadonlyArray<Leaf>
  readonly out: Expr
  readonly values: ReadonlyMap<string, Float64Array>
  /** The inputs that a gradient may flow to. */
  readonly floats: ReadonlyArray<Leaf>
}

const pathOf = (l: Leaf): string => ('path' in l.source ? l.source.path : '')

const applied = (c: Case): Applied => {
  const leaves = c.args.map((a, k) => input(`x${k}`, a.type.shape, a.type.dtype))
  return {
    leaves,
    out: apply(c.op, leaves),
    values: new Map(c.args.map((a, k) => [`x${k}`, Float64Array.from(a.values)])),
    floats: leaves.filter((l) => isFloat(l.type.dtype)),
  }
}

/** Directions beside the values, one for each float input, `v.x0` for `x0`. */
const directions = (a: Applied): { readonly tangents: ReadonlyArray<Leaf>; readonly values: ReadonlyMap<string, Float64Array> } => ({
  tangents: a.floats.map((l) => input(`v.${pathOf(l)}`, l.type.shape, l.type.dtype)),
  values: new Map([...a.values, ...a.floats.map((l, i) => [`v.${pathOf(l)}`, Float64Array.from(wave(sizeOf(l.type.shape), i))] as const)]),
})

/** The inputs moved by `h` along their directions. */
const moved = (a: Applied, values: ReadonlyMap<string, Float64Array>, h: number): ReadonlyMap<string, Float64Array> =>
  new Map([
    ...values,
    ...a.floats.map((l) => {
      const x = values.get(pathOf(l)) ?? new Float64Array()
      const v = values.get(`v.${pathOf(l)}`) ?? new Float64Array()
      return [pathOf(l), x.map((y, i) => y + h * v[i])] as const
    }),
  ])

const differences = (
  exprs: ReadonlyArray<Expr>,
  a: Applied,
  values: ReadonlyMap<string, Float64Array>,
  h = 1e-5,
): ReadonlyArray<Float64Array> => {
  const up = evaluate(exprs, moved(a, values, h))
  const down = evaluate(exprs, moved(a, values, -h))
  return up.map((u, k) => u.map((y, i) => (y - down[k][i]) / (2 * h)))
}

/** Differences of 16 bits would measure their rounding. */
const isSmooth = (c: Case, a: Applied): boolean =>
  a.floats.length > 0 && a.out.type.dtype === 'f32' && c.args.every((x) => !isHalf(x.type.dtype))

const property = (name: PrimitiveName, n: number, check: (c: Case, a: Applied) => void): void => {
  fc.assert(
    fc.property(samples[name].cases, (c) => {
      check(c, applied(c))
    }),
    runs(n),
  )
}

/** The case in floats of 16 bits, where the op takes them. */
const halved = (c: Case, dtype: HalfType): Case | undefined => {
  const args = c.args.map((a): Tensor =>
    a.type.dtype === 'f32' ? { type: tensorType(dtype, a.type.shape), values: a.values.map(roundings[dtype]) } : a,
  )
  return E.isRight(c.op.type(args.map((a) => a.type))) ? { ...c, args } : undefined
}

/** Of what is rounded twice. */
const precisions: { readonly [D in HalfType]: number } = { f16: 1e-3, bf16: 8e-3 }

const checkMeaning = (c: Case, a: Applied): void => {
  expect(a.out._tag).toBe('Apply')
  const [result] = evaluate([a.out], a.values)
  expect(result.length).toBe(sizeOf(a.out.type.shape))
  expect(result.every((x) => isValueOf(a.out.type.dtype, x))).toBe(true)
  const expected = tabulate(a.out.type, (i) => c.formula(c.args.map(getter), i)).values
  const { dtype } = a.out.type
  expectClose(result, isHalf(dtype) ? expected.map(roundings[dtype]) : expected, isHalf(dtype) ? precisions[dtype] : 1e-12, c.op.key)
}

describe.each(names)('%s', (name) => {
  it('has the type and the value that its formula gives, in every precision', () => {
    property(name, 40, (c, a) => {
      checkMeaning(c, a)
      for (const dtype of ['f16', 'bf16'] as const) {
        const h = halved(c, dtype)
        if (h !== undefined) checkMeaning(h, applied(h))
      }
    })
  })

  it('moves as its jvp says (central differences)', () => {
    property(name, 15, (c, a) => {
      if (!isSmooth(c, a)) return
      const { tangents, values } = directions(a)
      const [j] = evaluate([jvp(a.out, a.floats, tangents)], values)
      expectClose(j, samples[name].differentiable ? differences([a.out], a, values)[0] : j.map(() => 0), 1e-6, c.op.key)
    })
  })

  it('pulls back as the transpose of its jvp', () => {
    property(name, 15, (c, a) => {
      if (!isSmooth(c, a)) return
      const { tangents, values } = directions(a)
      const ct = input('ct', a.out.type.shape, a.out.type.dtype)
      const all = new Map([...values, ['ct', Float64Array.from(wave(sizeOf(a.out.type.shape), 7))] as const])
      const pulled = vjp(a.out, a.floats, ct).map((g, i) => sum()(mul(g, tangents[i])))
      const [pushed, ...parts] = evaluate([sum()(mul(ct, jvp(a.out, a.floats, tangents))), ...pulled], all)
      expectClose([parts.reduce((s, p) => s + p[0], 0)], pushed, 1e-10, c.op.key)
      vjp(a.out, a.floats, ct).forEach((g, i) => {
        expect(g.type).toEqual(a.floats[i].type)
      })
    })
  })

  it('has the curvature that differences of its gradient have', () => {
    property(name, 10, (c, a) => {
      if (!isSmooth(c, a)) return
      const { tangents, values } = directions(a)
      const weight = input('w', a.out.type.shape)
      const all = new Map([...values, ['w', Float64Array.from(wave(sizeOf(a.out.type.shape), 3))] as const])
      const loss = sum()(mul(a.out, weight))
      const expected = differences(grad(loss, a.floats), a, all)
      evaluate(hvp(loss, a.floats, tangents), all).forEach((h, i) => {
        expectClose(h, expected[i], 1e-5, `${c.op.key}, argument ${i}`)
      })
    })
  })

  it('prints the same twice, and comes back from bytes as the same expression', () => {
    property(name, 15, (_, a) => {
      const g = { name: 'one', outputs: [value('y', a.out)] }
      const loaded = E.chain(load(loadOp))(save(g))
      expect(E.isRight(loaded) && loaded.right.outputs[0].expr === a.out).toBe(true)
      expect(E.isRight(loaded) && print(loaded.right)).toBe(print(g))
    })
  })

  it('agrees with the reference when it runs on a device', async () => {
    const device = await must(reference.open)
    await agreesWithReference(device, samples[name], { tolerance: 0 })
    device.close()
  })
})
