/** Programs of the gpu.js engines: slots, keys of kernels, stopping, progress, and what is wrong explained. */
import { isRight } from 'fp-ts/lib/Either.js'
import { expect, it } from 'vitest'
import type { Fault } from '../../core/fault.ts'
import type { HelperSource, KernelSource } from '../../compiler/targets/gpujs/kernel.ts'
import { kernelKey } from '../../compiler/targets/gpujs/kernel.ts'
import { everyMode, kernel, numbers, compiled, filled, expectClose, integer } from './engines.ts'

everyMode((engine) => {
  it('runs a chain again and again over slots that it reuses, with inputs that change', async () => {
    const length = 500
    const set = await compiled(engine(), [
      kernel('function (a0, a1) { return a0[this.thread.x] + a1[this.thread.x]; }', [length, length], [length]),
      kernel('function (a0) { return 0.5 * a0[this.thread.x]; }', [length], [length]),
    ])
    const [input, state, next] = [engine().slot(length), engine().slot(length), engine().slot(length)]
    const program = set.program([
      { kernel: 0, args: [input, state], out: next },
      { kernel: 1, args: [next], out: state },
      { kernel: 0, args: [state, state], out: next },
      { kernel: 1, args: [next], out: state },
    ])
    const wanted = new Float32Array(length)
    for (const seed of [1, 2, 3]) {
      const x = numbers(length, seed)
      engine().write(input, x)
      await program.run()
      wanted.forEach((v, n) => void (wanted[n] = 0.5 * (v + (x[n] ?? NaN))))
      expectClose(await engine().read(state), wanted, 1e-6)
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
    const set = await compiled(engine(), kernels)
    const outs = cases.map(([, values]) => engine().slot(values.length))
    const input = filled(engine(), x)
    // one program for all, so that the sizes of one launch cannot pass for those of the next
    await set.program(outs.map((out, n) => ({ kernel: n, args: [input], out }))).run()
    for (const [n, [, values]] of cases.entries()) {
      const known = (await engine().read(outs[n])).map((v, at) => (Number.isNaN(values[at]) ? 0 : v))
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
    const result = await engine().compile(
      kernels,
      (done) => {
        seen.done = done
      },
      () => seen.done >= 10,
    )()
    if (isRight(result)) throw new Error('was compiled')
    expect(result.left.found).toMatch(/a request to stop after 1\d of 40 kernels/)
    expect(seen.done).toBeLessThan(30)
    expect((await compiled(engine(), kernels)).program([]).run()).toBeInstanceOf(Promise)
  })

  it('compiles a text once and reports progress for each', async () => {
    const k = kernel('function (a0) { return a0[this.thread.x] + 1; }', [8], [8])
    const seen: number[] = []
    const result = await engine().compile([k, k, { ...k, name: 'another name' }], (done) => seen.push(done))()
    expect(isRight(result)).toBe(true)
    expect(seen).toEqual([1, 2, 3])
  })

  it('explains kernels and launches that are wrong', async () => {
    const faultOf = async (k: KernelSource): Promise<Fault> => {
      const result = await engine().compile([k])()
      if (isRight(result)) throw new Error('was compiled')
      return result.left
    }
    expect((await faultOf(kernel('function (a0) { return nothing(a0[this.thread.x]); }', [4], [4]))).place).toContain('kernel test')
    expect((await faultOf(kernel('function (a0) { return Math.nothing(a0[this.thread.x]); }', [4], [4]))).remedy).toContain('Math.nothing')
    expect((await faultOf(kernel('function (a0) { return [1, 2, 3]; }', [4], [4], { block: [2, 1] }))).found).toContain('3 values')
    expect((await faultOf(kernel('function (a0) { return 1; }', [4], [0]))).found).toContain('positive')
    const set = await compiled(engine(), [kernel('function (a0) { return a0[this.thread.x]; }', [8], [8])])
    const [small, large, other] = [engine().slot(4), engine().slot(8), engine().slot(8)]
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
    await expect(async () => engine().read(stranger)).rejects.toThrow(expect.objectContaining({ found: 'a slot of another engine' }))
    expect(() => {
      engine().write(small, numbers(5))
    }).toThrow(expect.objectContaining({ found: '5 floats for a slot of 4' }))
    expect(launch([stranger], other)).toThrow(expect.objectContaining({ found: 'argument a0 is a slot of another engine' }))
  })
})
