/**
 * One op as JavaScript: loops over the elements of the result, each computed from the op's `Scalar` in float64. Nothing
 * is fused and nothing is clever, so that it can be read beside `core/scalar.ts` and believed.
 */
import type { Apply } from '../../core/expr.ts'
import type { BinaryName, Scalar, UnaryName } from '../../core/scalar.ts'
import { partsOf } from '../../core/scalar.ts'
import type { DType, TensorType } from '../../core/type.ts'
import { showType, stridesOf } from '../../core/type.ts'
import { bfloat, erf, half, idiv, mod } from '../numerics.ts'

/** Fills `out` from the arguments, all row-major. */
export type Compute = (args: ReadonlyArray<Float64Array>, out: Float64Array) => void

export interface Kernel {
  readonly source: string
  readonly compute: Compute
}

interface Emitter {
  readonly args: ReadonlyArray<TensorType>
  /** A name that is new in this kernel. */
  readonly fresh: () => string
  /** Reductions that were computed before the loop they stand in. */
  readonly before: Map<Scalar, string>
}

const literal = (x: number): string => (Object.is(x, -0) ? '(-0)' : x < 0 ? `(${x})` : `${x}`)

/** Functions of floats as calls of Math; `erf`, which it has not, as one of a function of that name. */
export const ofMath = {
  exp: (x) => `Math.exp(${x})`,
  log: (x) => `Math.log(${x})`,
  sqrt: (x) => `Math.sqrt(${x})`,
  rsqrt: (x) => `(1 / Math.sqrt(${x}))`,
  tanh: (x) => `Math.tanh(${x})`,
  erf: (x) => `erf(${x})`,
  sin: (x) => `Math.sin(${x})`,
  cos: (x) => `Math.cos(${x})`,
  floor: (x) => `Math.floor(${x})`,
} as const satisfies { readonly [N in UnaryName]?: (x: string) => string }

const unaries: { readonly [N in UnaryName]: (x: string, dtype: DType) => string } = {
  neg: (x, dtype) => (dtype === 'i32' ? `(-${x} | 0)` : `(-${x})`),
  abs: (x, dtype) => (dtype === 'i32' ? `(Math.abs(${x}) | 0)` : `Math.abs(${x})`),
  not: (x) => `(1 - ${x})`,
  ...ofMath,
}

const binary = (op: BinaryName, dtype: DType, x: string, y: string): string => {
  switch (op) {
    case 'add':
      return dtype === 'i32' ? `(${x} + ${y} | 0)` : `(${x} + ${y})`
    case 'sub':
      return dtype === 'i32' ? `(${x} - ${y} | 0)` : `(${x} - ${y})`
    case 'mul':
      return dtype === 'i32' ? `Math.imul(${x}, ${y})` : `(${x} * ${y})`
    case 'div':
      return `(${x} / ${y})`
    case 'min':
    case 'max':
      return `Math.${op}(${x}, ${y})`
    case 'lt':
      return `(${x} < ${y} ? 1 : 0)`
    case 'le':
      return `(${x} <= ${y} ? 1 : 0)`
    case 'eq':
      return `(${x} === ${y} ? 1 : 0)`
    case 'and':
      return `(${x} & ${y})`
    case 'or':
      return `(${x} | ${y})`
    case 'xor':
      return `(${x} ^ ${y})`
    case 'shl':
      return `(${x} << ${y})`
    case 'shr':
      return `(${x} >>> ${y} | 0)`
    case 'idiv':
    case 'mod':
      return `${op}(${x}, ${y})`
  }
}

/** Rounded where the type is of 16 bits. */
const rounded = (dtype: DType, x: string): string => (dtype === 'f16' ? `half(${x})` : dtype === 'bf16' ? `bfloat(${x})` : x)

const converted = (from: DType, to: DType, x: string): string => {
  switch (to) {
    case 'f32':
      return x
    case 'f16':
    case 'bf16':
      return rounded(to, x)
    case 'bool':
      return from === 'bool' ? x : `(${x} !== 0 ? 1 : 0)`
    case 'i32':
      return from === 'i32' || from === 'bool' ? x : `(Math.trunc(${x}) | 0)`
  }
}

const readAt = (em: Emitter, s: Extract<Scalar, { _tag: 'Read' }>, lines: Array<string>): string => {
  const strides = stridesOf(em.args[s.arg].shape)
  const terms = s.index.flatMap((i, k) => {
    if (i._tag === 'Num' && i.value === 0) return []
    const position = emit(em, i, lines)
    return [strides[k] === 1 ? position : `${position} * ${strides[k]}`]
  })
  return `a${s.arg}[${terms.length === 0 ? '0' : terms.join(' + ')}]`
}

/** Only the chosen side runs: where a side needs statements of its own, they stand in a branch. */
const selected = (em: Emitter, s: Extract<Scalar, { _tag: 'Select' }>, lines: Array<string>): string => {
  const when = emit(em, s.when, lines)
  const [xs, ys]: [Array<string>, Array<string>] = [[], []]
  const [x, y] = [emit(em, s.x, xs), emit(em, s.y, ys)]
  if (xs.length === 0 && ys.length === 0) return `(${when} ? ${x} : ${y})`
  const v = em.fresh()
  lines.push(`let ${v}`, `if (${when}) {`, ...xs, `${v} = ${x}`, '} else {', ...ys, `${v} = ${y}`, '}')
  return v
}

