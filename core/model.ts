/**
 * Models are plain trees of declarations and a pure function over expressions of the same shape.
 *
 * ```ts
 * const linear = (i: number, o: number): Model<{ weight: Declaration; bias: Declaration }, Expr, Expr> => ({
 *   params: { weight: param([o, i], truncNormal(0.02)), bias: param([o], zeros) },
 *   apply: (_c, p) => (x) => add(matmulT(x, p.weight), p.bias),
 * })
 * ```
 */
import type { Expr } from './expr.ts'
import { invalid, labelScope, leaf, mark } from './expr.ts'
import type { MapTree } from './tree.ts'
import { flatten, join, mapTree } from './tree.ts'
import type { DType, Shape } from './type.ts'
import { tensorType } from './type.ts'

/** How a parameter is filled at first. `TruncNormal` is cut at two absolute, as PyTorch's `trunc_normal_` is. */
export type Init =
  | { readonly _tag: 'Constant'; readonly value: number }
  | { readonly _tag: 'Normal'; readonly std: number }
  | { readonly _tag: 'TruncNormal'; readonly std: number }
  | { readonly _tag: 'Uniform'; readonly bound: number }

export const constantInit = (value: number): Init => ({ _tag: 'Constant', value })
export const zeros: Init = constantInit(0)
export const ones: Init = constantInit(1)
export const normal = (std: number): Init => ({ _tag: 'Normal', std })
export const truncNormal = (std: number): Init => ({ _tag: 'TruncNormal', std })
/** Uniform in -bound .. bound. */
export const uniform = (bound: number): Init => ({ _tag: 'Uniform', bound })

/** A parameter before it has a value. `trainable: false` keeps it out of gradients and optimizer state for good. */
export interface Declaration {
  readonly _tag: 'Declaration'
  readonly dtype: DType
  readonly shape: Shape
  readonly init: Init
  readonly trainable: boolean
}

export const param = (shape: Shape, init: Init, trainable = true): Declaration => ({
  _tag: 'Declaration',
  dtype: 'f32',
  shape,
  init,
  trainable,
})

export const isDeclaration = (x: unknown): x is Declaration =>
  typeof x === 'object' && x !== null && '_tag' in x && x._tag === 'Declaration'

export const isExpr = (x: unknown): x is Expr =>
  typeof x === 'object' && x !== null && '_tag' in x && (x._tag === 'Leaf' || x._tag === 'Apply' || x._tag === 'Invalid')

/** The same tree with an expression for each declaration. */
export type Exprs<P> = MapTree<P, Declaration, Expr>

export const declarations = flatten(isDeclaration)
export const expressions = flatten(isExpr)

/** Parameters of a tree as leaves named `prefix.path`, living on the device between runs. */
export const leavesOf = <P>(prefix: string, params: P): Exprs<P> =>
  mapTree<P, Declaration, Expr>(
    isDeclaration,
    (d, path) => leaf(tensorType(d.dtype, d.shape), { _tag: 'Param', path: join(prefix, path) }),
    params,
  )

/** What a model needs to know besides its input: whether it is training, and where it stands. */
export interface Context {
  readonly mode: 'train' | 'eval'
  readonly scope: string
}

export const context = (mode: Context['mode'], scope = ''): Context => ({ mode, scope })

export interface Model<P, I, O> {
  readonly params: P
  readonly apply: (c: Context, p: Exprs<P>) => (input: I) => O
}

/**
 * Runs `body` one scope deeper: what it makes is printed, and explained in faults, under `scope.name`.
 * `O` may be one expression or any tree of them.
 */
export const inScope = <O>(c: Context, name: string | number, body: (c: Context) => O): O => {
  const inner: Context = { mode: c.mode, scope: join(c.scope, name) }
  const since = mark()
  const out = body(inner)
  labelScope(
    inner.scope,
    since,
    expressions(out).map(([, e]) => e),
  )
  return out
}

/** Applies a model in the scope `name`. */
export const call = <P, I, O>(m: Model<P, I, O>, c: Context, name: string | number, p: Exprs<P>, input: I): O =>
  inScope(c, name, (inner) => m.apply(inner, p)(input))

/** The same model with parameters that are known by their paths alone: models of different kinds are then of one type. */
export const byPath = <P, I, O>(m: Model<P, I, O>): Model<unknown, I, O> => ({
  params: m.params,
  apply: (c, p) => {
    const at = new Map(expressions(p))
    const named = mapTree<P, Declaration, Expr>(
      isDeclaration,
      (d, path) =>
        at.get(path) ??
        invalid(
          'byPath',
          'nothing',
          { allowed: `the parameter ${path}`, remedy: 'give the parameters of this model' },
          tensorType(d.dtype, d.shape),
        ),
      m.params,
    )
    return m.apply(c, named)
  },
})
