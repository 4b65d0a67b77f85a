/** What every decoder of pixel data gives: the samples of one frame, interleaved by pixel. */

/** Any array that holds samples. */
export type SampleArray = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array

/** One decoded frame: `data` is [height, width, channels], row-major. */
export interface Samples {
  readonly height: number
  readonly width: number
  readonly channels: number
  /** Bits of a sample that carry information. */
  readonly bits: number
  readonly data: SampleArray
}

/** The size that a file's header promises for each of its frames; streams that state another are damaged. */
export interface FrameSize {
  readonly height: number
  readonly width: number
  readonly channels: number
}

/** A size in a message. */
export const showSize = (s: FrameSize): string => `${s.height} x ${s.width} x ${s.channels}`

/** Whether two sizes are the same. */
export const sameSize = (a: FrameSize, b: FrameSize): boolean => a.height === b.height && a.width === b.width && a.channels === b.channels
