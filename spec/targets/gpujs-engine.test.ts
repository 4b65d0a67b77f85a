/** The gpu.js engines do what a kernel's text says: the same in every mode. */
import { readFileSync, readdirSync } from 'node:fs'
import { isLeft, isRight } from 'fp-ts/lib/Either.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Fault } from '../../core/fault.ts'
import type { CompiledSet, Engine, Mode } from '../../compiler/targets/gpujs/engine.ts'
import { openEngine } from '../../compiler/targets/gpujs/engines.ts'
import type { HelperSource, KernelSource } from '../../compiler/targets/gpujs/kernel.ts'
import { gridOf, kernelKey } from '../../compiler/targets/gpujs/kernel.ts'
import { wgsl } from '../../compiler/targets/gpujs/wgsl.ts'
import { isOptional } from '../support/optional.ts'

const kernel = (
  source: string,
  args: ReadonlyArray<number>,
  output: ReadonlyArray<number>,
  more: Partial<KernelSource> = {},
): KernelSource => ({
  name: 'test',
  source,
  args,
  output,
  helpers: [],
  block: [1, 1],
  ...more,
})

/** A fixed sequence of numbers in [-1, 1), so that a failure can be repeated. */
const numbers = (length: number, seed = 1): Float32Array =>
  Float32Array.from({ length }, (_, n) => ((Math.imul(n + seed * 7919, 2654435761) >>> 8) / 2 ** 24) * 2 - 1)

const opened = async (mode: Mode): Promise<Engine | Fault> => {
  const result = await openEngine(mode)()
  return isRight(result) ? result.right : result.left
}

const compiled = async (engine: Engine, kernels: ReadonlyArray<KernelSource>): Promise<CompiledSet> => {
  const result = await engine.compile(kernels)()
  if (isLeft(result)) throw new Error(result.left.found)
  return result.right
}

const filled = (engine: Engine, data: Float32Array): { readonly length: number } => {
  const slot = engine.slot(data.length)
  engine.write(slot, data)
  return slot
}

const runOnce = async (engine: Engine, k: KernelSource, inputs: ReadonlyArray<Float32Array>): Promise<Float32Array> => {
  const out = engine.slot(k.output.reduce((a, b) => a * b, 1))
  const set = await compiled(engine, [k])
  await set.program([{ kernel: 0, args: inputs.map((data) => filled(engine, data)), out }]).run()
  return engine.read(out)
}

const expectClose = (found: Float32Array, wanted: ArrayLike<number>, tolerance: number): void => {
  expect(found.length).toBe(wanted.length)
  const worst = Array.from(found).reduce((w, v, n) => {
    const error = Math.abs(v - (wanted[n] ?? NaN))
    return Number.isNaN(error) || error > w ? error : w
  }, 0)
  expect(worst).toBeLessThanOrEqual(tolerance)
}

/** C[m, n] = A[m, k] B[k, n], one thread for bx columns and by rows. */
const product = (m: number, n: number, k: number, [bx, by]: readonly [number, number]): KernelSource => {
  const columns = Array.from({ length: bx }, (_, i) => i)
  const rows = Array.from({ length: by }, (_, j) => j)
  const sums = rows.flatMap((j) => columns.map((i) => `s${j}_${i}`))
  const source = [
    'function (a0, a1) {',
    ...columns.map((i) => `const x${i} = this.thread.x * ${bx} + ${i};`),
    ...rows.map((j) => `const r${j} = (this.thread.y * ${by} + ${j}) * ${k};`),
    ...sums.map((s) => `let ${s} = 0.0;`),
    `for (let k = 0; k < ${k}; k++) {`,
    ...rows.map((j) => `const p${j} = a0[r${j} + k];`),
    ...columns.map((i) => `const q${i} = a1[k * ${n} + x${i}];`),
    ...rows.flatMap((j) => columns.map((i) => `s${j}_${i} += p${j} * q${i};`)),
    '}',
    sums.length === 1 ? `return ${sums[0]};` : `return [${sums.join(', ')}];`,
    '}',
  ].join('\n')
  return kernel(source, [m * k, k * n], [n, m], { name: `product ${bx}x${by}`, block: [bx, by] })
}

