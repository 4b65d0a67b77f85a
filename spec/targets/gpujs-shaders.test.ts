/** Shaders of kernels, gpu.js's inner files, and the mode that needs a package more. */
import { readFileSync, readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { KernelSource } from '../../compiler/targets/gpujs/kernel.ts'
import { gridOf } from '../../compiler/targets/gpujs/kernel.ts'
import { wgsl } from '../../compiler/targets/gpujs/wgsl.ts'
import { kernel, opened, product } from './engines.ts'

const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

/** The version of a package that package.json pins. */
const pinned = (name: string): string =>
  new RegExp(`"${name.replace('.', '\\.')}": "(\\d+\\.\\d+\\.\\d+)"`).exec(text('package.json'))?.[1] ?? 'none'

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
    expect(text('node_modules/gpu.js/package.json')).toContain(`"version": "${pinned('gpu.js')}"`)
    const folder = 'compiler/targets/gpujs'
    const naming = readdirSync(new URL(`../../${folder}`, import.meta.url)).filter(
      (name) => /\.ts$/.test(name) && text(`${folder}/${name}`).includes("from 'gpu.js/src"),
    )
    expect(naming).toEqual(['gpujs.d.ts', 'inside.ts'])
  })
})

describe('gpu.js engine, headlessgl', () => {
  it('runs, or says which package is missing', async () => {
    const engine = await opened('headlessgl')
    if ('_tag' in engine) expect(engine.remedy).toContain(`npm install gpu.js@${pinned('gpu.js')} gl@${pinned('gl')}`)
    else engine.dispose()
  })
})
