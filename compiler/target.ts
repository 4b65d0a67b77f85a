/**
 * What a target is to the rest of the house: a device that holds named resident tensors and runs compiled graphs
 * against them. Several programs may share one device's state: the layout of state belongs to the run.
 */
import type { Either } from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../core/fault.ts'
import type { Graph } from '../core/graph.ts'
import type { Split } from './distribute/placement.ts'
import type { TensorType } from '../core/type.ts'
import type { Road } from './road.ts'

/** Host memory of a tensor, row-major. A bool is 0 or 1. */
export type HostArray = Float32Array | Float64Array | Int32Array | Uint8Array

export type HostValues = ReadonlyMap<string, HostArray>

/** What one run is given: inputs and hypers by path, and where in the random streams it stands. */
export interface Feed {
  readonly values: HostValues
  readonly seed?: number
  readonly step?: number
}

export interface Executable {
  /** The generated code, one text for each distinct kernel. */
  readonly source: ReadonlyArray<string>
  /** Kernel launches of one run. */
  readonly launches: number
  /** Runs once: state outputs replace the device's tensors of their paths, value outputs are handed back. */
  readonly run: (feed: Feed) => TaskEither<Fault, HostValues>
}

/** How far a compilation has come: `3 of 14 C units`, `100 of 352 kernels`. */
export interface Progress {
  readonly done: number
  readonly total: number
  /** What is counted. */
  readonly unit: string
}

export interface CompileOptions {
  readonly progress?: (p: Progress) => void
  /** Images of the batch that the program is run on, which ranks share where there are several. Default: none, all have all. */
  readonly images?: number
  /**
   * Inputs of which a rank is given its own images alone, each with the axis along which images lie, once or several times (crop-major).
   * Of all others it is given those of all ranks, and takes its own. Default: none.
   */
  readonly own?: ReadonlyMap<string, number>
  /** Whether a stop was requested: compiling then ends with a fault, as soon as what is being compiled is done. */
  readonly stopping?: () => boolean
}

/** One process of several that run the same programs on their own images. */
export interface Share {
  readonly rank: number
  readonly ranks: number
  /** What every rank says, in their order. All of them come here with the same number, such as that of a step. */
  readonly exchange: (said: string, step: number) => TaskEither<Fault, ReadonlyArray<string>>
}

/** What one process of several has of the resident tensors. */
export interface Own {
  /** How a tensor is cut among all of them; nothing where each has the whole. */
  readonly split: (path: string) => Split | undefined
  /** Its part of a tensor that is cut, the whole of another: without a word to the others. */
  readonly read: (path: string) => TaskEither<Fault, HostArray>
}

export interface Device {
  /** The target's name, as asked for: `reference`, `gpujs:webasm`, … */
  readonly name: string
  /** The device in words, for the one line that says what runs where. */
  readonly description: string
  /** Whether tensors lie in the memory of the machine, which all processes share, or in memory of the device's own. */
  readonly memory: 'machine' | 'own'
  /** What a graph goes through on its way to being run here. */
  readonly road: Road
  /** Which process this is, where several are one device. */
  readonly share?: Share
  /** What this process has, where several are one device. */
  readonly own?: Own
  /** Among how many the images of a batch are shared: ranks, or devices of one process. Default 1. */
  readonly parts?: number
  /** Sets a resident tensor (a param or a state); its size is fixed by the first write. */
  readonly write: (path: string, type: TensorType, data: HostArray) => TaskEither<Fault, void>
  readonly read: (path: string) => TaskEither<Fault, HostArray>
  /** The resident tensors: paths and types. */
  readonly resident: () => ReadonlyMap<string, TensorType>
  /** Bytes that a graph is planned to take there: temporaries and resident state. */
  readonly planned: (g: Graph) => Either<Fault, number>
  /** Compiles a verified graph; its resident leaves must have been written before the first run. */
  readonly compile: (g: Graph, options?: CompileOptions) => TaskEither<Fault, Executable>
  readonly close: () => void
}

export interface Target {
  readonly name: string
  readonly open: TaskEither<Fault, Device>
}
