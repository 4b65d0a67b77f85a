/** The gpu.js engines compute what a kernel's text says: the same in every mode. */
import { expect, it } from 'vitest'
import type { HelperSource, KernelSource } from '../../compiler/targets/gpujs/kernel.ts'
import { everyMode, kernel, numbers, runOnce, expectClose, product, productOf, integer } from './engines.ts'

everyMode((engine) => {
  it('computes elementwise, at any length', async () => {
    for (const length of [1, 3, 4, 7, 64, 1001]) {
      const x = numbers(length)
      const k = kernel(
        'function (a0) { const v = a0[this.thread.x]; return v > 0 ? Math.exp(v) : Math.tanh(v) - Math.sqrt(Math.abs(v)); }',
        [length],
        [length],
      )
      expectClose(
        await runOnce(engine(), k, [x]),
        x.map((v) => (v > 0 ? Math.exp(v) : Math.tanh(v) - Math.sqrt(Math.abs(v)))),
        2e-6,
      )
    }
  })

  it('computes exp, log and tanh over their whole range', async () => {
    const x = Float32Array.from({ length: 4001 }, (_, n) => (n - 2000) / 25)
    const k = (f: string): KernelSource => kernel(`function (a0) { return ${f}; }`, [x.length], [x.length])
    const exp = await runOnce(engine(), k('Math.exp(a0[this.thread.x])'), [x])
    expectClose(
      exp.map((v, n) => v / Math.exp(x[n] ?? 0)),
      x.map(() => 1),
      1e-5,
    )
    expectClose(
      await runOnce(engine(), k('Math.log(Math.abs(a0[this.thread.x]) + 0.001)'), [x]),
      x.map((v) => Math.log(Math.abs(v) + 0.001)),
      1e-5,
    )
    expectClose(await runOnce(engine(), k('Math.tanh(a0[this.thread.x])'), [x]), x.map(Math.tanh), 1e-6)
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
    expectClose(await runOnce(engine(), kernel(source, [a.length, b.length], [X, Y, Z]), [a, b]), wanted, 1e-6)
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
      expectClose(await runOnce(engine(), product(m, n, k, block), [a, b]), wanted, 1e-5)
    }
    expectClose(await runOnce(engine(), product(m, n, k, engine().limits.matmulBlock), [a, b]), wanted, 1e-5)
  })

  it('splits large products over cores without a seam', async () => {
    const [m, n, k] = [130, 257, 32]
    const [a, b] = [numbers(m * k), numbers(k * n, 2)]
    expectClose(await runOnce(engine(), product(m, n, k, engine().limits.matmulBlock), [a, b]), productOf(m, n, k, a, b), 1e-4)
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
        await runOnce(engine(), kernel(source, [40], [length]), [x]),
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
      await runOnce(engine(), k, [x]),
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
    expectClose(await runOnce(engine(), kernel(source, [64], [7, 5], { helpers: [half] }), [x]), wanted, 1e-6)
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
      expectClose(await runOnce(engine(), kernel(`function (a0) { ${body} }`, [40], [40]), inputs), wanted, 0)
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
    expectClose(await runOnce(engine(), kernel(called, [1], [33], { helpers }), [numbers(1)]), wanted, 0)
    expectClose(await runOnce(engine(), kernel(inline, [1], [33]), [numbers(1)]), wanted, 0)
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
      await runOnce(engine(), kernel(source, [21], [21]), [x]),
      x.map((v, n) => (n < 5 ? -1 : v > 0 ? 5000 : -10000)),
      0,
    )
  })

  it('lets infinities and NaN through', async () => {
    const x = Float32Array.of(NaN, Infinity, -Infinity, 0, 1)
    const k = kernel('function (a0) { const v = a0[this.thread.x]; return (v <= 0 || v > 0) ? 0 : 1; }', [5], [5])
    expectClose(await runOnce(engine(), k, [x]), [1, 0, 0, 0, 0], 0)
    expect(Array.from(await runOnce(engine(), kernel('function (a0) { return a0[this.thread.x]; }', [5], [5]), [x]))).toEqual(Array.from(x))
  })
})
