/** What stands for a kernel, an op or an expression contains everything on which its meaning depends. */
import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import type { Unnamed } from '../../compiler/kernel/kernel.ts'
import { kernelKey } from '../../compiler/kernel/kernel.ts'
import { scalarOf } from '../../compiler/kernel/meaning.ts'
import { termTable } from '../../compiler/kernel/table.ts'
import { followKernels } from '../../compiler/road.ts'
import { kernelKey as textKey } from '../../compiler/targets/gpujs/kernel.ts'
import { printKernel } from '../../compiler/targets/gpujs/print.ts'
import { gpujsRoad } from '../../compiler/targets/gpujs/road.ts'
import { graphFingerprint } from '../../compiler/targets/native/fingerprint.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import { kernelSource } from '../../compiler/targets/native/source.ts'
import type { Json } from '../../core/expr.ts'
import { applied, fill, keyOf, leaf, table } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { showFault } from '../../core/fault.ts'
import { state, value } from '../../core/graph.ts'
import { parameter } from '../../core/leaves.ts'
import { param, zeros } from '../../core/model.ts'
import type { DType } from '../../core/type.ts'
import { tensorType } from '../../core/type.ts'
import { attending } from '../../ops/attention.ts'
import { add, sub, tanh } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { slice } from '../../ops/window.ts'
import { runs } from '../support/arbitrary.ts'
import { graphs } from '../support/graphs.ts'
import { input } from '../support/tensor.ts'

const right = <A>(e: E.Either<Fault, A>): A => (E.isRight(e) ? e.right : expect.fail(showFault(e.left)))

/** Everything in which two kernels of one shape can differ. */
interface Parts {
  readonly rows: number
  readonly columns: number
  readonly depth: number
  readonly stride: number
  readonly offset: number
  readonly constant: number
  readonly dtype: DType
  readonly op: 'sub' | 'div'
  readonly unary: 'exp' | 'log'
  readonly reduce: 'sum' | 'max'
  readonly swapped: boolean
  readonly buffer: number
  readonly length: number
  readonly at: number
  readonly guard: number
}

const base: Parts = {
  rows: 4,
  columns: 6,
  depth: 5,
  stride: 7,
  offset: 3,
  constant: 0.5,
  dtype: 'f32',
  op: 'sub',
  unary: 'exp',
  reduce: 'sum',
  swapped: false,
  buffer: 0,
  length: 400,
  at: 0,
  guard: 2,
}

/** out[r, c] = f(reduce over k of (x[stride r + k + offset] - constant)) where c is before a guard, 0 behind it. */
const kernelWith = (change: Partial<Parts>): Unnamed => {
  const p = { ...base, ...change }
  const t = termTable()
  const [r, c] = [t.variable(p.rows), t.variable(p.columns)]
  const k = t.variable(p.depth)
  const read = t.read(
    p.buffer,
    p.dtype,
    t.affine(
      [
        [r, p.stride],
        [k, 1],
      ],
      p.offset,
    ),
  )
  const constant = t.num(p.dtype, p.constant)
  const body = p.swapped ? t.binary(p.op, constant, read) : t.binary(p.op, read, constant)
  const reduced = t.unary(p.unary, t.reduce(p.reduce, k, body))
  const result = t.select(t.binary('lt', c, t.num('i32', p.guard)), reduced, t.num(p.dtype, 0))
  return {
    loops: [r, c],
    reads: [
      { dtype: p.dtype, length: p.length },
      { dtype: p.dtype, length: p.length },
    ],
    writes: [
      {
        dtype: p.dtype,
        length: p.rows * p.columns + p.at,
        offset: t.affine(
          [
            [r, p.columns],
            [c, 1],
          ],
          p.at,
        ),
        value: result,
      },
    ],
  }
}

/** The next number that can be stored. */
const next = (x: number): number => {
  const bits = new Float64Array([x])
  new BigInt64Array(bits.buffer)[0] += 1n
  return bits[0]
}

describe('kernels that differ in one thing alone have different keys', () => {
  const changes: ReadonlyArray<Partial<Parts>> = [
    { rows: 5 },
    { columns: 7 },
    { depth: 6 },
    { stride: 8 },
    { offset: 4 },
    { offset: 0 },
    { constant: next(0.5) },
    { dtype: 'f16' },
    { dtype: 'bf16' },
    { op: 'div' },
    { unary: 'log' },
    { reduce: 'max' },
    { swapped: true },
    { buffer: 1 },
    { length: 401 },
    { at: 1 },
    { guard: 3 },
  ]
  it.each(changes.map((c) => [JSON.stringify(c), c] as const))('%s', (_, change) => {
    expect(kernelKey(kernelWith(change))).not.toBe(kernelKey(kernelWith({})))
  })
  it('and equal kernels have one', () => {
    expect(kernelKey(kernelWith({}))).toBe(kernelKey(kernelWith({})))
  })
  it('the two zeros', () => {
    expect(kernelKey(kernelWith({ constant: 0, op: 'div' }))).not.toBe(kernelKey(kernelWith({ constant: -0, op: 'div' })))
  })
  it('any two sets of parts', () => {
    const parts = fc.record<Parts>({
      rows: fc.integer({ min: 2, max: 4 }),
      columns: fc.integer({ min: 2, max: 4 }),
      depth: fc.integer({ min: 2, max: 4 }),
      stride: fc.integer({ min: 5, max: 7 }),
      offset: fc.nat(2),
      constant: fc.constantFrom(0.5, -0.5, 0.25),
      dtype: fc.constantFrom('f32', 'f16', 'bf16'),
      op: fc.constantFrom('sub', 'div'),
      unary: fc.constantFrom('exp', 'log'),
      reduce: fc.constantFrom('sum', 'max'),
      swapped: fc.boolean(),
      buffer: fc.nat(1),
      length: fc.constantFrom(400, 401),
      at: fc.nat(2),
      guard: fc.constant(1),
    })
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        expect(kernelKey(kernelWith(a)) === kernelKey(kernelWith(b))).toBe(JSON.stringify(a) === JSON.stringify(b))
      }),
      runs(500),
    )
  })
  it("a target's own kernel by its meaning and where its operands lie", () => {
    const x = tensorType('f32', [2, 3, 1, 4])
    const lowered = (scale: number) => attending.attention.op({ scale }).lower([x, x, x], x)
    const whole = (scale: number, offset: number, strides: ReadonlyArray<number>): string =>
      kernelKey({ ...kernelWith({}), whole: { meanings: [lowered(scale)], operands: [{ buffer: 0, offset, strides }] } })
    const keys = [
      whole(0.5, 0, [1, 2]),
      whole(next(0.5), 0, [1, 2]),
      whole(0.5, 1, [1, 2]),
      whole(0.5, 0, [2, 1]),
      kernelKey(kernelWith({})),
    ]
    expect(new Set(keys).size).toBe(keys.length)
  })
})

