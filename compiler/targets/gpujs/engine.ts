/** One way to run gpu.js kernels over resident flat buffers, whatever gpu.js compiles them to. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import type { KernelSource } from './kernel.ts'

/** What gpu.js compiles to. */
export type Mode = 'webgpu' | 'headlessgl' | 'webasm' | 'cpu'

/** A resident flat buffer of 32-bit floats. It belongs to the engine that made it. */
export interface Slot {
  readonly length: number
}

/** One kernel run: `kernel` counts in the compiled set. The out slot is none of the arguments. */
export interface Launch {
  readonly kernel: number
  readonly args: ReadonlyArray<Slot>
  readonly out: Slot
}

/** A sequence of launches that can be run any number of times. */
export interface Program {
  /** Runs all launches in order; resolved when their results are there. Rejects with a Fault when the device refuses. */
  readonly run: () => Promise<void>
}

/** Kernels that are compiled, in the order in which they were given. */
export interface CompiledSet {
  /** Throws a Fault when a launch does not fit its kernel. */
  readonly program: (launches: ReadonlyArray<Launch>) => Program
}

/** What an engine can take, and which forms of a kernel it runs best. */
export interface Limits {
  /** The most array arguments of one kernel. */
  readonly maxInputs: number
  /** The most floats of one slot. */
  readonly maxElements: number
  /** The block of a matrix product C[m, n] with n along x that ran fastest. */
  readonly matmulBlock: readonly [number, number]
  /** The most elements that one thread may return. */
  readonly maxBlock: number
}

export interface Engine {
  readonly mode: Mode
  readonly limits: Limits
  /** The device in words. */
  readonly describe: string
  /** Where slots lie: in the machine's memory, or in that of a graphics card. */
  readonly memory: 'machine' | 'own'
  /** A new slot, filled with zeros. Throws a Fault where there is no room for it. */
  readonly slot: (length: number) => Slot
  readonly write: (slot: Slot, data: Float32Array) => void
  readonly read: (slot: Slot) => Promise<Float32Array>
  /**
   * Compiles kernels, several at a time, each text once however often it is given to this engine. What is compiled needs no more work
   * of the driver when it first runs. Where `stopping` says so, it ends with a Fault before it begins another kernel.
   */
  readonly compile: (
    kernels: ReadonlyArray<KernelSource>,
    progress?: (done: number, total: number) => void,
    stopping?: () => boolean,
  ) => TaskEither<Fault, CompiledSet>
  /** Frees everything; the process can exit by itself afterwards. */
  readonly dispose: () => void
}
