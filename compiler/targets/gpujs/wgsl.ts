/** Translates a kernel to WGSL. */
import { WebGPUKernel } from 'gpu.js/src/backend/web-gpu/kernel.js'
import type { Grid, KernelSource } from './kernel.ts'
import { loopMax, translate } from './syntax.ts'
import { wgslNode } from './wgsl-node.ts'

/** A kernel's shader and how many workgroups run it. */
export interface Wgsl {
  readonly code: string
  readonly workgroups: readonly [number, number, number]
}

/** The binding of the first argument; the others follow in order, then the output. gpu.js has its uniform buffer at 0. */
export const firstBinding = 1

/** The most workgroups along one dimension that every WebGPU device grants. */
const maxWorkgroups = 65535

/** Translates a kernel; throws what gpu.js says about a kernel outside of its language. */
export const wgsl = (k: KernelSource, grid: Grid): Wgsl => {
  /** gpu.js's kernel up to the text of its shader; it never gets to see a device. */
  class Translation extends WebGPUKernel {
    override translateSource(): void {
      const prototypes = translate(k, grid, wgslNode(grid)).getPrototypes('kernel')
      this.translatedBody = prototypes.at(-1) ?? ''
      this.translatedFunctions = prototypes.slice(0, -1).join('\n')
      this.returnType = 'Number'
      this.componentCount = 1
    }

    override async _buildAsync(): Promise<void> {
      // The text is all that is wanted of the build.
    }
  }
  const translation = new Translation(k.source, {
    output: grid.threads.slice(0, grid.rank),
    argumentTypes: k.args.map(() => 'Array'),
    loopMaxIterations: loopMax,
  })
  void translation.build(...k.args.map(() => new Float32Array(1)))
  const [wx, wy, wz] = workgroup(grid)
  const [x, y, z] = grid.threads
  const across = Math.ceil(x / wx)
  // A long row of threads folds into several rows of workgroups, which gpu.js's shader undoes.
  const folds = grid.rank === 1 ? Math.ceil(across / maxWorkgroups) : 1
  const columns = Math.ceil(across / folds)
  const workgroups = [columns, grid.rank === 1 ? folds : Math.ceil(y / wy), Math.ceil(z / wz)] as const
  if (workgroups.some((n) => n > maxWorkgroups)) {
    throw new Error(`the output needs ${workgroups.join(' x ')} workgroups, a device has ${maxWorkgroups} in each direction`)
  }
  return { code: shader(translation.compiledSource, k, grid, [wx, wy, wz], columns * wx), workgroups }
}

/** Threads of a workgroup: 64, square where the grid is. */
const workgroup = ({ rank, threads }: Grid): readonly [number, number, number] => {
  if (rank === 1) return [64, 1, 1]
  const rows = [1, 2, 4].find((n) => threads[1] <= n) ?? 8
  return [64 / rows, rows, 1]
}

/** gpu.js's shader with our workgroup, and with extents as constants where gpu.js reads a uniform buffer. */
const shader = (text: string, k: KernelSource, { threads }: Grid, group: ReadonlyArray<number>, columns: number): string => {
  const swap = (from: RegExp, to: string, within: string): string => {
    if (!from.test(within)) throw new Error(`gpu.js's shader has no ${from.source}; is it version 2.24.1?`)
    return within.replace(from, to)
  }
  const extents = [...threads, columns].map((n) => `${n}u`)
  const dims = k.args.map((length) => `vec4<u32>(${length}u, 1u, 1u, ${length}u)`)
  const constant = `const params : Params = Params(${[...extents, ...dims].join(', ')});`
  const withConstants = swap(/@group\(0\) @binding\(0\) var<uniform> params : Params;/, constant, text)
  return swap(/@workgroup_size\(\d+, \d+, \d+\)/, `@workgroup_size(${group.join(', ')})`, withConstants)
}
