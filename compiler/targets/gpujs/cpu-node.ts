/** gpu.js's JavaScript generator, with a kernel's output stored straight into a flat array that exists already. */
import { type Ast, CPUFunctionNode } from './inside.ts'
import { type Grid, cells } from './kernel.ts'
import { returnedElements } from './syntax.ts'

/** The generator class for kernels of one grid. Generated code names its own variables with a leading $. */
export const cpuNode = (grid: Grid): new (source: string, settings: object) => CPUFunctionNode =>
  class extends CPUFunctionNode {
    override astMemberExpression(ast: Ast, out: string[]): string[] {
      const member = this.getMemberExpressionDetails(ast)
      if (member?.signature !== 'this.thread.value') return super.astMemberExpression(ast, out)
      if (!this.isRootKernel) throw this.astErrorOutput('a helper cannot read this.thread', ast)
      out.push(`$${member.name}`)
      return out
    }

    /** JavaScript finds out about a missing function only when it calls it. */
    override astCallExpression(ast: Ast, out: string[]): string[] {
      const name = (this.isAstMathFunction(ast) ? ast.callee?.property?.name : ast.callee?.name) ?? ''
      const known = this.isAstMathFunction(ast) ? name in Math : this.lookupFunctionArgumentTypes(name) !== null
      if (!known) throw this.astErrorOutput(`there is no function ${name}`, ast)
      return super.astCallExpression(ast, out)
    }

    override astReturnStatement(ast: Ast, out: string[]): string[] {
      if (!this.isRootKernel) return super.astReturnStatement(ast, out)
      this.returnType = 'Number'
      const elements = returnedElements(this, grid, ast)
      const [width, height] = grid.size
      const [bx, by] = grid.block
      // First all values, then all stores: the values may share subexpressions that V8 then keeps in registers.
      const value = (element: Ast): string => this.astGeneric(element, []).join('')
      const stores = cells(grid).map((cell, n) => {
        const guards = [
          ...(cell.mayMissX ? [`$x*${bx}+${cell.i}<${width}`] : []),
          ...(cell.mayMissY ? [`$y*${by}+${cell.j}<${height}`] : []),
        ]
        const store = `$out[$at+${cell.j * width + cell.i}]=$v${n};`
        return guards.length === 0 ? store : `if(${guards.join('&&')}){${store}}`
      })
      out.push('{', ...elements.map((element, n) => `const $v${n}=${value(element)};`))
      out.push(`const $at=$row+$x*${bx};`, ...stores, '}\nbreak kernelBody;\n')
      return out
    }
  }
