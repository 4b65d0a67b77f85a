/**
 * exp, log and tanh for four floats at a time. gpu.js calls JavaScript's Math once per element for them, which costs
 * more than all the rest of a softmax or a GELU. Polynomials after Cephes; errors stay below 2 ulp (tanh 3 ulp).
 */
import type { WasmFunctionEmitter, WasmModuleBuilder } from './inside.ts'

const names: ReadonlyMap<string, string> = new Map([
  ['exp', 'own_exp'],
  ['log', 'own_log'],
  ['tanh', 'own_tanh'],
])

/** The name of our function for a function of Math, null where gpu.js's own way is used. */
export const ownMath = (name: string): string | null => names.get(name) ?? null

const f = (em: WasmFunctionEmitter, v: number): WasmFunctionEmitter => em.v128ConstF32x4(v, v, v, v)
const i = (em: WasmFunctionEmitter, v: number): WasmFunctionEmitter => em.v128ConstI32x4(v, v, v, v)

/** Horner's scheme over the local x, the highest coefficient first; leaves the value on the stack. */
const polynomial = (em: WasmFunctionEmitter, x: number, [first = 0, ...rest]: ReadonlyArray<number>): void => {
  f(em, first)
  for (const c of rest) f(em.localGet(x).f32x4Mul(), c).f32x4Add()
}

const define = (module: WasmModuleBuilder, name: string): WasmFunctionEmitter =>
  module.addFunction(name, { params: ['v128'], results: ['v128'] })

/** e^x = 2^n·e^r with |r| <= ln2 / 2; 2^n in two halves, so that both ends of the range come out right. */
const defineExp = (module: WasmModuleBuilder): void => {
  const em = define(module, 'own_exp')
  const [x, n, r, half] = [0, em.addLocal('v128'), em.addLocal('v128'), em.addLocal('v128')]
  // pmin(a, b) is b < a ? b : a, which keeps a NaN in a.
  f(f(em.localGet(x), 104).f32x4Pmin(), -104)
    .f32x4Pmax()
    .localSet(x)
  f(em.localGet(x), 1.44269504088896341).f32x4Mul().f32x4Nearest().localSet(n)
  f(em.localGet(x).localGet(n), 0.693359375).f32x4Mul().f32x4Sub()
  f(em.localGet(n), -2.1219444e-4).f32x4Mul().f32x4Sub().localSet(r)
  polynomial(em, r, [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1])
  f(em.localGet(r).localGet(r).f32x4Mul().f32x4Mul().localGet(r).f32x4Add(), 1).f32x4Add()
  em.localGet(n).i32x4TruncSatF32x4S().localTee(n).i32Const(1).i32x4ShrS().localSet(half)
  i(em.localGet(half), 127).i32x4Add().i32Const(23).i32x4Shl().f32x4Mul()
  i(em.localGet(n).localGet(half).i32x4Sub(), 127).i32x4Add().i32Const(23).i32x4Shl().f32x4Mul()
}

/** log(m·2^e) = log m + e·ln2 with m in [sqrt(1/2), sqrt 2). */
const defineLog = (module: WasmModuleBuilder): void => {
  const em = define(module, 'own_log')
  const [x, e, m, small, given] = [0, em.addLocal('v128'), em.addLocal('v128'), em.addLocal('v128'), em.addLocal('v128')]
  em.localGet(x).localSet(given)
  // Numbers below the normal range are lifted into it by 2^23.
  f(em.localGet(x), 1.17549435e-38).f32x4Lt().localSet(small)
  f(em.localGet(x), 8388608).f32x4Mul().localGet(x).localGet(small).v128Bitselect().localSet(x)
  i(i(em.localGet(x).i32Const(23).i32x4ShrS(), 126).i32x4Sub().localGet(small), 23)
    .v128And()
    .i32x4Sub()
    .f32x4ConvertI32x4S()
    .localSet(e)
  i(i(em.localGet(x), 0x007fffff).v128And(), 0x3f000000)
    .v128Or()
    .localSet(m)
  f(em.localGet(m), 0.707106781186547524).f32x4Lt().localSet(small)
  f(em.localGet(e).localGet(small), 1).v128And().f32x4Sub().localSet(e)
  f(em.localGet(m).localGet(m).localGet(small).v128And().f32x4Add(), 1).f32x4Sub().localSet(m)
  polynomial(
    em,
    m,
    [
      7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1,
      -2.4999993993e-1, 3.3333331174e-1,
    ],
  )
  em.localGet(m).localGet(m).localGet(m).f32x4Mul().f32x4Mul().f32x4Mul()
  f(em.localGet(e), -2.1219444e-4).f32x4Mul().f32x4Add()
  f(em.localGet(m).localGet(m).f32x4Mul(), 0.5).f32x4Mul().f32x4Sub().localGet(m).f32x4Add()
  f(em.localGet(e), 0.693359375).f32x4Mul().f32x4Add().localSet(m)
  // What the polynomial does not know: infinity and NaN stay, zero is -infinity, negative numbers are NaN.
  em.localGet(given).localGet(m)
  f(em.localGet(given), Infinity).f32x4Eq().localGet(given).localGet(given).f32x4Ne().v128Or().v128Bitselect().localSet(m)
  f(em, -Infinity).localGet(m)
  f(em.localGet(given), 0).f32x4Eq().v128Bitselect().localSet(m)
  f(em, NaN).localGet(m)
  f(em.localGet(given), 0).f32x4Lt().v128Bitselect()
}

/** A polynomial near 0, 1 - 2 / (e^2x + 1) elsewhere. */
const defineTanh = (module: WasmModuleBuilder): void => {
  const em = define(module, 'own_tanh')
  const [x, z, near] = [0, em.addLocal('v128'), em.addLocal('v128')]
  em.localGet(x).localGet(x).f32x4Mul().localSet(z)
  polynomial(em, z, [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1])
  em.localGet(z).f32x4Mul().localGet(x).f32x4Mul().localGet(x).f32x4Add().localSet(near)
  em.localGet(near)
  f(f(f(em, 1), 2).localGet(x).localGet(x).f32x4Add().call('own_exp'), 1)
    .f32x4Add()
    .f32x4Div()
    .f32x4Sub()
  f(em.localGet(x).f32x4Abs(), 0.625).f32x4Lt().v128Bitselect()
}

/** Adds the functions to a module. */
export const defineMath = (module: WasmModuleBuilder): void => {
  defineExp(module)
  defineLog(module)
  defineTanh(module)
}