const productOf = (m: number, n: number, k: number, a: Float32Array, b: Float32Array): ReadonlyArray<number> =>
  Array.from({ length: m * n }, (_, at) =>
    Array.from({ length: k }, (_, i) => (a[Math.floor(at / n) * k + i] ?? NaN) * (b[i * n + (at % n)] ?? NaN)).reduce((s, v) => s + v, 0),
  )

const integer = (name: string, source: string, inputs: number): HelperSource => ({
  name,
  source,
  argumentTypes: Array.from({ length: inputs }, () => 'Integer' as const),
  returnType: 'Integer',
})

const suite = (mode: Mode): void => {
  let engine: Engine
  const opening: Engine[] = []
  beforeAll(async () => {
    const found = await opened(mode)
    if ('_tag' in found) throw new Error(found.found)
    engine = found
    opening.push(found)
  })
  afterAll(() => {
    opening.forEach((e) => {
      e.dispose()
    })
  })

  it('computes elementwise, at any length', async () => {
    for (const length of [1, 3, 4, 7, 64, 1001]) {
      const x = numbers(length)
      const k = kernel(
        'function (a0) { const v = a0[this.thread.x]; return v > 0 ? Math.exp(v) : Math.tanh(v) - Math.sqrt(Math.abs(v)); }',
        [length],
        [length],
      )
      expectClose(
        await runOnce(engine, k, [x]),
        x.map((v) => (v > 0 ? Math.exp(v) : Math.tanh(v) - Math.sqrt(Math.abs(v)))),
        2e-6,
      )
    }
  })

  it('computes exp, log and tanh over their whole range', async () => {
    const x = Float32Array.from({ length: 4001 }, (_, n) => (n - 2000) / 25)
    const k = (f: string): KernelSource => kernel(`function (a0) { return ${f}; }`, [x.length], [x.length])
    const exp = await runOnce(engine, k('Math.exp(a0[this.thread.x])'), [x])
    expectClose(
      exp.map((v, n) => v / Math.exp(x[n] ?? 0)),
      x.map(() => 1),
      1e-5,
    )
    expectClose(
      await runOnce(engine, k('Math.log(Math.abs(a0[this.thread.x]) + 0.001)'), [x]),
      x.map((v) => Math.log(Math.abs(v) + 0.001)),
      1e-5,
    )
    expectClose(await runOnce(engine, k('Math.tanh(a0[this.thread.x])'), [x]), x.map(Math.tanh), 1e-6)
  })

  it('reads neighbours, transposed rows and constants through flat arrays of three extents', async () => {
    const [X, Y, Z] = [10, 6, 3]
    const a = numbers(X * Y * Z)
    const b = numbers(X, 2)
    const source = `function (a0, a1) {
      const row = (this.thread.z * ${Y} + this.thread.y) * ${X};
      const other = (this.thread.z * ${Y} + (${Y - 1} - this.thread.y)) * ${X} + (${X - 1} - this.thread.x);
      return a0[row + this.thread.x] * a1[this.thread.x] + 2 * a0[other] + a1[this.thread.y];
    }`
    const wanted = a.map((v, n) => {
      const [x, y, z] = [n % X, Math.floor(n / X) % Y, Math.floor(n / X / Y)]
      return v * (b[x] ?? NaN) + 2 * (a[(z * Y + Y - 1 - y) * X + X - 1 - x] ?? NaN) + (b[y] ?? NaN)
    })
    expectClose(await runOnce(engine, kernel(source, [a.length, b.length], [X, Y, Z]), [a, b]), wanted, 1e-6)
  })

  it('multiplies matrices in blocks of any shape, ragged edges included', async () => {
    const [m, n, k] = [13, 22, 9]
    const [a, b] = [numbers(m * k), numbers(k * n, 2)]
    const wanted = productOf(m, n, k, a, b)
    for (const block of [
      [1, 1],
      [4, 1],
      [1, 4],
      [4, 4],
      [1, 8],
      [3, 2],
    ] as const) {
      expectClose(await runOnce(engine, product(m, n, k, block), [a, b]), wanted, 1e-5)
    }
    expectClose(await runOnce(engine, product(m, n, k, engine.limits.matmulBlock), [a, b]), wanted, 1e-5)
  })

  it('splits large products over cores without a seam', async () => {
    const [m, n, k] = [130, 257, 32]
    const [a, b] = [numbers(m * k), numbers(k * n, 2)]
    expectClose(await runOnce(engine, product(m, n, k, engine.limits.matmulBlock), [a, b]), productOf(m, n, k, a, b), 1e-4)
  })

  it('reads a guarded array inside the guard only', async () => {
    const x = numbers(40)
    const source = `function (a0) {
      const far = this.thread.x * 100000000;
      const guarded = this.thread.x < 1 ? a0[far] : a0[this.thread.x - 1];
      if (this.thread.x > 100) { return a0[far]; }
      return guarded;
    }`
    for (const length of [3, 12]) {
      expectClose(
        await runOnce(engine, kernel(source, [40], [length]), [x]),
        x.slice(0, length).map((_, n) => x[Math.max(n - 1, 0)] ?? NaN),
        0,
      )
    }
  })

  it('calls helpers, which call helpers', async () => {
    const x = numbers(50)
    const square: HelperSource = {
      name: 'square',
      source: 'function square(v) { return v * v; }',
      argumentTypes: ['Float'],
      returnType: 'Float',
    }
    const clip: HelperSource = {
      name: 'clip',
      source: 'function clip(v, n) { const t = square(v); if (t > 0.25) { return 0.25 * n; } return t * n; }',
      argumentTypes: ['Float', 'Integer'],
      returnType: 'Float',
    }
    const k = kernel('function (a0) { const t = clip(a0[this.thread.x], 3); return t + square(t); }', [50], [50], {
      helpers: [square, clip],
    })
    const t = (v: number): number => Math.min(v * v, 0.25) * 3
    expectClose(
      await runOnce(engine, k, [x]),
      x.map((v) => t(v) + t(v) ** 2),
      1e-6,
    )
  })

  it('reads at indices that helpers give, equal or different among neighbours', async () => {
    const x = numbers(64)
    const half = integer('half', 'function half(i) { return (i / 2) | 0; }', 1)
    const source = `function (a0) {
      const row = half(this.thread.y) * 8;
      let s = 0.0;
      for (let k = 0; k < 4; k++) { if (half(k) > 0) { s += a0[row + half(k) + this.thread.x]; } }
      return s + a0[half(this.thread.x) + half(this.thread.y)] + a0[half(this.thread.y)];
    }`
    const at = (n: number): number => x[n] ?? NaN
    const wanted = Array.from({ length: 35 }, (_, n) => {
      const [column, row] = [n % 7, Math.floor(n / 14)]
      return 2 * at(row * 8 + 1 + column) + at(Math.floor(column / 2) + row) + at(row)
    })
    expectClose(await runOnce(engine, kernel(source, [64], [7, 5], { helpers: [half] }), [x]), wanted, 1e-6)
  })

  it('keeps integers exact beyond 2^24', async () => {
    const base = 2 ** 24 + 65
    const inputs = [numbers(40)]
    const at = (f: (i: number) => number): Float32Array => Float32Array.from({ length: 40 }, (_, x) => f(base + x))
    const cases: ReadonlyArray<readonly [string, Float32Array]> = [
      [`const i = ${base} + this.thread.x; return i & 255;`, at((i) => i & 255)],
      [`const i = ${base} + this.thread.x; return (i % 7) | 0;`, at((i) => i % 7)],
      [`const i = ${base} + this.thread.x; const q = (i / 7) | 0; return q & 1023;`, at((i) => Math.floor(i / 7) & 1023)],
      [`const i = (0 - ${base}) - this.thread.x; return (i % 768) | 0;`, at((i) => -i % 768)],
      [
        `let i = ${base} | 0; for (let k = 0; k < 5; k++) { i = (i + this.thread.x) | 0; } return i & 255;`,
        at((i) => (base + 5 * (i - base)) & 255),
      ],
    ]
    for (const [body, wanted] of cases) {
      expectClose(await runOnce(engine, kernel(`function (a0) { ${body} }`, [40], [40]), inputs), wanted, 0)
    }
  })

  it('rotates, shifts and wraps 32-bit integers, in a helper and in line', async () => {
    const round = (a: number, b: number): number => {
      const sum = (a + b) | 0
      return ((b << 13) | (b >>> 19)) ^ sum
    }
    const wanted = Float32Array.from({ length: 33 }, (_, x) => round(round(x * 77777777, 466688986), x) >>> 8)
    const helpers = [integer('round', 'function round(a, b) { const s = (a + b) | 0; return ((b << 13) | (b >>> 19)) ^ s; }', 2)]
    const called = 'function (a0) { return round(round((this.thread.x * 77777777) | 0, 466688986), this.thread.x) >>> 8; }'
    const inline = `function (a0) {
      const a = (this.thread.x * 77777777) | 0; const b = 466688986 | 0; const s = (a + b) | 0;
      const c = ((b << 13) | (b >>> 19)) ^ s; const t = (c + this.thread.x) | 0; const d = this.thread.x | 0;
      return (((d << 13) | (d >>> 19)) ^ t) >>> 8;
    }`
    expectClose(await runOnce(engine, kernel(called, [1], [33], { helpers }), [numbers(1)]), wanted, 0)
    expectClose(await runOnce(engine, kernel(inline, [1], [33]), [numbers(1)]), wanted, 0)
  })

  it('runs more than a thousand rounds of a loop, and branches that differ between neighbours', async () => {
    const source = `function (a0) {
      if (this.thread.x < 5) { return -1; }
      let s = 0.0;
      for (let k = 0; k < 5000; k++) { if (a0[this.thread.x] > 0) { s += 1; } else { s -= 2; } }
      return s;
    }`
    const x = numbers(21)
    expectClose(
      await runOnce(engine, kernel(source, [21], [21]), [x]),
      x.map((v, n) => (n < 5 ? -1 : v > 0 ? 5000 : -10000)),
      0,
    )
  })

  it('lets infinities and NaN through', async () => {
    const x = Float32Array.of(NaN, Infinity, -Infinity, 0, 1)
    const k = kernel('function (a0) { const v = a0[this.thread.x]; return (v <= 0 || v > 0) ? 0 : 1; }', [5], [5])
    expectClose(await runOnce(engine, k, [x]), [1, 0, 0, 0, 0], 0)
    expect(Array.from(await runOnce(engine, kernel('function (a0) { return a0[this.thread.x]; }', [5], [5]), [x]))).toEqual(Array.from(x))
  })

  it('runs a chain again and again over slots that it reuses, with inputs that change', async () => {
    const length = 500
    const set = await compiled(engine, [
      kernel('function (a0, a1) { return a0[this.thread.x] + a1[this.thread.x]; }', [length, length], [length]),
      kernel('function (a0) { return 0.5 * a0[this.thread.x]; }', [length], [length]),
    ])
    const [input, state, next] = [engine.slot(length), engine.slot(length), engine.slot(length)]
    const program = set.program([
      { kernel: 0, args: [input, state], out: next },
      { kernel: 1, args: [next], out: state },
      { kernel: 0, args: [state, state], out: next },
      { kernel: 1, args: [next], out: state },
    ])
    const wanted = new Float32Array(length)
    for (const seed of [1, 2, 3]) {
      const x = numbers(length, seed)
      engine.write(input, x)
      await program.run()
      wanted.forEach((v, n) => void (wanted[n] = 0.5 * (v + (x[n] ?? NaN))))
      expectClose(await engine.read(state), wanted, 1e-6)
    }
  })

  it('keeps kernels apart that differ in one thing', async () => {
    const x = numbers(96)
    const row = (more: Partial<KernelSource> & { readonly body?: string; readonly helper?: Partial<HelperSource> }): KernelSource => {
      const { body = 's += twice(a0[24 * this.thread.y + 3 * k + this.thread.x + 5]);', helper, ...rest } = more
      const twice: HelperSource = {
        name: 'twice',
        source: 'function twice(v) { return 2 * v; }',
        argumentTypes: ['Float'],
        returnType: 'Float',
        ...helper,
      }
      const source = `function (a0) { let s = 0.0; for (let k = 0; k < 4; k++) { ${body} } return s; }`
      return kernel(source, [96], [6, 2], { helpers: [twice], ...rest })
    }
    /** What `row` computes: the bound, strides, offset, factor, and extents of the output. */
    const wanted = (bound = 4, far = 24, near = 3, offset = 5, factor = 2, [width, height] = [6, 2]): ReadonlyArray<number> =>
      Array.from({ length: width * height }, (_, n) =>
        Array.from({ length: bound }, (_, k) => k).reduce(
          (s, k) => s + factor * (x[far * Math.floor(n / width) + near * k + (n % width) + offset] ?? NaN),
          0,
        ),
      )
    const read = (at: string): string => `s += twice(a0[${at}]);`
    const pairs = (first: string, second: string): KernelSource =>
      kernel(`function (a0) { const v = a0[this.thread.x * 2 + 1]; return [${first}, ${second}]; }`, [96], [11], { block: [2, 1] })
    const cases: ReadonlyArray<readonly [KernelSource, ReadonlyArray<number>]> = [
      [row({}), wanted()],
      [{ ...row({}), source: row({}).source.replace('k < 4', 'k < 5') }, wanted(5)],
      [{ ...row({}), source: row({}).source.replace('k < 4', 'k < 1') }, wanted(1)],
      [row({ body: read('36 * this.thread.y + 3 * k + this.thread.x + 5') }), wanted(4, 36)],
      [row({ body: read('24 * this.thread.y + 7 * k + this.thread.x + 5') }), wanted(4, 24, 7)],
      [row({ body: read('24 * this.thread.y + 3 * k + this.thread.x + 6') }), wanted(4, 24, 3, 6)],
      [row({ helper: { source: 'function twice(v) { return 2.5 * v; }' } }), wanted(4, 24, 3, 5, 2.5)],
      [row({ output: [7, 2] }), wanted(4, 24, 3, 5, 2, [7, 2])],
      [row({ output: [6, 3] }), wanted(4, 24, 3, 5, 2, [6, 3])],
      [row({ output: [2, 6], args: [96] }), wanted(4, 24, 3, 5, 2, [2, 6]).map((v, n) => (n < 8 ? v : NaN))],
      [pairs('v', '0 - v'), Array.from({ length: 11 }, (_, n) => (n % 2 === 0 ? 1 : -1) * (x[n - (n % 2) + 1] ?? NaN))],
      [pairs('0 - v', 'v'), Array.from({ length: 11 }, (_, n) => (n % 2 === 0 ? -1 : 1) * (x[n - (n % 2) + 1] ?? NaN))],
    ]
    const kernels = cases.map(([k]) => k)
    expect(new Set(kernels.map(kernelKey)).size).toBe(kernels.length)
    const set = await compiled(engine, kernels)
    const outs = cases.map(([, values]) => engine.slot(values.length))
    const input = filled(engine, x)
    // one program for all, so that the sizes of one launch cannot pass for those of the next
    await set.program(outs.map((out, n) => ({ kernel: n, args: [input], out }))).run()
    for (const [n, [, values]] of cases.entries()) {
      const known = (await engine.read(outs[n])).map((v, at) => (Number.isNaN(values[at]) ? 0 : v))
      expectClose(
        known,
        values.map((v) => (Number.isNaN(v) ? 0 : v)),
        1e-5,
      )
    }
  })

  it('has another key for anything that a kernel is, but its name', () => {
    const helper = integer('half', 'function half(i) { return (i / 2) | 0; }', 1)
    const base = kernel('function (a0) { return a0[half(this.thread.x)]; }', [8], [8], { helpers: [helper] })
    const others: ReadonlyArray<KernelSource> = [
      { ...base, source: base.source.replace('a0[half', '-a0[half') },
      { ...base, args: [9] },
      { ...base, args: [8, 8] },
      { ...base, output: [9] },
      { ...base, output: [8, 1] },
      { ...base, output: [4, 2] },
      { ...base, output: [2, 4] },
      { ...base, block: [2, 1] },
      { ...base, block: [1, 2] },
      { ...base, helpers: [] },
      { ...base, helpers: [{ ...helper, source: helper.source.replace('2', '3') }] },
      { ...base, helpers: [{ ...helper, returnType: 'Float' }] },
      { ...base, helpers: [{ ...helper, argumentTypes: ['Float'] }] },
      { ...base, helpers: [helper, integer('more', 'function more(i) { return i; }', 1)] },
    ]
    expect(new Set([base, ...others].map(kernelKey)).size).toBe(others.length + 1)
    expect(kernelKey({ ...base, name: 'another' })).toBe(kernelKey(base))
  })

  it('stops between two kernels when it is asked to, and compiles all of them later', async () => {
    const kernels = Array.from({ length: 40 }, (_, n) => kernel(`function (a0) { return a0[this.thread.x] * ${n}.5; }`, [4], [4]))
    const seen = { done: 0 }
    const result = await engine.compile(
      kernels,
      (done) => {
        seen.done = done
      },
      () => seen.done >= 10,
    )()
    if (isRight(result)) throw new Error('was compiled')
    expect(result.left.found).toMatch(/a request to stop after 1\d of 40 kernels/)
    expect(seen.done).toBeLessThan(30)
    expect((await compiled(engine, kernels)).program([]).run()).toBeInstanceOf(Promise)
  })

  it('compiles a text once and reports progress for each', async () => {
    const k = kernel('function (a0) { return a0[this.thread.x] + 1; }', [8], [8])
    const seen: number[] = []
    const result = await engine.compile([k, k, { ...k, name: 'another name' }], (done) => seen.push(done))()
    expect(isRight(result)).toBe(true)
    expect(seen).toEqual([1, 2, 3])
  })

  it('explains kernels and launches that are wrong', async () => {
    const faultOf = async (k: KernelSource): Promise<Fault> => {
      const result = await engine.compile([k])()
      if (isRight(result)) throw new Error('was compiled')
      return result.left
    }
    expect((await faultOf(kernel('function (a0) { return nothing(a0[this.thread.x]); }', [4], [4]))).place).toContain('kernel test')
    expect((await faultOf(kernel('function (a0) { return Math.nothing(a0[this.thread.x]); }', [4], [4]))).remedy).toContain('Math.nothing')
    expect((await faultOf(kernel('function (a0) { return [1, 2, 3]; }', [4], [4], { block: [2, 1] }))).found).toContain('3 values')
    expect((await faultOf(kernel('function (a0) { return 1; }', [4], [0]))).found).toContain('positive')
    const set = await compiled(engine, [kernel('function (a0) { return a0[this.thread.x]; }', [8], [8])])
    const [small, large, other] = [engine.slot(4), engine.slot(8), engine.slot(8)]
    const launch =
      (args: ReadonlyArray<typeof small>, out: typeof small, n = 0) =>
      (): unknown =>
        set.program([{ kernel: n, args, out }])
    expect(launch([small], large)).toThrow(expect.objectContaining({ _tag: 'Fault', found: 'argument a0 has 4 floats' }))
    expect(launch([large], small)).toThrow(expect.objectContaining({ found: 'the out slot has 4 floats' }))
    expect(launch([large], large)).toThrow(expect.objectContaining({ found: 'an out slot that is an argument, too' }))
    expect(launch([], large)).toThrow(expect.objectContaining({ found: '0 arguments' }))
    expect(launch([large], other, 3)).toThrow(expect.objectContaining({ found: 'kernel 3' }))
    const stranger = { length: 8 }
    await expect(async () => engine.read(stranger)).rejects.toThrow(expect.objectContaining({ found: 'a slot of another engine' }))
    expect(() => {
      engine.write(small, numbers(5))
    }).toThrow(expect.objectContaining({ found: '5 floats for a slot of 4' }))
    expect(launch([stranger], other)).toThrow(expect.objectContaining({ found: 'argument a0 is a slot of another engine' }))
  })
}

