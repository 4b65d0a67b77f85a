/**
 * gpu.js's WebAssembly generator, with three differences: arrays lie in one memory shared by all kernels, at addresses
 * that a launch gives; integers stay integers; and a SIMD read of neighbours is one load instead of four.
 */
import { type Assembler, type Ast, type Variance, WebAssemblyFunctionNode } from './inside.ts'
import { integerDivision } from './syntax.ts'

/** The module that a kernel's code goes into, with the globals that a launch sets. */
export interface Module extends Assembler {
  /** Index of the first output element of the row of blocks at hand. */
  readonly row: number
  /** Length in floats of each array argument. In kernels, local n holds the address of argument n, the next the output's. */
  readonly lengths: ReadonlyArray<number>
}

/** The generator for all that does not depend on a kernel's grid; `webasmNode` adds the stores. */
export class WebasmExpressions extends WebAssemblyFunctionNode<Module> {
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
    this.vInteger(division.left)
    this.em.localSet(a)
    this.vInteger(division.right)
    this.em.localTee(b).localGet(b).v128ConstI32x4(0, 0, 0, 0).i32x4Eq().i32x4Sub().localSet(b)
    for (const lane of [0, 1, 2, 3]) {
      this.em.localGet(a).i32x4ExtractLane(lane).localGet(b).i32x4ExtractLane(lane)
      if (division.operator === '/') this.em.i32DivS()
      else this.em.i32RemS()
      if (lane === 0) this.em.i32x4Splat()
      else this.em.i32x4ReplaceLane(lane)
    }
    return 'vi32'
  }

  private vInteger(ast: Ast): void {
    if (this.vInfo.exprVarying(ast)) {
      this.vEmitIndex(ast)
      return
    }
    this.emitIndex(ast)
    this.em.i32x4Splat()
  }

  override stmtVariableDeclaration(ast: Ast): void {
    const [declaration, ...more] = ast.declarations ?? []
    const init = declaration?.init
    const name = declaration?.id?.name
    if (init === undefined || name === undefined || more.length > 0 || this.getType(init) !== 'Integer') {
      super.stmtVariableDeclaration(ast)
      return
    }
    this.declareInteger(declaration)
    this.setScalarLocal(name, 'i32', 'Integer', () => {
      this.emitIndex(init)
    })
    if (this.isThreadDependent(init)) this.taintedLocals.add(name)
  }

  override vDeclareVarying(declaration: Ast, statement: Ast): void {
    const { init, id } = declaration
    if (init === undefined || id?.name === undefined || this.getType(init) !== 'Integer') {
      super.vDeclareVarying(declaration, statement)
      return
    }
    this.declareInteger(declaration)
    // Under a mask some lanes keep what the local held before.
    if (statement.kind === 'const' && this.vMaskDepth === 0) this.strides.set(id.name, this.stride(init))
    this.vSetVaryingScalar(id.name, 'vi32', 'Integer', () => {
      this.vInteger(init)
    })
  }

  private declareInteger(declaration: Ast | undefined): void {
    const info = declaration?.id === undefined ? null : this.getDeclaration(declaration.id)
    if (info !== null) info.valueType = 'Integer'
  }

  // ------------------------------------------------------------ differences between lanes

  /** Whether gpu.js is asking at the moment which expressions differ between lanes. */
  private comparingLanes = false

  /**
   * gpu.js takes the result of any helper to differ between lanes, as its helpers may read this.thread. Ours may
   * not, so a call differs where its arguments do. That is gpu.js's rule for Math, so calls are passed off as Math.
   */
  override vAnalyze(ast: Ast): Variance {
    const comparing = <A>(ask: () => A): A => {
      const before = this.comparingLanes
      this.comparingLanes = true
      try {
        return ask()
      } finally {
        this.comparingLanes = before
      }
    }
    const found = comparing(() => super.vAnalyze(ast))
    return {
      ...found,
      exprVarying: (node) => comparing(() => found.exprVarying(node)),
      hasVaryingExit: (node, under) => comparing(() => found.hasVaryingExit(node, under)),
    }
  }

  override isAstMathFunction(ast: Ast): boolean {
    const callee = ast.callee
    if (!this.comparingLanes || callee?.type !== 'Identifier') return super.isAstMathFunction(ast)
    // gpu.js asks next whether this is Math.random, by a field that the name of a helper does not have.
    if (callee.property === undefined) Object.assign(callee, { property: { name: '' } })
    return true
  }

  // ------------------------------------------------------------ reads

  /** Turns the flat index on the stack into a byte address. */
  private emitAddress(name: string, ast: Ast): void {
    const base = this.argumentNames.indexOf(name)
    if (base === -1 || !this.isRootKernel) throw this.astErrorOutput(`"${name}" is not an array argument of the kernel`, ast)
    this.em.i32Const(2).i32Shl().localGet(base).i32Add()
  }

  override emitFlatLoad(_table: string, name: string, x: Ast, y: Ast | null, _z: Ast | null, ast: Ast): string {
    if (y) throw this.astErrorOutput('arrays are flat: one index', ast)
    this.emitIndex(x)
    // Predicated code reads for lanes that are switched off, too; their index may be anything.
    if (this.vec && this.vMaskDepth > 0) this.emitClampScalarIndex(this.lengthOf(name) - 1)
    this.emitAddress(name, ast)
    this.em.f32Load(0)
    return 'f32'
  }

  private lengthOf(name: string): number {
    return this.assembler?.lengths[this.argumentNames.indexOf(name)] ?? 1
  }

  override vGather(_table: string, name: string, x: Ast, y: Ast | null, _z: Ast | null, ast: Ast): string {
    if (y) throw this.astErrorOutput('arrays are flat: one index', ast)
    const last = this.lengthOf(name) - 1
    if (this.vMaskDepth === 0 && this.stride(x) === 1) {
      this.emitFirstLane(x)
      this.emitAddress(name, ast)
      this.em.v128Load(0, 2)
      return 'vf32'
    }
    const index = this.em.addLocal('v128')
    this.vEmitIndex(x)
    this.em.v128ConstI32x4(0, 0, 0, 0).i32x4MaxS().v128ConstI32x4(last, last, last, last).i32x4MinS().localSet(index)
    for (const lane of [0, 1, 2, 3]) {
      this.em.localGet(index).i32x4ExtractLane(lane)
      this.emitAddress(name, ast)
      this.em.f32Load(0)
      if (lane === 0) this.em.f32x4Splat()
      else this.em.f32x4ReplaceLane(lane)
    }
    return 'vf32'
  }

  /** How much an integer expression grows from one SIMD lane to the next; NaN where that is not plain to see. */
  private stride(ast: Ast): number {
    if (!this.vInfo.exprVarying(ast)) return 0
    if (this.getType(ast) !== 'Integer') return NaN
    const { left, right, operator } = ast
    if (ast.type === 'MemberExpression') return this.getMemberExpressionDetails(ast)?.signature === 'this.thread.value' ? 1 : NaN
    if (ast.type === 'Identifier') return ast.name === undefined ? NaN : (this.strides.get(ast.name) ?? NaN)
    if (ast.type !== 'BinaryExpression' || left === undefined || right === undefined) return NaN
    if (operator === '+') return this.stride(left) + this.stride(right)
    if (operator === '-') return this.stride(left) - this.stride(right)
    if (operator === '|' && right.value === 0) return this.stride(left)
    if (operator === '*' && typeof right.value === 'number') return this.stride(left) * right.value
    if (operator === '*' && typeof left.value === 'number') return left.value * this.stride(right)
    return NaN
  }

  /** Strides of the constants declared so far. gpu.js knows locals by name alone, so a name is never shadowed. */
  private readonly strides = new Map<string, number>()

  /** An index whose lanes differ, for the first lane alone: scalar code, which SIMD code then need not take apart. */
  private emitFirstLane(ast: Ast): void {
    const { left, right, operator } = ast
    if (!this.vInfo.exprVarying(ast)) this.emitIndex(ast)
    else if (ast.type === 'MemberExpression') this.em.globalGet(this.assembler?.globals.threadX ?? 0)
    else if (ast.type === 'BinaryExpression' && left !== undefined && right !== undefined && operator !== '|') {
      this.emitFirstLane(left)
      this.emitFirstLane(right)
      if (operator === '+') this.em.i32Add()
      else if (operator === '-') this.em.i32Sub()
      else this.em.i32Mul()
    } else {
      this.vEmitIndex(ast)
      this.em.i32x4ExtractLane(0)
    }
  }
}
