/** What the specification uses of jpeg-lossless-decoder-js 2.1.2, whose types are not in its package. */
declare module 'jpeg-lossless-decoder-js' {
  export class Decoder {
    readonly frame: { readonly precision: number }
    decompress(buffer: ArrayBuffer, offset: number, length: number): ArrayBuffer
  }
}
