/** Kernels for the gpu.js engines, and what runs them in every mode that the machine has. */
import { isLeft, isRight } from 'fp-ts/lib/Either.js'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import type { Fault } from '../../core/fault.ts'
import type { CompiledSet, Engine, Mode } from '../../compiler/targets/gpujs/engine.ts'
import { openEngine } from '../../compiler/targets/gpujs/engines.ts'
import type { HelperSource, KernelSource } from '../../compiler/targets/gpujs/kernel.ts'
import { isOptional } from '../support/optional.ts'

export const kernel = (
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
export const numbers = (length: number, seed = 1): Float32Array =>
  Float32Array.from({ length }, (_, n) => ((Math.imul(n + seed * 7919, 2654435761) >>> 8) / 2 ** 24) * 2 - 1)

export const opened = async (mode: Mode): Promise<Engine | Fault> => {
  const result = await openEngine(mode)()
  return isRight(result) ? result.right : result.left
}

export const compiled = async (engine: Engine, kernels: ReadonlyArray<KernelSource>): Promise<CompiledSet> => {
  const result = await engine.compile(kernels)()
  if (isLeft(result)) throw new Error(result.left.found)
  return result.right
}

export const filled = (engine: Engine, data: Float32Array): { readonly length: number } => {
  const slot = engine.slot(data.length)
  engine.write(slot, data)
  return slot
}

export const runOnce = async (engine: Engine, k: KernelSource, inputs: ReadonlyArray<Float32Array>): Promise<Float32Array> => {
  const out = engine.slot(k.output.reduce((a, b) => a * b, 1))
  const set = await compiled(engine, [k])
  await set.program([{ kernel: 0, args: inputs.map((data) => filled(engine, data)), out }]).run()
  return engine.read(out)
}

export const expectClose = (found: Float32Array, wanted: ArrayLike<number>, tolerance: number): void => {
  expect(found.length).toBe(wanted.length)
  const worst = Array.from(found).reduce((w, v, n) => {
    const error = Math.abs(v - (wanted[n] ?? NaN))
    return Number.isNaN(error) || error > w ? error : w
  }, 0)
  expect(worst).toBeLessThanOrEqual(tolerance)
}

/** C[m, n] = A[m, k] B[k, n], one thread for bx columns and by rows. */
export const product = (m: number, n: number, k: number, [bx, by]: readonly [number, number]): KernelSource => {
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

export const productOf = (m: number, n: number, k: number, a: Float32Array, b: Float32Array): ReadonlyArray<number> =>
  Array.from({ length: m * n }, (_, at) =>
    Array.from({ length: k }, (_, i) => (a[Math.floor(at / n) * k + i] ?? NaN) * (b[i * n + (at % n)] ?? NaN)).reduce((s, v) => s + v, 0),
  )

export const integer = (name: string, source: string, inputs: number): HelperSource => ({
  name,
  source,
  argumentTypes: Array.from({ length: inputs }, () => 'Integer' as const),
  returnType: 'Integer',
})

const inMode = (mode: Mode, suite: (engine: () => Engine) => void): void => {
  const opening: Engine[] = []
  beforeAll(async () => {
    const found = await opened(mode)
    if ('_tag' in found) throw new Error(found.found)
    opening.push(found)
  })
  afterAll(() => {
    opening.forEach((e) => {
      e.dispose()
    })
  })
  suite(() => opening[0])
}

const adapter = await opened('webgpu')
const reason = '_tag' in adapter ? adapter.found : null
if (!('_tag' in adapter)) adapter.dispose()
if (reason !== null) process.stderr.write(`webgpu engine not tested: ${reason}\n`)

/** The suite in every mode; without an adapter, WebGPU is left out where a machine may lack it. */
export const everyMode = (suite: (engine: () => Engine) => void): void => {
  describe('gpu.js engine, cpu', () => {
    inMode('cpu', suite)
  })
  describe('gpu.js engine, webasm', () => {
    inMode('webasm', suite)
  })
  describe.skipIf(reason !== null && isOptional('gpujs:webgpu'))('gpu.js engine, webgpu', () => {
    inMode('webgpu', suite)
  })
}
