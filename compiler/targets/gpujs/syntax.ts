/** The points of the kernel language in which Dinograph is stricter than gpu.js, shared by all code generators. */
import { type Ast, FunctionBuilder, type FunctionNode } from './inside.ts'
import type { Grid, KernelSource } from './kernel.ts'

/** The expressions that a kernel's return statement gives, one per element of the thread's block. */
export const returnedElements = (node: FunctionNode, grid: Grid, ast: Ast): ReadonlyArray<Ast> => {
  const count = grid.block[0] * grid.block[1]
  const argument = ast.argument
  if (argument === undefined) throw node.astErrorOutput('a kernel must return a value', ast)
  const elements = argument.type === 'ArrayExpression' ? (argument.elements ?? []) : [argument]
  if (elements.length !== count) throw node.astErrorOutput(`the kernel returns ${elements.length} values where its block has ${count}`, ast)
  return elements
}

const isInteger = (node: FunctionNode, ast: Ast): boolean => {
  const type = node.getType(ast)
  return type === 'Integer' || type === 'LiteralInteger'
}

/** The two operands and the operator of an integer division. */
export interface IntegerDivision {
  readonly operator: '/' | '%'
  readonly left: Ast
  readonly right: Ast
}

/**
 * Recognises `(a / b) | 0` and `(a % b) | 0` over integers, which is how JavaScript says integer division. gpu.js
 * divides in f32, which is wrong past 2^24; the generators use the machine's integer division for this shape instead.
 */
export const integerDivision = (node: FunctionNode, ast: Ast): IntegerDivision | null => {
  const { left, right } = ast
  if (ast.type !== 'BinaryExpression' || ast.operator !== '|' || right?.type !== 'Literal' || right.value !== 0) return null
  if (left?.type !== 'BinaryExpression' || (left.operator !== '/' && left.operator !== '%')) return null
  if (left.left === undefined || left.right === undefined) return null
  if (!isInteger(node, left.left) || !isInteger(node, left.right)) return null
  return { operator: left.operator, left: left.left, right: left.right }
}

/** Runs gpu.js's front end over a kernel with the given code generator. */
export const translate = <N extends FunctionNode>(
  k: KernelSource,
  grid: Grid,
  node: new (source: string, settings: object) => N,
): FunctionBuilder<N> =>
  FunctionBuilder.fromKernel(
    {
      source: k.source,
      functions: k.helpers.map((h) => ({ ...h, argumentTypes: [...h.argumentTypes] })),
      output: grid.threads.slice(0, grid.rank),
      kernelArguments: k.args.map(() => ({ type: 'Array' })),
      kernelConstants: [],
      argumentNames: k.args.map((_, n) => `a${n}`),
      argumentSizes: k.args.map(() => null),
      argumentBitRatios: k.args.map(() => 4),
      constants: {},
      constantBitRatios: {},
      loopMaxIterations: loopMax,
      precision: 'single',
      plugins: [],
    },
    node,
  )

/** gpu.js silently cuts loops whose bound it cannot see at this count; its own default is 1000. */
export const loopMax = 2 ** 31 - 1
