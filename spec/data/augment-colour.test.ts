import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { ColourName, ColourOp } from '../../data/augment/colour.ts'
import { colour, colourChain, solarise, solariseAt, writeColour } from '../../data/augment/colour.ts'
import { drawJitter } from '../../data/augment/draws.ts'
import { augmentations } from '../../data/augment/presets.ts'
import { stream } from '../../core/random.ts'
import { expectClose, input } from '../support/tensor.ts'

const names = ['brightness', 'contrast', 'saturation', 'hue'] as const
const [H, W] = [3, 5]
const plane = H * W

const permutations = <A>(xs: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  xs.length === 0 ? [[]] : xs.flatMap((x, i) => permutations(xs.filter((_, k) => k !== i)).map((rest) => [x, ...rest]))

const image = fc.array(fc.nat(255), { minLength: 3 * plane, maxLength: 3 * plane }).map((bytes) => Float32Array.from(bytes, (b) => b / 255))
const factors = fc.record({
  brightness: fc.double({ min: 0.6, max: 1.4, noNaN: true }),
  contrast: fc.double({ min: 0.6, max: 1.4, noNaN: true }),
  saturation: fc.double({ min: 0.8, max: 1.2, noNaN: true }),
  hue: fc.double({ min: -0.1, max: 0.1, noNaN: true }),
  grayscale: fc.constant(0),
})

const chainOf = (jitter: ReadonlyArray<ColourName>, grayscale: boolean) => {
  const chain = colourChain(jitter, grayscale)
  const out = colour(chain)(input('x', [1, 3, H, W]), input('row', [1, chain.width]))
  return (x: Float32Array, ops: ReadonlyArray<ColourOp>): Float64Array => {
    const row = new Float32Array(chain.width)
    expect(writeColour(chain, ops, row, 0)).toBe(true)
    return evaluate(
      [out],
      new Map([
        ['x', x],
        ['row', row],
      ]),
    )[0]
  }
}

/** torchvision's functions on one image, one after the other, from their definitions. */
const apply = (x: ReadonlyArray<number>, op: ColourOp): ReadonlyArray<number> => {
  const gray = Array.from({ length: plane }, (_, i) => 0.2989 * x[i] + 0.587 * x[plane + i] + 0.114 * x[2 * plane + i])
  const blend = (other: (i: number) => number): ReadonlyArray<number> =>
    x.map((v, i) => Math.max(0, Math.min(1, op.factor * v + (1 - op.factor) * other(i))))
  const mean = gray.reduce((a, b) => a + b, 0) / plane
  switch (op.name) {
    case 'brightness':
      return blend(() => 0)
    case 'contrast':
      return blend(() => mean)
    case 'saturation':
      return blend((i) => gray[i % plane])
    case 'grayscale':
      return x.map((_, i) => gray[i % plane])
    case 'hue': {
      const out = [...x]
      for (let i = 0; i < plane; i++) {
        const [r, g, b] = [x[i], x[plane + i], x[2 * plane + i]]
        const [v, low] = [Math.max(r, g, b), Math.min(r, g, b)]
        const c = v - low
        const [s, d] = [c / (c === 0 ? 1 : v), c === 0 ? 1 : c]
        const [rc, gc, bc] = [(v - r) / d, (v - g) / d, (v - b) / d]
        const h0 = v === r ? bc - gc : v === g ? 2 + rc - bc : 4 + gc - rc
        const turned = ((h0 / 6 + 1) % 1) + op.factor
        const h = turned - Math.floor(turned)
        const sextant = Math.floor(h * 6)
        const f = h * 6 - sextant
        const [p, q, t] = [v * (1 - s), v * (1 - s * f), v * (1 - s * (1 - f))]
        const rgb = [
          [v, t, p],
          [q, v, p],
          [p, v, t],
          [p, q, v],
          [t, p, v],
          [v, p, q],
        ][sextant % 6]
        rgb.forEach((value, k) => {
          out[k * plane + i] = value
        })
      }
      return out
    }
  }
}

describe('the chain of colour operations', () => {
  test('holds all 24 orders, with and without grayscale behind', () => {
    const run = chainOf(names, true)
    fc.assert(
      fc.property(image, factors, fc.boolean(), (x, f, gray) => {
        for (const order of permutations<ColourName>(names)) {
          const ops = [...order, ...(gray ? ['grayscale' as const] : [])].map((name): ColourOp => ({ name, factor: Math.fround(f[name]) }))
          expectClose(run(x, ops), ops.reduce(apply, Array.from(x)), 1e-6, order.join())
        }
      }),
      { numRuns: 5 },
    )
  })

  test('every subset of the operations has a chain that holds its orders', () => {
    for (let mask = 0; mask < 16; mask++) {
      const used = names.filter((_, i) => (mask & (1 << i)) !== 0)
      const chain = colourChain(used, mask % 2 === 0)
      for (const order of permutations(used)) {
        const ops = [...order, ...(mask % 2 === 0 ? ['grayscale' as const] : [])].map((name): ColourOp => ({ name, factor: 0.5 }))
        expect(writeColour(chain, ops, new Float32Array(chain.width), 0)).toBe(true)
      }
    }
    expect(colourChain(['brightness'], false).width).toBe(2)
    expect(colourChain(['brightness'], false).slots.length).toBe(1)
  })

  test('an image without operations stays bit for bit as it is', () => {
    fc.assert(
      fc.property(image, (x) => {
        expect([...chainOf(names, true)(x, [])]).toEqual([...x])
      }),
      { numRuns: 10 },
    )
  })

  test('hue: a third of a turn rotates the channels, a whole turn and gray pixels stay', () => {
    const run = chainOf(['hue'], false)
    fc.assert(
      fc.property(image, (x) => {
        expectClose(run(x, [{ name: 'hue', factor: 1 / 3 }]), [...x.slice(2 * plane), ...x.slice(0, 2 * plane)], 1e-6)
        expectClose(run(x, [{ name: 'hue', factor: 1 }]), x, 1e-6)
        const gray = Float32Array.from([...x.slice(0, plane), ...x.slice(0, plane), ...x.slice(0, plane)])
        expect([...run(gray, [{ name: 'hue', factor: 0.07 }])]).toEqual([...gray])
      }),
      { numRuns: 20 },
    )
  })

  test('gray images: brightness multiplies, contrast goes to the mean of the image itself', () => {
    const chain = colourChain(['brightness', 'contrast'], false)
    const out = colour(chain)(input('x', [1, 1, H, W]), input('row', [1, chain.width]))
    const x = Float32Array.from({ length: plane }, (_, i) => i / plane)
    const row = new Float32Array(chain.width)
    expect(
      writeColour(
        chain,
        [
          { name: 'brightness', factor: 0.5 },
          { name: 'contrast', factor: 0.6 },
        ],
        row,
        0,
      ),
    ).toBe(true)
    const half = Array.from(x, (v) => v / 2)
    const mean = half.reduce((p, v) => p + v, 0) / plane
    expectClose(
      evaluate(
        [out],
        new Map([
          ['x', x],
          ['row', row],
        ]),
      )[0],
      half.map((v) => 0.6 * v + 0.4 * mean),
      1e-6,
    )
  })

  test('images that are not RGB are refused with a remedy', () => {
    const chain = colourChain(names, false)
    const bad = colour(chain)(input('one', [1, 1, H, W]), input('row1', [1, chain.width]))
    expect(bad._tag === 'Invalid' && bad.fault.remedy).toMatch(/not RGB/)
  })
})

test('solarise inverts from 128 of 255 on, where it is switched on', () => {
  const x = Float32Array.from([127, 128, 0, 255, 127, 128, 0, 255], (v) => v / 255)
  const [y] = evaluate(
    [solarise(input('s', [2, 1, 1, 4]), input('t', [2]))],
    new Map([
      ['s', x],
      ['t', Float32Array.of(solariseAt(true), solariseAt(false))],
    ]),
  )
  expectClose(y, [127 / 255, 127 / 255, 0, 0, ...x.slice(4)], 1e-7)
})

test('jitter is drawn as often as asked, in all orders, with factors in their ranges', () => {
  const { jitter } = augmentations.v2()
  const drawn = Array.from({ length: 3000 }, (_, i) => drawJitter(stream(5, 'jitter', i), jitter)).filter((ops) => ops.length > 0)
  expect(drawn.length / 3000).toBeGreaterThan(0.77)
  expect(drawn.length / 3000).toBeLessThan(0.83)
  expect(new Set(drawn.map((ops) => ops.map((o) => o.name).join())).size).toBe(24)
  for (const op of drawn.flat()) {
    const x = op.name === 'grayscale' ? 0 : jitter[op.name]
    const centre = op.name === 'hue' ? 0 : 1
    expect(Math.abs(op.factor - centre)).toBeLessThanOrEqual(x)
  }
  expect(drawJitter(stream(5, 'jitter', 0), { ...jitter, probability: 1, hue: 0 }).map((o) => o.name)).not.toContain('hue')
})
