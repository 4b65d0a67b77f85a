/** gpu.js's WGSL generator, with integers that stay integers and blocks of any size per thread. */
import type { Ast } from 'gpu.js/src/backend/function-node.js'
import { WGSLFunctionNode } from 'gpu.js/src/backend/web-gpu/function-node.js'
import { type Grid, cells } from './kernel.ts'
import { integerDivision, returnedElements } from './syntax.ts'

/** The generator class for kernels of one grid. */
export const wgslNode = (grid: Grid): new (source: string, settings: object) => WGSLFunctionNode =>
  class extends WGSLFunctionNode {
    override astBinaryExpression(ast: Ast, out: string[]): string[] {
      const division = integerDivision(this, ast)
      if (division === null) return super.astBinaryExpression(ast, out)
      out.push('(')
      this.astInteger(division.left, out)
      out.push(division.operator)
      this.astInteger(division.right, out)
      out.push(')')
      return out
    }

    private astInteger(ast: Ast, out: string[]): void {
      if (this.getType(ast) === 'LiteralInteger') {
        this.castLiteralToInteger(ast, out)
        return
      }
      this.pushState('building-integer')
      this.astGeneric(ast, out)
      this.popState('building-integer')
    }

    /** gpu.js declares integer expressions as f32, which loses bits past 2^24. */
    override astVariableDeclaration(ast: Ast, out: string[]): string[] {
      const [declaration, ...more] = ast.declarations ?? []
      const { init, id } = declaration ?? {}
      const info = id === undefined ? null : this.getDeclaration(id)
      if (init === undefined || id?.name === undefined || info === null || more.length > 0 || this.getType(init) !== 'Integer') {
        return super.astVariableDeclaration(ast, out)
      }
      info.valueType = 'Integer'
      out.push(`var user_${id.name} : i32 = `)
      this.astInteger(init, out)
      out.push(';')
      return out
    }

    override astReturnStatement(ast: Ast, out: string[]): string[] {
      if (!this.isRootKernel) return super.astReturnStatement(ast, out)
      const elements = returnedElements(this, grid, ast)
      this.returnType = 'Number'
      const [width, height] = grid.size
      const [bx, by] = grid.block
      const at = `(i32(threadGid.z) * ${height} + i32(threadGid.y) * ${by}) * ${width} + i32(threadGid.x) * ${bx}`
      out.push('{\n', `let out_at : i32 = ${at};\n`)
      elements.forEach((element, n) => {
        out.push(`let out_${n} : f32 = `)
        this.astFloat(element, out)
        out.push(';\n')
      })
      cells(grid).forEach((cell, n) => {
        const guards = [
          ...(cell.mayMissX ? [`i32(threadGid.x) * ${bx} + ${cell.i} < ${width}`] : []),
          ...(cell.mayMissY ? [`i32(threadGid.y) * ${by} + ${cell.j} < ${height}`] : []),
        ]
        const store = `result[out_at + ${cell.j * width + cell.i}] = out_${n};`
        out.push(guards.length === 0 ? `${store}\n` : `if (${guards.join(' && ')}) { ${store} }\n`)
      })
      out.push('return;\n}\n')
      return out
    }

    private astFloat(ast: Ast, out: string[]): void {
      const type = this.getType(ast)
      if (type === 'Integer') this.castValueToFloat(ast, out)
      else if (type === 'LiteralInteger') this.castLiteralToFloat(ast, out)
      else this.astGeneric(ast, out)
    }
  }