/** The shader of a kernel. */
const shaderOf = (k: KernelSource): ReturnType<typeof wgsl> => {
  const grid = gridOf(k)
  if (typeof grid === 'string') throw new Error(grid)
  return wgsl(k, grid)
}

describe('the shaders of kernels', () => {
  it('are one for kernels that differ in sizes alone, which each has for itself', () => {
    for (const block of [
      [1, 1],
      [4, 4],
      [4, 1],
    ] as const) {
      const shaders = [product(40, 22, 9, block), product(130, 257, 32, block), product(64, 16, 768, block)].map(shaderOf)
      expect(new Set(shaders.map((s) => s.code)).size).toBe(1)
      expect(new Set(shaders.map((s) => s.parameters.join())).size).toBe(shaders.length)
    }
  })
  it('are others where more than a size differs', () => {
    const one = (value: string): KernelSource => kernel(`function (a0) { const i = this.thread.x; return ${value}; }`, [64], [8])
    const values = [
      'a0[i]',
      'a0[i] * 2',
      'a0[i] * 2.5',
      'a0[i] - 2',
      'a0[i + 3]',
      'a0[3 * i]',
      'a0[i - 3]',
      'i >> 3',
      'i >> 2',
      'i & 3',
      '(i / 3) | 0',
      '(i / 5) | 0',
      '(i % 3) | 0',
    ]
    expect(new Set(values.map((v) => shaderOf(one(v)).code)).size).toBe(values.length)
  })
  it('hold no size in their text', () => {
    expect(shaderOf(product(1009, 2003, 4001, [4, 4])).code).not.toMatch(/1009|2003|4001|\b25[23]\b|\b50[01]\b/)
  })
})

