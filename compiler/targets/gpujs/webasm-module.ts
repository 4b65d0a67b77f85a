/** Compiles one kernel to a WebAssembly module over the memory that all kernels share. */
import { type WasmFunctionEmitter, WasmModuleBuilder } from './inside.ts'
import type { Grid, KernelSource } from './kernel.ts'
import { translate } from './syntax.ts'
import { defineMath } from './webasm-math.ts'
import type { Module } from './webasm-expressions.ts'
import { webasmNode } from './webasm-node.ts'
import type { WebasmCode } from './webasm-worker.js'

/** The most pages of 64 KiB that a WebAssembly memory can have. */
export const maxPages = 65536

/**
 * A module whose kernel functions start by copying the launch's addresses into their first locals, where V8 keeps them
 * in registers; a global would be read again at every access.
 */
class KernelModule extends WasmModuleBuilder {
  private addresses: ReadonlyArray<number> = []

  copyIntoLocals(globals: ReadonlyArray<number>): void {
    this.addresses = globals
  }

  override addFunction(...[name, signature]: Parameters<WasmModuleBuilder['addFunction']>): WasmFunctionEmitter {
    const em = super.addFunction(name, signature)
    if (name !== 'kernel' && name !== 'kernel_simd') return em
    for (const global of this.addresses) em.globalGet(global).localSet(em.addLocal('i32'))
    return em
  }
}

/** Translates a kernel and compiles the result; throws what gpu.js says about a kernel outside of its language. */
export const compileWebasm = async (k: KernelSource, grid: Grid): Promise<WebasmCode> => {
  const translated = translate(k, grid, webasmNode(grid))
  const functions = translated.traceFunctionCalls('kernel', []).flatMap((name) => {
    const node = translated.functionMap[name]
    return node === undefined ? [] : [node]
  })
  const math = [...new Set(functions.flatMap((node) => [...node.usedMathImports]))].sort()
  const builder = new KernelModule()
  builder.addMemoryImport(1, maxPages, true)
  for (const name of math) builder.addFuncImport(`math_${name}`, name === 'pow' || name === 'atan2' ? ['f32', 'f32'] : ['f32'], ['f32'])
  const global = (): number => builder.addGlobal('i32', true, 0)
  const module: Module = {
    module: builder,
    layout: { scalars: {} },
    globals: { threadX: global(), threadY: global(), threadZ: global() },
    helperInfo: functions.length > 1 ? { readsThread: functions.some((n) => !n.isRootKernel && n.readsThread), usesRandom: false } : null,
    row: global(),
    lengths: k.args,
  }
  const addresses = [...k.args.map(global), global()]
  builder.copyIntoLocals(addresses)
  defineMath(builder)
  const root = translated.functionMap['kernel']
  if (root === undefined) throw new Error('gpu.js found no kernel in the text')
  for (const node of functions.filter((n) => !n.isRootKernel).reverse()) node.emitFunction(module)
  root.emitFunction(module)
  root.emitVectorFunction(module)
  emitBind(builder, addresses)
  emitRun(builder, module, grid)
  const bytes = builder.toBytes()
  return { module: await WebAssembly.compile(bytes), math }
}

const emitBind = (builder: WasmModuleBuilder, globals: ReadonlyArray<number>): void => {
  const em = builder.addFunction('bind', { params: globals.map(() => 'i32'), results: [] })
  globals.forEach((global, n) => em.localGet(n).globalSet(global))
  builder.exportFunction('bind')
}

/** Rows are counted over y and z together. In a row, whole quads run as SIMD and what is left over one by one. */
const emitRun = (builder: WasmModuleBuilder, module: Module, { size, block, threads }: Grid): void => {
  const em = builder.addFunction('run', { params: ['i32', 'i32', 'i32', 'i32'], results: [] })
  const [row, rowEnd, from, to] = [0, 1, 2, 3]
  const [x, quadEnd] = [em.addLocal('i32'), em.addLocal('i32')]
  const whole = Math.floor(size[0] / block[0])
  const { threadX, threadY, threadZ } = module.globals
  const cells = (end: number, step: number, kernel: string): void => {
    em.block().loop()
    em.localGet(x).localGet(end).i32GeS().brIf(1)
    em.localGet(x).globalSet(threadX).call(kernel)
    em.localGet(x).i32Const(step).i32Add().localSet(x).br(0)
    em.end().end()
  }
  // Quads end at the last multiple of 4 after `from` within the whole blocks.
  em.localGet(to).i32Const(whole).localGet(to).i32Const(whole).i32LtS().select()
  em.localGet(from).i32Sub().i32Const(-4).i32And().localGet(from).i32Add().localSet(quadEnd)
  em.block().loop()
  em.localGet(row).localGet(rowEnd).i32GeS().brIf(1)
  em.localGet(row).i32Const(threads[1]).i32RemU().globalSet(threadY)
  em.localGet(row).i32Const(threads[1]).i32DivU().globalSet(threadZ)
  em.globalGet(threadZ).i32Const(size[1]).i32Mul().globalGet(threadY).i32Const(block[1]).i32Mul().i32Add()
  em.i32Const(size[0]).i32Mul().globalSet(module.row)
  em.localGet(from).localSet(x)
  cells(quadEnd, 4, 'kernel_simd')
  cells(to, 1, 'kernel')
  em.localGet(row).i32Const(1).i32Add().localSet(row).br(0)
  em.end().end()
  builder.exportFunction('run')
}
