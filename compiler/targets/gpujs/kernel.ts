/** What the engine compiles: one gpu.js kernel over flat arrays, and the grid of threads that its output asks for. */

/** A function of numbers that kernels may call. It sees its parameters and other helpers, no arrays and no `this.thread`. */
export interface HelperSource {
  readonly name: string
  /** The function's text in gpu.js's language. */
  readonly source: string
  readonly argumentTypes: ReadonlyArray<'Integer' | 'Float'>
  readonly returnType: 'Integer' | 'Float'
}

/** One gpu.js kernel. */
export interface KernelSource {
  readonly name: string
  /** The kernel function's text in gpu.js's language, with parameters a0, a1, … that are flat arrays. */
  readonly source: string
  readonly helpers: ReadonlyArray<HelperSource>
  /** The length in floats of each array argument. */
  readonly args: ReadonlyArray<number>
  /** Extents [x], [x, y] or [x, y, z] of the output, x fastest: element (x, y, z) is at (z·Y + y)·X + x of the out slot. */
  readonly output: ReadonlyArray<number>
  /**
   * What one thread computes: bx neighbours along x and by neighbours along y, so `this.thread.x` counts blocks of bx.
   * The kernel returns a number for [1, 1], else an array of bx·by numbers, element j·bx + i for x + i, y + j.
   * Elements that fall outside of the output are dropped.
   */
  readonly block: readonly [number, number]
}

/** The threads of a kernel and the output that they fill together. */
export interface Grid {
  /** Extents of the output, three of them, x fastest. */
  readonly size: readonly [number, number, number]
  readonly block: readonly [number, number]
  /** Threads along x, y and z. */
  readonly threads: readonly [number, number, number]
  /** How many extents the kernel named; gpu.js compiles a kernel of one extent differently. */
  readonly rank: 1 | 2 | 3
}

/** Floats that a kernel writes. */
export const outputLength = (k: KernelSource): number => k.output.reduce((a, b) => a * b, 1)

/** The grid of a kernel, or in words what is wrong with the kernel's shape. */
export const gridOf = (k: KernelSource): Grid | string => {
  const [x = 1, y = 1, z = 1] = k.output
  const [bx, by] = k.block
  const whole = [...k.output, ...k.args, bx, by].every((n) => Number.isInteger(n) && n > 0)
  if (!whole) return 'an extent, a block side or an argument length that is not a positive integer'
  if (k.output.length < 1 || k.output.length > 3) return `${k.output.length} output extents`
  if (by > 1 && k.output.length === 1) return 'a block of several rows over an output of one extent'
  const rank = k.output.length === 1 ? 1 : k.output.length === 2 ? 2 : 3
  return { size: [x, y, z], block: k.block, threads: [Math.ceil(x / bx), Math.ceil(y / by), z], rank }
}

/** One element of a thread's block: its place in the array that the kernel returns, and whether it may fall outside. */
export interface Cell {
  readonly index: number
  readonly i: number
  readonly j: number
  readonly mayMissX: boolean
  readonly mayMissY: boolean
}

/** The elements of a thread's block in the order in which the kernel returns them. */
export const cells = ({ size, block }: Grid): ReadonlyArray<Cell> =>
  Array.from({ length: block[0] * block[1] }, (_, index) => {
    const i = index % block[0]
    const j = Math.floor(index / block[0])
    return { index, i, j, mayMissX: i > 0 && size[0] % block[0] !== 0, mayMissY: j > 0 && size[1] % block[1] !== 0 }
  })

/** Two kernels with the same key compile to the same code. */
export const kernelKey = (k: KernelSource): string => JSON.stringify([k.source, k.helpers, k.args, k.output, k.block])