describe("gpu.js's inner files", () => {
  it('are those of the version that is pinned, and one file names them', () => {
    const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
    const pinned = /"gpu\.js": "(\d+\.\d+\.\d+)"/.exec(text('package.json'))?.[1]
    expect(text('node_modules/gpu.js/package.json')).toContain(`"version": "${pinned ?? ''}"`)
    const folder = 'compiler/targets/gpujs'
    const naming = readdirSync(new URL(`../../${folder}`, import.meta.url)).filter(
      (name) => /\.ts$/.test(name) && text(`${folder}/${name}`).includes("from 'gpu.js/src"),
    )
    expect(naming).toEqual(['gpujs.d.ts', 'inside.ts'])
  })
})

describe('gpu.js engine, cpu', () => {
  suite('cpu')
})
describe('gpu.js engine, webasm', () => {
  suite('webasm')
})

const adapter = await opened('webgpu')
const reason = '_tag' in adapter ? adapter.found : null
if (!('_tag' in adapter)) adapter.dispose()
if (reason !== null) process.stderr.write(`webgpu engine not tested: ${reason}\n`)
describe.skipIf(reason !== null && isOptional('gpujs:webgpu'))('gpu.js engine, webgpu', () => {
  suite('webgpu')
})

describe('gpu.js engine, headlessgl', () => {
  it('runs, or says which package is missing', async () => {
    const engine = await opened('headlessgl')
    if ('_tag' in engine) expect(engine.remedy).toContain('npm install gpu.js@2.24.1 gl@8.1.6')
    else engine.dispose()
  })
})
