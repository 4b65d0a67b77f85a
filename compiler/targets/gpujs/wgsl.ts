/** Translates a kernel to WGSL. */
import { WebGPUKernel } from './inside.ts'
import type { Grid, KernelSource } from './kernel.ts'
import { type Sizes, openSizes } from './sizes.ts'
import { loopMax, translate } from './syntax.ts'
import { wgslNode } from './wgsl-node.ts'

/** A kernel's shader, what it reads of the sizes of this kernel, and how many workgroups run it. */
export interface Wgsl {
  readonly code: string
  /** The contents of the shader's uniform buffer. All zeros in its place make every thread end at once. */
  readonly parameters: Uint32Array
  readonly workgroups: readonly [number, number, number]
}

/** The binding of gpu.js's uniform buffer. */
export const parametersBinding = 0

/** The binding of the first argument; the others follow in order, then the output. */
export const firstBinding = 1

/** The most workgroups along one dimension that every WebGPU device grants. */
const maxWorkgroups = 65535

/** Translates a kernel; throws what gpu.js says about a kernel outside of its language. */
export const wgsl = (k: KernelSource, grid: Grid): Wgsl => {
  const sizes = openSizes()
  /** gpu.js's kernel up to the text of its shader; it never gets to see a device. */
  class Translation extends WebGPUKernel {
    override translateSource(): void {
      const prototypes = translate(k, grid, wgslNode(grid, sizes)).getPrototypes('kernel')
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
  // as gpu.js lays them out: extents of the grid, the width that long rows fold at, a vector for each array, then ours
  const parameters = Uint32Array.from([
    ...grid.threads,
    columns * wx,
    ...k.args.flatMap((length) => [length, 1, 1, length]),
    ...sizes.values(),
  ])
  return { code: shader(translation.compiledSource, sizes, [wx, wy, wz]), parameters, workgroups }
}

/** Threads of a workgroup: 64, square where the grid is. */
const workgroup = ({ rank, threads }: Grid): readonly [number, number, number] => {
  if (rank === 1) return [64, 1, 1]
  const rows = [1, 2, 4].find((n) => threads[1] <= n) ?? 8
  return [64 / rows, rows, 1]
}

/** gpu.js's shader with our workgroup, and with our sizes behind its own parameters. */
const shader = (text: string, sizes: Sizes, group: ReadonlyArray<number>): string => {
  const swap = (from: RegExp, to: string, within: string): string => {
    if (!from.test(within)) throw new Error(`gpu.js's shader has no ${from.source}; is it the version that package.json pins?`)
    return within.replace(from, to)
  }
  const withSizes = swap(/struct Params \{\n[^}]*/, `$&${sizes.member()}`, text)
  return swap(/@workgroup_size\(\d+, \d+, \d+\)/, `@workgroup_size(${group.join(', ')})`, withSizes)
}
