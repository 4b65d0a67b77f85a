/** gpu.js's WebAssembly generator for the kernels of one grid: stores straight into the out slot, and own functions. */
import type { Ast } from './inside.ts'
import { type Cell, type Grid, cells } from './kernel.ts'
import { returnedElements } from './syntax.ts'
import { type Module, WebasmExpressions } from './webasm-expressions.ts'
import { ownMath } from './webasm-math.ts'

/** The generator class for kernels of one grid. */
export const webasmNode = (grid: Grid): new (source: string, settings: object) => WebasmExpressions =>
  class extends WebasmExpressions {
    // ------------------------------------------------------------ stores

    override stmtRootReturn(ast: Ast): void {
      const elements = returnedElements(this, grid, ast)
      this.returnType = 'Number'
      const locals = elements.map((element) => {
        const local = this.em.addLocal('f32')
        this.emitArrayElement(element)
        this.em.localSet(local)
        return local
      })
      const module = this.assembler
      if (module !== null) {
        const at = this.outAddress(module)
        cells(grid).forEach((cell, n) => {
          this.guarded(module, cell, cell.mayMissX, () => {
            this.em
              .localGet(at)
              .localGet(locals[n] ?? 0)
              .f32Store(4 * (cell.j * grid.size[0] + cell.i))
          })
        })
      }
      this.em.return_()
    }

    override vstmtReturn(ast: Ast): void {
      const module = this.assembler
      if (module === null) return
      const locals = returnedElements(this, grid, ast).map((element) => {
        const local = this.em.addLocal('v128')
        this.vEmitArrayElement(element)
        this.em.localSet(local)
        return local
      })
      const at = this.outAddress(module)
      const mask = this.liveLanes()
      const [bx] = grid.block
      // Quads are only run over whole blocks, so an element can miss the output by its row, never by its column.
      cells(grid).forEach((cell, n) => {
        const value = locals[n] ?? 0
        const offset = (lane: number): number => 4 * (cell.j * grid.size[0] + lane * bx + cell.i)
        this.guarded(module, cell, false, () => {
          if (bx === 1) {
            this.em.localGet(at).localGet(value)
            if (mask !== null) this.em.localGet(at).v128Load(offset(0), 2).localGet(mask).v128Bitselect()
            this.em.v128Store(offset(0), 2)
            return
          }
          for (const lane of [0, 1, 2, 3]) {
            this.em.localGet(at).localGet(value).f32x4ExtractLane(lane)
            if (mask !== null) this.em.localGet(at).f32Load(offset(lane)).localGet(mask).i32x4ExtractLane(lane).select()
            this.em.f32Store(offset(lane))
          }
        })
      })
      this.vRetireOrReturn()
    }

    /** The lanes that have not returned yet, as a mask in a local, or null when all are live. */
    private liveLanes(): number | null {
      if (this.vMaskDepth > 0) return this.vCur
      if (this.vRetMask === -1) return null
      const mask = this.em.addLocal('v128')
      this.em.localGet(this.vRetMask).v128Not().localSet(mask)
      return mask
    }

    private outAddress(module: Module): number {
      const at = this.em.addLocal('i32')
      this.em.globalGet(module.globals.threadX).i32Const(grid.block[0]).i32Mul().globalGet(module.row).i32Add()
      this.em.i32Const(2).i32Shl().localGet(module.lengths.length).i32Add().localSet(at)
      return at
    }

    private guarded(module: Module, cell: Cell, guardX: boolean, store: () => void): void {
      const guard = (thread: number, side: number, part: number, extent: number): void => {
        this.em.globalGet(thread).i32Const(side).i32Mul().i32Const(part).i32Add().i32Const(extent).i32LtS().if_()
      }
      if (guardX) guard(module.globals.threadX, grid.block[0], cell.i, grid.size[0])
      if (cell.mayMissY) guard(module.globals.threadY, grid.block[1], cell.j, grid.size[1])
      store()
      if (cell.mayMissY) this.em.end()
      if (guardX) this.em.end()
    }

    // ------------------------------------------------------------ functions

    override emitMathCall(name: string, ast: Ast): string {
      const own = ownMath(name)
      const argument = ast.arguments?.[0]
      if (own === null || argument === undefined) return super.emitMathCall(name, ast)
      this.emitByType(argument, 'f32')
      this.em.f32x4Splat().call(own).f32x4ExtractLane(0)
      return 'f32'
    }

    override vMathCall(name: string, ast: Ast): string {
      const own = ownMath(name)
      const argument = ast.arguments?.[0]
      if (own === null || argument === undefined) return super.vMathCall(name, ast)
      this.vEmitByType(argument, 'vf32')
      this.em.call(own)
      return 'vf32'
    }
  }
