/**
 * Terms as C. A term that depends on the lane variable is a vector of its values at VW neighbouring positions, any other
 * one number; the runtime's headers have each function for both (`v_` and `s_`).
 *
 * ```
 * t = exp(b0[8 r + k] - b1[r])   with lanes along k:   v_exp((v_ldf(b0 + (8 * v0 + v1)) - bcf(s_ldf(b1 + v0))))
 * ```
 * Both sides of a select are computed, so a read whose range is not known to lie within its buffer is brought back
 * into it: its value is then never used, but its address exists.
 */
import type { UnaryName } from '../../../core/scalar.ts'
import type { DType, HalfType } from '../../../core/type.ts'
import { isHalf } from '../../../core/type.ts'
import type { Read, Term, Var } from '../../kernel/term.ts'

/** How an element type is computed: f16 and bf16 as f32, rounded. */
export type Kind = 'f' | 'i' | 'b'
export const kindOf = (d: DType): Kind => (d === 'i32' ? 'i' : d === 'bool' ? 'b' : 'f')

/** The runtime's names for floats of 16 bits: the suffix of loads and stores, and the rounding. */
const halves: { readonly [D in HalfType]: { readonly storage: string; readonly round: string } } = {
  f16: { storage: 'h', round: 'round16' },
  bf16: { storage: 'w', round: 'roundw' },
}

/** The suffix of the runtime's loads and stores. */
export const storageOf = (d: DType): string => (isHalf(d) ? halves[d].storage : kindOf(d))

const elements = { f32: 'float', f16: 'uint16_t', bf16: 'uint16_t', i32: 'int32_t', bool: 'uint8_t' }
export const elementOf = (d: DType): string => elements[d]

const types = { f: ['float', 'vf'], i: ['int32_t', 'vi'], b: ['int32_t', 'vi'] }
export const typeOf = (d: DType, vector: boolean): string => types[kindOf(d)][vector ? 1 : 0]

/** What printing needs to know: what is bound already, the lane variable, and which block of lanes this is. */
export interface Scope {
  readonly names: ReadonlyMap<Term, string>
  readonly lane: Var | undefined
  /** Several vectors may be computed side by side: this one is `shift` vectors further. */
  readonly shift: number
  /** Elements of each buffer. */
  readonly lengths: ReadonlyArray<number>
}

export const isVector = (s: Scope, t: Term): boolean => s.lane !== undefined && (t.vars & s.lane.vars) !== 0

export const number = (d: DType, x: number): string => {
  if (d === 'i32') return x === -2147483648 ? '(-2147483647 - 1)' : x < 0 ? `(${x})` : `${x}`
  if (d === 'bool') return x === 0 ? '0' : '1'
  if (Number.isNaN(x)) return 'NAN'
  const f = Math.fround(x)
  if (!Number.isFinite(f)) return f > 0 ? 'INFINITY' : '(-INFINITY)'
  const text = `${Math.abs(f)}`
  const written = `${/[.e]/.test(text) ? text : `${text}.0`}f`
  return f < 0 || Object.is(f, -0) ? `(-${written})` : written
}

/** The stride of an offset along a variable; undefined where it is no whole number of elements. */
export const strideAlong = (offset: Term, v: Var): number | undefined => {
  if ((offset.vars & v.vars) === 0) return 0
  if (offset === v) return 1
  if (offset._tag !== 'Affine') return undefined
  const mine = offset.terms.find(([t]) => t === v)
  return mine !== undefined && offset.terms.every(([t]) => t === v || (t.vars & v.vars) === 0) ? mine[1] : undefined
}

const position = (s: Scope, v: Var): string => (v === s.lane && s.shift > 0 ? `(v${v.index} + ${s.shift} * VW)` : `v${v.index}`)

