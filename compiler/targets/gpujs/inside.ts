/**
 * The one door to gpu.js's inner files: its parser of kernels and its code generators, for which gpu.js gives no guarantee from one
 * version to the next. package.json pins the version whose inner files these are; gpujs.d.ts says what is used of them.
 */
export type { Ast } from 'gpu.js/src/backend/function-node.js'
export { FunctionNode } from 'gpu.js/src/backend/function-node.js'
export { FunctionBuilder } from 'gpu.js/src/backend/function-builder.js'
export { CPUFunctionNode } from 'gpu.js/src/backend/cpu/function-node.js'
export { WGSLFunctionNode } from 'gpu.js/src/backend/web-gpu/function-node.js'
export { WebGPUKernel } from 'gpu.js/src/backend/web-gpu/kernel.js'
export type { Assembler, Variance } from 'gpu.js/src/backend/web-assembly/function-node.js'
export { WebAssemblyFunctionNode } from 'gpu.js/src/backend/web-assembly/function-node.js'
export type { WasmFunctionEmitter } from 'gpu.js/src/backend/web-assembly/wasm-builder.js'
export { WasmModuleBuilder } from 'gpu.js/src/backend/web-assembly/wasm-builder.js'
