/** gpu.js's WGSL generator, with integers that stay integers, sizes that do not stand in the text, and blocks of any size per thread. */
import { type Ast, WGSLFunctionNode } from './inside.ts'
import { type Grid, cells } from './kernel.ts'
import type { Sizes } from './sizes.ts'
import { integerDivision, returnedElements } from './syntax.ts'

/** Operators whose literal operands are sizes where they are integers. Bits that are shifted and masked are none. */
const arithmetic: ReadonlySet<string> = new Set(['+', '-', '*', '<', '<=', '>', '>='])

/** The literal that an operand is, a sign aside. */
const literalOf = (ast: Ast | undefined): Ast | undefined =>
  ast?.type === 'UnaryExpression' ? literalOf(ast.argument) : ast?.type === 'Literal' ? ast : undefined

/** The generator class for kernels of one grid; it takes the sizes in the kernel's own function out of the text. */
export const wgslNode = (grid: Grid, sizes: Sizes): new (source: string, settings: object) => WGSLFunctionNode => {
  const operands = new Set<Ast>()
  return class extends WGSLFunctionNode {
    override astBinaryExpression(ast: Ast, out: string[]): string[] {
      if (this.isRootKernel && arithmetic.has(ast.operator ?? '')) {
        for (const literal of [literalOf(ast.left), literalOf(ast.right)]) if (literal !== undefined) operands.add(literal)
      }
      const division = integerDivision(this, ast)
      if (division === null) return super.astBinaryExpression(ast, out)
      out.push('(')
      this.astInteger(division.left, out)
      out.push(division.operator)
      this.astInteger(division.right, out)
      out.push(')')
      return out
    }

    /** 0 and 1 stay: they are structure more often than sizes, and an operation with them costs nothing. */
    override astLiteral(ast: Ast, out: string[]): string[] {
      const integer = this.isState('casting-to-integer') || this.isState('building-integer')
      if (!integer || !operands.has(ast) || typeof ast.value !== 'number' || ast.value === 0 || ast.value === 1)
        return super.astLiteral(ast, out)
      // gpu.js notes what type the literal has
      super.astLiteral(ast, [])
      out.push(sizes.of(ast, ast.value))
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
      const [bx, by] = grid.block
      const [width, height] = [sizes.of('width', grid.size[0]), sizes.of('height', grid.size[1])]
      const at = `(i32(threadGid.z) * ${height} + i32(threadGid.y) * ${by}) * ${width} + i32(threadGid.x) * ${bx}`
      out.push('{\n', `let out_at : i32 = ${at};\n`)
      elements.forEach((element, n) => {
        out.push(`let out_${n} : f32 = `)
        this.astFloat(element, out)
        out.push(';\n')
      })
      // that a block fits evenly is no reason for another text
      cells(grid).forEach((cell, n) => {
        const guards = [
          ...(cell.i > 0 ? [`i32(threadGid.x) * ${bx} + ${cell.i} < ${width}`] : []),
          ...(cell.j > 0 ? [`i32(threadGid.y) * ${by} + ${cell.j} < ${height}`] : []),
        ]
        const store = `result[out_at + ${cell.j === 0 ? '' : `${cell.j} * ${width} + `}${cell.i}] = out_${n};`
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
}