/** An offset as one `long`; along the lane variable, that of the first lane. */
export const offsetText = (s: Scope, t: Term): string => {
  if (t._tag === 'Num') return `${t.value}`
  if (t._tag === 'Var') return position(s, t)
  if (t._tag !== 'Affine') return `(long)${scalarText({ ...s, lane: undefined }, t)}`
  const parts = t.terms.map(([x, k]) => (k === 1 ? offsetText(s, x) : `${k}L * ${offsetText(s, x)}`))
  return `(${[...parts, ...(t.constant === 0 ? [] : [`${t.constant}`])].join(' + ')})`
}

const readText = (s: Scope, t: Read): string => {
  const [k, length] = [storageOf(t.dtype), s.lengths[t.buffer]]
  const within = t.offset.lo >= 0 && t.offset.hi < length
  if (s.lane === undefined || !isVector(s, t)) {
    const at = offsetText(s, t.offset)
    return within ? `s_ld${k}(b${t.buffer} + ${at})` : `s_ld${k}(b${t.buffer} + s_clamp(${at}, ${length}))`
  }
  const stride = strideAlong(t.offset, s.lane)
  if (stride === undefined) return `v_ldg${k}(b${t.buffer}, ${vectorText(s, t.offset)}, ${length})`
  const at = offsetText(s, t.offset)
  if (!within) return `v_ldc${k}(b${t.buffer}, ${at}, ${stride}, ${length})`
  return stride === 1 ? `v_ld${k}(b${t.buffer} + ${at})` : `v_lds${k}(b${t.buffer} + ${at}, ${stride})`
}

const infix: Partial<Record<string, string>> = { add: '+', sub: '-', mul: '*', div: '/', lt: '<', le: '<=', eq: '==' }

/** Rounds where the term is of 16 bits. */
const rounded = (t: Term, p: string, text: string): string => (isHalf(t.dtype) ? `${p}${halves[t.dtype].round}(${text})` : text)

const affineText = (s: Scope, t: Extract<Term, { readonly _tag: 'Affine' }>, vector: boolean): string => {
  if (!vector) return `(int32_t)${offsetText(s, t)}`
  const moving = t.terms.filter(([x]) => isVector(s, x)).map(([x, k]) => (k === 1 ? vectorText(s, x) : `${vectorText(s, x)} * ${k}`))
  const fixed = t.terms.filter(([x]) => !isVector(s, x)).map(([x, k]) => `${k} * ${scalarText(s, x)}`)
  const rest = [...fixed, ...(t.constant === 0 ? [] : [`${t.constant}`])]
  return `(${[...moving, ...(rest.length === 0 ? [] : [`bci(${rest.join(' + ')})`])].join(' + ')})`
}

const castText = (s: Scope, t: Extract<Term, { readonly _tag: 'Cast' }>, vector: boolean): string => {
  const [x, from, to] = [ownText(s, t.x), kindOf(t.x.dtype), kindOf(t.dtype)]
  const p = vector ? 'v_' : 's_'
  if (from === to) return rounded(t, p, x)
  if (to === 'b') return `(${x} != 0)`
  if (to === 'i') return from === 'f' ? `${p}int(${x})` : vector ? `(-${x})` : x
  return rounded(t, p, vector ? `v_float(${from === 'b' ? `(-${x})` : x})` : `(float)${x}`)
}

/** `p` is the prefix of the runtime's functions: of vectors `v_`, of single numbers `s_`. */
const unaries: { readonly [N in UnaryName]: (x: string, p: 'v_' | 's_', kind: Kind) => string } = {
  neg: (x) => `(-${x})`,
  abs: (x, p, kind) => `${p}abs${kind}(${x})`,
  not: (x, p) => (p === 'v_' ? `(~${x})` : `(!${x})`),
  exp: (x, p) => `${p}exp(${x})`,
  log: (x, p) => `${p}log(${x})`,
  sqrt: (x, p) => `${p}sqrt(${x})`,
  rsqrt: (x, p) => `${p}rsqrt(${x})`,
  tanh: (x, p) => `${p}tanh(${x})`,
  erf: (x, p) => `${p}erf(${x})`,
  sin: (x, p) => `${p}sin(${x})`,
  cos: (x, p) => `${p}cos(${x})`,
  floor: (x, p) => `${p}floor(${x})`,
}

