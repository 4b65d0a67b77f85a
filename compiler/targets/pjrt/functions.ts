/** Functions of elements in StableHLO: one entry for each, so that one that is missing does not compile. */
import type { BinaryName, UnaryName } from '../../../core/scalar.ts'
import type { DType } from '../../../core/type.ts'
import { tensorType } from '../../../core/type.ts'
import { typeText } from './syntax.ts'
import type { Operands, Writer, Written } from './writer.ts'

/** An operation whose arguments and result have one type. */
const same =
  (op: string): Written =>
  (x, w) =>
    w.emit(`stablehlo.${op} ${x.args.join(', ')} : ${typeText(x.out)}`)

const kinds: { readonly [D in DType]: string } = { f32: 'FLOAT', f16: 'FLOAT', bf16: 'FLOAT', i32: 'SIGNED', bool: 'UNSIGNED' }

/** The kind of comparison that elements of a type ask for. */
export const kindOf = (dtype: DType): string => kinds[dtype]

export const comparison =
  (how: 'LT' | 'LE' | 'EQ' | 'NE' | 'GT'): Written =>
  ({ args: [a, b], types: [t] }, w) =>
    w.emit(
      `stablehlo.compare ${how}, ${a}, ${b}, ${kindOf(t.dtype)} : (${typeText(t)}, ${typeText(t)}) -> ${typeText(tensorType('bool', t.shape))}`,
    )

export const chosen = (w: Writer, x: Operands['out'], when: string, yes: string, no: string): string =>
  w.emit(`stablehlo.select ${when}, ${yes}, ${no} : ${typeText(tensorType('bool', x.shape))}, ${typeText(x)}`)

/** XLA rounds towards zero: what differs where the remainder is negative, the divisor being positive. */
const floored =
  (of: 'divide' | 'remainder', change: (x: Operands, w: Writer, y: string) => string): Written =>
  (x, w) => {
    const y = same(of)(x, w)
    const rest = of === 'remainder' ? y : same('remainder')(x, w)
    const below = comparison('LT')({ ...x, args: [rest, w.splat(x.out, 0)] }, w)
    return chosen(w, x.out, below, change(x, w, y), y)
  }

export const functions: { readonly [N in UnaryName | BinaryName]: Written } = {
  neg: same('negate'),
  exp: same('exponential'),
  log: same('log'),
  sqrt: same('sqrt'),
  rsqrt: same('rsqrt'),
  tanh: same('tanh'),
  erf: ({ args: [a], out }, w) => w.emit(`chlo.erf ${a} : ${typeText(out)} -> ${typeText(out)}`),
  sin: same('sine'),
  cos: same('cosine'),
  abs: same('abs'),
  floor: same('floor'),
  not: same('not'),
  add: same('add'),
  sub: same('subtract'),
  mul: same('multiply'),
  div: same('divide'),
  min: same('minimum'),
  max: same('maximum'),
  lt: comparison('LT'),
  le: comparison('LE'),
  eq: comparison('EQ'),
  and: same('and'),
  or: same('or'),
  xor: same('xor'),
  shl: same('shift_left'),
  shr: same('shift_right_logical'),
  idiv: floored('divide', ({ out }, w, y) => same('subtract')({ args: [y, w.splat(out, 1)], types: [out, out], out }, w)),
  mod: floored('remainder', ({ args: [, b], out }, w, y) => same('add')({ args: [y, b], types: [out, out], out }, w)),
}
