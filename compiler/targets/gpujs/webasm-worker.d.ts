export const GENERATION: number
export const CLOSED: number
export const ACTIVE: number
export const FAILED: number
export const HEADER: number

/** A compiled kernel: the code, and the functions of Math that it imports. */
export interface WebasmCode {
  readonly module: WebAssembly.Module
  readonly math: ReadonlyArray<string>
}

/** A kernel's exports: set the addresses, then run rows [y0, y1) and in them threads [x0, x1). */
export interface WebasmKernel {
  readonly bind: (...addresses: ReadonlyArray<number>) => void
  readonly run: (y0: number, y1: number, x0: number, x1: number) => void
}

/** One launch, cut into rowParts x columnParts pieces. */
export interface Step {
  readonly kernel: number
  readonly addresses: ReadonlyArray<number>
  readonly rows: number
  readonly columns: number
  readonly rowParts: number
  readonly columnParts: number
}

export const instantiate: (code: WebasmCode, memory: WebAssembly.Memory) => WebasmKernel
export const walk: (steps: ReadonlyArray<Step>, kernels: ReadonlyArray<WebasmKernel>, state: Int32Array) => void