const unaryText = (s: Scope, t: Extract<Term, { readonly _tag: 'Unary' }>, vector: boolean): string => {
  const p = vector ? 'v_' : 's_'
  const text = unaries[t.op](ownText(s, t.x), p, kindOf(t.dtype))
  // changing a sign rounds nothing
  return t.op === 'neg' || t.op === 'not' ? text : rounded(t, p, text)
}

const binaryText = (s: Scope, t: Extract<Term, { readonly _tag: 'Binary' }>, vector: boolean): string => {
  const side = vector ? vectorText : scalarText
  const [x, y, p, kind] = [side(s, t.x), side(s, t.y), vector ? 'v_' : 's_', kindOf(t.x.dtype)]
  switch (t.op) {
    case 'and':
      return `(${x} & ${y})`
    case 'or':
      return `(${x} | ${y})`
    case 'xor':
      return `(${x} ^ ${y})`
    case 'min':
    case 'max':
      return `${p}${t.op}${kind}(${x}, ${y})`
    case 'idiv':
    case 'mod':
      // what is known not to be negative needs no rounding down
      return t.x.lo >= 0 && t.y._tag === 'Num' && t.y.value > 0 ? `(${x} ${t.op === 'mod' ? '%' : '/'} ${y})` : `${p}${t.op}(${x}, ${y})`
    case 'shl':
    case 'shr':
      return `${p}${t.op}(${x}, ${y})`
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
    case 'lt':
    case 'le':
    case 'eq':
      return rounded(t, p, `(${x} ${infix[t.op]} ${y})`)
  }
}

/** The term as it is: a vector where it depends on the lane variable, else one number. */
export const ownText = (s: Scope, t: Term): string => {
  const name = s.names.get(t)
  if (name !== undefined) return name
  const vector = isVector(s, t)
  switch (t._tag) {
    case 'Num':
      return number(t.dtype, t.value)
    case 'Var':
      return vector ? `(bci(${position(s, t)}) + IOTA)` : `(int32_t)v${t.index}`
    case 'Affine':
      return affineText(s, t, vector)
    case 'Read':
      return readText(s, t)
    case 'Unary':
      return unaryText(s, t, vector)
    case 'Binary':
      return binaryText(s, t, vector)
    case 'Cast':
      return castText(s, t, vector)
    case 'Assume':
      return `${vector ? 'v_' : 's_'}within(${ownText(s, t.x)}, ${t.lo}, ${t.hi})`
    case 'Select': {
      if (!vector) return `(${scalarText(s, t.when)} ? ${scalarText(s, t.x)} : ${scalarText(s, t.y)})`
      // a condition that all lanes share chooses a whole vector
      if (!isVector(s, t.when)) return `(${scalarText(s, t.when)} ? ${vectorText(s, t.x)} : ${vectorText(s, t.y)})`
      return `v_sel${kindOf(t.dtype) === 'f' ? 'f' : 'i'}(${vectorText(s, t.when)}, ${vectorText(s, t.x)}, ${vectorText(s, t.y)})`
    }
    // bound by its loop: every reduction has a name before it is read
    case 'Reduce':
      return `r${t.id}`
  }
}

/** The term as one number; it must not depend on the lane variable. */
export const scalarText = (s: Scope, t: Term): string => ownText(s, t)

/** The term as a vector: one number is repeated. */
export const vectorText = (s: Scope, t: Term): string => {
  if (isVector(s, t)) return ownText(s, t)
  const k = kindOf(t.dtype)
  return `bc${k === 'b' ? 'm' : k}(${ownText(s, t)})`
}
