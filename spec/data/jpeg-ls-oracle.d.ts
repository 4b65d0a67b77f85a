/** What the specification uses of @cornerstonejs/codec-charls 1.2.7, which carries no types. */
declare module '@cornerstonejs/codec-charls/wasmjs' {
  import type { Decoder, FrameInfo, Settings } from '@cornerstonejs/codec-openjpeg/decodewasmjs'
  /** 0: a scan for each component, 1: line by line, 2: sample by sample. */
  export type Interleaving = 0 | 1 | 2
  export interface Encoder {
    /** Room for the samples, little-endian, to be filled before `encode`. */
    getDecodedBuffer(info: FrameInfo): Uint8Array
    setNearLossless(near: number): void
    setInterleaveMode(mode: Interleaving): void
    encode(): void
    getEncodedBuffer(): Uint8Array
    delete(): void
  }
  const load: (settings: Settings) => Promise<{ readonly JpegLSEncoder: new () => Encoder; readonly JpegLSDecoder: new () => Decoder }>
  export default load
}