const mentions = (s: Scalar, id: number): boolean => (s._tag === 'Bound' ? s.id === id : partsOf(s).some((x) => mentions(x, id)))

/**
 * Reductions under a scalar, outermost first, that are the same for every value of a variable. A select's sides may not be read outside
 * of it.
 */
const fixedUnder = (s: Scalar, id: number): ReadonlyArray<Scalar> =>
  s._tag === 'Reduce' && !mentions(s, id) ? [s] : s._tag === 'Select' ? [] : partsOf(s).flatMap((x) => fixedUnder(x, id))

const reduced = (em: Emitter, s: Extract<Scalar, { _tag: 'Reduce' }>, lines: Array<string>): string => {
  const known = em.before.get(s)
  if (known !== undefined) return known
  const fixed = fixedUnder(s.body, s.id).filter((x) => !em.before.has(x))
  for (const x of fixed) em.before.set(x, emit(em, x, lines))
  const name = looped(em, s, lines)
  for (const x of fixed) em.before.delete(x)
  return name
}

const looped = (em: Emitter, s: Extract<Scalar, { _tag: 'Reduce' }>, lines: Array<string>): string => {
  const acc = em.fresh()
  const inner: Array<string> = []
  const x = emit(em, s.body, inner)
  const loop = (begin: ReadonlyArray<string>, body: ReadonlyArray<string>): void => {
    lines.push(...begin, `for (let b${s.id} = 0; b${s.id} < ${s.extent}; b${s.id}++) {`, ...inner, ...body, '}')
  }
  switch (s.op) {
    case 'sum':
      loop([`let ${acc} = 0`], [s.dtype === 'i32' ? `${acc} = ${acc} + ${x} | 0` : `${acc} += ${x}`])
      return acc
    case 'max':
      loop([`let ${acc} = ${s.dtype === 'i32' ? -2147483648 : -Infinity}`], [`${acc} = Math.max(${acc}, ${x})`])
      return acc
    case 'argmax': {
      const [best, v] = [em.fresh(), em.fresh()]
      loop(
        [`let ${acc} = 0`, `let ${best} = -Infinity`],
        [`const ${v} = ${x}`, `if (${v} > ${best}) { ${best} = ${v}; ${acc} = b${s.id} }`],
      )
      return acc
    }
  }
}

/** The scalar as one JavaScript expression; what it needs to be computed before goes to `lines`. */
const emit = (em: Emitter, s: Scalar, lines: Array<string>): string => {
  switch (s._tag) {
    case 'Num':
      return literal(s.value)
    case 'Axis':
      return `i${s.axis}`
    case 'Bound':
      return `b${s.id}`
    case 'Read':
      return readAt(em, s, lines)
    case 'Unary':
      return unaries[s.op](emit(em, s.x, lines), s.dtype)
    case 'Binary':
      return binary(s.op, s.dtype, emit(em, s.x, lines), emit(em, s.y, lines))
    case 'Select':
      return selected(em, s, lines)
    case 'Cast':
      return converted(s.x.dtype, s.dtype, emit(em, s.x, lines))
    case 'Reduce':
      return reduced(em, s, lines)
  }
}

/** The kernel of one application: of its op and the types of its arguments, not of its place in a graph. */
export const kernelOf = (e: Apply): Kernel => {
  const args = e.args.map((a) => a.type)
  let names = 0
  const lines: Array<string> = []
  const value = emit({ args, fresh: () => `t${names++}`, before: new Map() }, e.op.lower(args, e.type), lines)
  const source = [
    `// ${e.op.key} (${args.map(showType).join(', ')}) : ${showType(e.type)}`,
    ...args.map((_, k) => `const a${k} = args[${k}]`),
    'let o = 0',
    ...e.type.shape.map((d, k) => `for (let i${k} = 0; i${k} < ${d}; i${k}++) {`),
    ...lines,
    `out[o++] = ${rounded(e.type.dtype, value)}`,
    ...e.type.shape.map(() => '}'),
  ].join('\n')
  const f = new Function('erf', 'half', 'bfloat', 'idiv', 'mod', 'args', 'out', source)
  return {
    source,
    compute: (inputs, out) => {
      f(erf, half, bfloat, idiv, mod, inputs, out)
    },
  }
}

/** Makes each distinct kernel once: equal ops on equal types share it. */
export const kernelCache = (): { readonly of: (e: Apply) => Kernel; readonly kernels: () => ReadonlyArray<Kernel> } => {
  const made = new Map<string, Kernel>()
  return {
    of: (e) => {
      const key = `${e.op.key} ${e.args.map((a) => showType(a.type)).join()}`
      const kernel = made.get(key) ?? kernelOf(e)
      made.set(key, kernel)
      return kernel
    },
    kernels: () => [...made.values()],
  }
}
