// What Dinograph uses of gpu.js 2.24.1's own source, for which gpu.js has no types. The version is pinned in package.json.

declare module 'gpu.js/src/backend/function-node.js' {
  /** A node of the parsed kernel text; fields are there as its type has them. */
  export interface Ast {
    readonly type: string
    readonly operator?: string
    readonly left?: Ast
    readonly right?: Ast
    readonly argument?: Ast
    readonly init?: Ast
    readonly id?: Ast
    readonly object?: Ast
    readonly callee?: Ast
    readonly property?: Ast
    readonly name?: string
    readonly value?: unknown
    readonly arguments?: ReadonlyArray<Ast>
    readonly elements?: ReadonlyArray<Ast>
    readonly declarations?: ReadonlyArray<Ast>
    readonly kind?: string
  }
  export interface Declaration {
    valueType: string | null
  }
  export interface Member {
    readonly signature: string
    readonly name: string
  }
  /** The base of gpu.js's code generators: one per function of a kernel. */
  export class FunctionNode {
    constructor(source: string, settings: object)
    readonly isRootKernel: boolean
    readonly name: string
    returnType: string | null
    getType(ast: Ast): string | null
    getDeclaration(ast: Ast): Declaration | null
    getMemberExpressionDetails(ast: Ast): Member | null
    astGeneric(ast: Ast, out: string[]): string[]
    astErrorOutput(message: string, ast: Ast): Error
    isAstMathFunction(ast: Ast): boolean
    /** The argument types of a helper, null where there is none of that name. */
    lookupFunctionArgumentTypes(name: string): ReadonlyArray<string> | null
    pushState(state: string): void
    popState(state: string): void
  }
}

declare module 'gpu.js/src/backend/function-builder.js' {
  import type { FunctionNode } from 'gpu.js/src/backend/function-node.js'
  export class FunctionBuilder<N extends FunctionNode> {
    static fromKernel<N extends FunctionNode>(kernel: object, node: new (source: string, settings: object) => N): FunctionBuilder<N>
    readonly functionMap: Readonly<Record<string, N | undefined>>
    /** Texts of the functions that a kernel uses, the kernel's own body last. */
    getPrototypes(name: string): string[]
    /** Names of the functions that a kernel uses, the kernel itself first. */
    traceFunctionCalls(name: string, into: string[]): string[]
  }
}

declare module 'gpu.js/src/backend/cpu/function-node.js' {
  import { type Ast, FunctionNode } from 'gpu.js/src/backend/function-node.js'
  export class CPUFunctionNode extends FunctionNode {
    astMemberExpression(ast: Ast, out: string[]): string[]
    astCallExpression(ast: Ast, out: string[]): string[]
    astReturnStatement(ast: Ast, out: string[]): string[]
  }
}

declare module 'gpu.js/src/backend/web-gpu/function-node.js' {
  import { type Ast, FunctionNode } from 'gpu.js/src/backend/function-node.js'
  export class WGSLFunctionNode extends FunctionNode {
    isState(state: string): boolean
    astLiteral(ast: Ast, out: string[]): string[]
    astReturnStatement(ast: Ast, out: string[]): string[]
    astBinaryExpression(ast: Ast, out: string[]): string[]
    astVariableDeclaration(ast: Ast, out: string[]): string[]
    castValueToFloat(ast: Ast, out: string[]): void
    castLiteralToFloat(ast: Ast, out: string[]): void
    castLiteralToInteger(ast: Ast, out: string[]): void
  }
}

declare module 'gpu.js/src/backend/web-gpu/kernel.js' {
  export class WebGPUKernel {
    constructor(source: string, settings: object)
    translatedBody: string
    translatedFunctions: string
    compiledSource: string
    componentCount: number
    returnType: string | null
    translateSource(): void
    build(...args: ReadonlyArray<Float32Array>): Promise<void>
    _buildAsync(): Promise<void>
  }
}

