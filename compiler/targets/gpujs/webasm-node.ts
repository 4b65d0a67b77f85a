/**
 * gpu.js's WebAssembly generator, with three differences: arrays lie in one memory shared by all kernels, at addresses
 * that a launch gives; integers stay integers; and a SIMD read of neighbours is one load instead of four.
 */
import type { Ast } from 'gpu.js/src/backend/function-node.js'
import { type Assembler, WebAssemblyFunctionNode } from 'gpu.js/src/backend/web-assembly/function-node.js'
import { type Grid, cells } from './kernel.ts'
import { integerDivision, returnedElements } from './syntax.ts'
import { ownMath } from './webasm-math.ts'

/** The module that a kernel's code goes into, with the globals that a launch sets. */
export interface Module extends Assembler {
  /** Byte addresses of the array arguments and of the output. */
  readonly bases: ReadonlyArray<number>
  readonly outBase: number
  /** Index of the first output element of the row of blocks at hand. */
  readonly row: number
  /** Length in floats of each array argument. */
  readonly lengths: ReadonlyArray<number>
}

export type WebasmNode = WebAssemblyFunctionNode

/** The generator class for kernels of one grid in one module; `module` is null while gpu.js only infers types. */
export const webasmNode = (grid: Grid, module: () => Module | null): new (source: string, settings: object) => WebasmNode =>
  class extends WebAssemblyFunctionNode {
    // ------------------------------------------------------------ integers

    override exprBinary(ast: Ast): string {
      const division = integerDivision(this, ast)
      if (division === null) return super.exprBinary(ast)
      this.emitIndex(division.left)
      this.emitIndex(division.right)
      if (division.operator === '/') this.em.i32DivS()
      else this.em.i32RemS()
      return 'i32'
    }

    /** SIMD has no integer division: four scalar ones. A lane that is switched off may hold 0, so 0 divides as 1. */
    override vexprBinary(ast: Ast): string {
      const division = integerDivision(this, ast)
      if (division === null) return super.vexprBinary(ast)
      const [a, b] = [this.em.addLocal('v128'), this.em.addLocal('v128')]
      this.vEmitIndex(division.left)
      this.em.localSet(a)
      this.vEmitIndex(division.right)
      this.em.localTee(b).localGet(b).v128ConstI32x4(0, 0, 0, 0).i32x4Eq().i32x4Sub().localSet(b)
      for (const lane of [0, 1, 2, 3]) {
        this.em.localGet(a).i32x4ExtractLane(lane).localGet(b).i32x4ExtractLane(lane)
        if (division.operator === '/') this.em.i32DivS()
        else this.em.i32RemS()
        if (lane === 0) this.em.i32x4Splat().localSet(a + 0 === a ? this.quotient() : a)
        else this.em.localSet(this.scratch()).localGet(this.quotient()).localGet(this.scratch()).i32x4ReplaceLane(lane).localSet(this.quotient())
      }
      this.em.localGet(this.quotient())
      return 'vi32'
    }
  }
