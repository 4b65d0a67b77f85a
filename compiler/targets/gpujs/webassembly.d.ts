// The part of WebAssembly's JavaScript interface that is used here; TypeScript has it in its DOM library only.

declare namespace WebAssembly {
  interface Module {
    readonly __module: never
  }
  class Memory {
    constructor(limits: { initial: number; maximum: number; shared: true })
    readonly buffer: SharedArrayBuffer
    grow(pages: number): number
  }
  class Instance {
    constructor(module: Module, imports: object)
    readonly exports: Readonly<Record<string, unknown>>
  }
  function compile(bytes: Uint8Array): Promise<Module>
}