declare module 'gpu.js/src/backend/web-assembly/wasm-builder.js' {
  type Wasm = 'i32' | 'f32' | 'v128'
  /** Appends instructions to one WebAssembly function; every instruction returns the emitter. */
  export class WasmFunctionEmitter {
    addLocal(type: Wasm): number
    block(): this
    loop(): this
    if_(type?: Wasm): this
    end(): this
    br(depth: number): this
    brIf(depth: number): this
    return_(): this
    call(name: string): this
    select(): this
    localGet(index: number): this
    localSet(index: number): this
    localTee(index: number): this
    globalGet(index: number): this
    globalSet(index: number): this
    i32Const(value: number): this
    v128ConstI32x4(a: number, b: number, c: number, d: number): this
    v128ConstF32x4(a: number, b: number, c: number, d: number): this
    f32Load(offset?: number, align?: number): this
    f32Store(offset?: number, align?: number): this
    v128Load(offset?: number, align?: number): this
    v128Store(offset?: number, align?: number): this
    i32Add(): this
    i32Sub(): this
    i32Mul(): this
    i32DivS(): this
    i32RemS(): this
    i32DivU(): this
    i32RemU(): this
    i32And(): this
    i32Shl(): this
    i32LtS(): this
    i32GeS(): this
    i32x4ExtractLane(lane: number): this
    i32x4ReplaceLane(lane: number): this
    f32x4ExtractLane(lane: number): this
    f32x4ReplaceLane(lane: number): this
    i32x4Splat(): this
    f32x4Splat(): this
    i32x4Add(): this
    i32x4Sub(): this
    i32x4MinS(): this
    i32x4MaxS(): this
    i32x4Shl(): this
    i32x4ShrS(): this
    i32x4Eq(): this
    i32x4TruncSatF32x4S(): this
    f32x4ConvertI32x4S(): this
    f32x4Add(): this
    f32x4Sub(): this
    f32x4Mul(): this
    f32x4Div(): this
    f32x4Abs(): this
    f32x4Pmin(): this
    f32x4Pmax(): this
    f32x4Nearest(): this
    f32x4Eq(): this
    f32x4Lt(): this
    f32x4Ne(): this
    v128And(): this
    v128Or(): this
    v128Not(): this
    v128Bitselect(): this
  }
  export class WasmModuleBuilder {
    addMemoryImport(initial: number, maximum: number, shared: boolean): this
    addFuncImport(name: string, params: ReadonlyArray<Wasm>, results: ReadonlyArray<Wasm>): number
    addGlobal(type: Wasm, mutable: boolean, initialValue: number): number
    addFunction(name: string, signature: { params: ReadonlyArray<Wasm>; results: ReadonlyArray<Wasm> }): WasmFunctionEmitter
    exportFunction(name: string): this
    toBytes(): Uint8Array<ArrayBuffer>
  }
}

declare module 'gpu.js/src/backend/web-assembly/function-node.js' {
  import { type Ast, FunctionNode } from 'gpu.js/src/backend/function-node.js'
  import type { WasmFunctionEmitter, WasmModuleBuilder } from 'gpu.js/src/backend/web-assembly/wasm-builder.js'
  /** What the code generator knows of the module that it emits into. */
  export interface Assembler {
    readonly module: WasmModuleBuilder
    readonly globals: { readonly threadX: number; readonly threadY: number; readonly threadZ: number }
    readonly layout: object
    helperInfo: { readonly readsThread: boolean; readonly usesRandom: boolean } | null
  }
  export interface Local {
    readonly kind: string
    readonly index: number
  }
  /** What is known of the differences between SIMD lanes. */
  export interface Variance {
    readonly exprVarying: (ast: Ast) => boolean
    readonly hasVaryingExit: (ast: Ast, under: boolean) => boolean
  }
  export class WebAssemblyFunctionNode<A extends Assembler> extends FunctionNode {
    readonly assembler: A | null
    readonly em: WasmFunctionEmitter
    readonly vec: boolean
    readonly locals: ReadonlyMap<string, Local>
    readonly usedMathImports: Set<string>
    readonly readsThread: boolean
    readonly argumentNames: ReadonlyArray<string>
    readonly vInfo: Variance
    vAnalyze(ast: Ast): Variance
    readonly vMaskDepth: number
    readonly vCur: number
    readonly vRetMask: number
    emitFunction(assembler: A): WasmFunctionEmitter
    emitVectorFunction(assembler: A): WasmFunctionEmitter
    emitArrayElement(ast: Ast): void
    emitIndex(ast: Ast): void
    emitClampScalarIndex(max: number): void
    exprBinary(ast: Ast): string
    emitMathCall(name: string, ast: Ast): string
    emitByType(ast: Ast, want: string): string
    expression(ast: Ast): string
    setScalarLocal(name: string, wtype: string, gtype: string, emitInit: () => void): void
    stmtVariableDeclaration(ast: Ast): void
    stmtRootReturn(ast: Ast, type: string): void
    isThreadDependent(ast: Ast): boolean
    readonly taintedLocals: Set<string>
    vEmitArrayElement(ast: Ast): void
    vEmitIndex(ast: Ast): void
    vexprBinary(ast: Ast): string
    vDeclareVarying(declaration: Ast, statement: Ast): void
    vSetVaryingScalar(name: string, wtype: string, gtype: string, emitInit: () => void): void
    vMathCall(name: string, ast: Ast): string
    vEmitByType(ast: Ast, want: string): string
    vstmtReturn(ast: Ast): void
    vRetireOrReturn(): void
    emitFlatLoad(table: string, name: string, x: Ast, y: Ast | null, z: Ast | null, ast: Ast): string
    vGather(table: string, name: string, x: Ast, y: Ast | null, z: Ast | null, ast: Ast): string
  }
}
