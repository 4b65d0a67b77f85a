/** Element-wise primitives: ONNX's operators repeat thin axes themselves, so a result is thin where all arguments are. */
import * as E from 'fp-ts/lib/Either.js'
import { elementwise as e } from '../../../ops/elementwise.ts'
import type { Builder, Value } from './builder.ts'
import { castTo } from './builder.ts'
import type { Operator, Site } from './operator.ts'
import { operator, unsayable } from './operator.ts'

const thinnest = (s: Site): ReadonlySet<number> => new Set(s.shape.flatMap((_, a) => (s.args.every((v) => v.thin.has(a)) ? [a] : [])))

const result = (s: Site, name: string): Value => ({ name, dtype: s.dtype, shape: s.shape, thin: thinnest(s) })

/** One operator or a few on the arguments as they are. */
const each =
  (make: (b: Builder, names: ReadonlyArray<string>, s: Site) => string): Operator =>
  (s) =>
    E.right(
      result(
        s,
        make(
          s.b,
          s.args.map((v) => v.name),
          s,
        ),
      ),
    )

const plain = (type: string): Operator => each((b, names) => b.node(type, names))

/** Another operator for bools than for numbers. */
const onBools = (type: string, why: string): Operator => {
  const [bools, numbers] = [plain(type), unsayable(why)]
  return (s) => (s.args[0].dtype === 'bool' ? bools : numbers)(s)
}

const bitwise = (what: string): string => `${what} of the bits of i32, which ONNX has from opset 18 on`

/** Shifts are of unsigned numbers alone. */
const shift = (direction: string): Operator =>
  each((b, names) =>
    castTo(
      b,
      b.node(
        'BitShift',
        names.map((n) => castTo(b, n, 'u32')),
        { direction },
      ),
      'i32',
    ),
  )

export const arithmetic = {
  neg: plain('Neg'),
  exp: plain('Exp'),
  log: plain('Log'),
  sqrt: plain('Sqrt'),
  rsqrt: each((b, names) => b.node('Reciprocal', [b.node('Sqrt', names)])),
  tanh: plain('Tanh'),
  erf: plain('Erf'),
  sin: plain('Sin'),
  cos: plain('Cos'),
  abs: plain('Abs'),
  floor: plain('Floor'),
  not: plain('Not'),
  add: plain('Add'),
  sub: plain('Sub'),
  mul: plain('Mul'),
  div: plain('Div'),
  min: plain('Min'),
  max: plain('Max'),
  lt: plain('Less'),
  le: plain('LessOrEqual'),
  eq: plain('Equal'),
  and: onBools('And', bitwise('and')),
  or: onBools('Or', bitwise('or')),
  xor: onBools('Xor', bitwise('xor')),
  shl: shift('LEFT'),
  shr: shift('RIGHT'),
  // Div rounds towards zero: one less where that was upwards
  idiv: each((b, [x, y]) => {
    const q = b.node('Div', [x, y])
    return b.node('Sub', [q, castTo(b, b.node('Less', [x, b.node('Mul', [q, y])]), 'i32')])
  }),
  mod: plain('Mod'),
  select: plain('Where'),
  cast: operator(e.cast, (s) => each((b, [x], { dtype }) => castTo(b, x, dtype))(s)),
  // a name for what is there already
  stopGradient: (s: Site) => E.right(s.args[0]),
}
