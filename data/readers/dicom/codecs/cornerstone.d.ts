/** What is used of the package @cornerstonejs/codec-openjpeg 1.3.6, which carries no types. */

declare module '@cornerstonejs/codec-openjpeg/decodewasmjs' {
  export interface FrameInfo {
    readonly width: number
    readonly height: number
    readonly bitsPerSample: number
    readonly componentCount: number
    readonly isSigned: boolean
  }
  /** Lives in the module's memory until it is deleted. */
  export interface Decoder {
    /** Room for the stream, to be filled before `decode`. */
    getEncodedBuffer(length: number): Uint8Array
    decode(): void
    /** A view of the module's memory, valid until the next call. */
    getDecodedBuffer(): Uint8Array
    getFrameInfo(): FrameInfo
    delete(): void
  }
  export interface Settings {
    readonly print: (line: string) => void
    readonly printErr: (line: string) => void
  }
  const load: (settings: Settings) => Promise<{ readonly J2KDecoder: new () => Decoder }>
  export default load
}