/** A kernel's text without its name, its own names numbered in order of appearance, as gpu.js's printer does it itself. */
const code = (text: string): string => {
  const names = new Map<string, number>()
  return text.replace(/^\/\*.*\*\/\n|^\/\/.*\n/, '').replaceAll(/\b(best_r|[tvwr])(\d+)\b/g, (name, kind: string) => {
    const number = names.get(name) ?? names.size
    names.set(name, number)
    return `${kind}#${number}`
  })
}

test('kernels of equal keys print equal code on every target', () => {
  const [native, gpujs] = [new Map<string, string>(), new Map<string, string>()]
  fc.assert(
    fc.property(graphs(), ({ graph }) => {
      for (const { kernel } of right(followKernels(nativeRoad(0))(graph)).kernels) {
        const text = code(kernelSource(kernel, 'k'))
        expect(native.get(kernel.key) ?? text).toBe(text)
        native.set(kernel.key, text)
      }
      for (const { kernel } of right(followKernels(gpujsRoad({ maxInputs: 7, packs: true }))(graph)).kernels) {
        const text = textKey(printKernel(kernel, [4, 4]))
        expect(gpujs.get(kernel.key) ?? text).toBe(text)
        gpujs.set(kernel.key, text)
      }
    }),
    runs(150),
  )
  expect(native.size).toBeGreaterThan(300)
})

describe('keys of parameters', () => {
  const json: fc.Arbitrary<Json> = fc.letrec<{ any: Json }>((tie) => ({
    any: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<Json>(null, true, false, 0, -0, 1, '1', 'null', '', NaN, Infinity, -Infinity, 'NaN', '-0', 0.1, next(0.1)),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b', '1', 'a":1,"b'), tie('any'), { maxKeys: 3 }),
    ),
  })).any
  const same = (a: Json, b: Json): boolean =>
    Object.is(a, b) ||
    (typeof a === 'object' &&
      typeof b === 'object' &&
      a !== null &&
      b !== null &&
      Array.isArray(a) === Array.isArray(b) &&
      Object.keys(a).join('\n') === Object.keys(b).join('\n') &&
      Object.entries(a).every(([k, v]) => same(v, (b as { readonly [key: string]: Json })[k])))
  it('are equal for equal parameters alone', () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        expect(keyOf(a) === keyOf(b)).toBe(same(a, b))
      }),
      runs(2000),
    )
  })
  it('keep draws apart that JSON would not', () => {
    const draw = (mean: number) => leaf(tensorType('f32', []), { _tag: 'Draw', path: 'd', distribution: { _tag: 'Normal', mean, std: 1 } })
    expect(new Set([0, -0, NaN, Infinity, -Infinity].map(draw)).size).toBe(5)
  })
})

describe('graphs that differ in one thing alone have different fingerprints', () => {
  const x = input('x', [4, 6])
  const w = parameter('w', param([4, 6], zeros))
  const of = (e: ReturnType<typeof add>, path = 'y', role: 'value' | 'state' = 'value'): string | undefined =>
    graphFingerprint(['here'], { name: 'g', outputs: [role === 'value' ? value(path, e) : state(path, e)] })
  it('and equal graphs one', () => {
    const cases = [
      of(add(x, 1)),
      of(add(x, next(1))),
      of(add(x, 0)),
      of(sub(x, 0)),
      of(add(x, -0)),
      of(add(w, 1)),
      of(add(x, 1), 'z'),
      of(add(x, 1), 'y', 'state'),
      of(sub(x, w)),
      of(sub(w, x)),
      of(sum()(x)),
      of(sum()(slice(0, 0, 2)(x))),
      of(sum({ axes: [0] })(x)),
      of(add(input('x', [6, 4]), 1)),
      of(tanh(x)),
      of(applied(tanhOf(x), [x], x.type, { _tag: 'Some', value: 'blocks.0' })),
      of(applied(tanhOf(x), [x], x.type, { _tag: 'Some', value: 'blocks.1' })),
      of(fill('f32', [2], 0)),
      of(fill('f32', [2], -0)),
      of(table('f32', [2], [0, 1])),
      of(table('f32', [2], [-0, 1])),
    ]
    expect(new Set(cases).size).toBe(cases.length)
    expect(of(add(x, 1))).toBe(cases[0])
  })
})

const tanhOf = (x: ReturnType<typeof input>) => {
  const e = tanh(x)
  if (e._tag !== 'Apply') throw new Error('tanh is an application')
  expect(scalarOf(e)._tag).toBe('Unary')
  return e.op
}
