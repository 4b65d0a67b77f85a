/** Small functions that printed kernels call, in gpu.js's language; each kernel carries those that it names. */
import type { HelperSource } from './kernel.ts'

const helper = (name: string, returnType: 'Integer' | 'Float', argumentTypes: HelperSource['argumentTypes'], source: string): HelperSource => ({ name, source, argumentTypes, returnType })

/** c0 + c1 x + c2 x^2 + … as text. */
const polynomial = (x: string, [first, ...rest]: ReadonlyArray<number>): string =>
  rest.length === 0 ? `(${first})` : `((${first}) + ${x} * ${polynomial(x, rest)})`

/**
 * erf in single precision, own least-squares fits: x P(x^2) up to 1 (relative error 2e-7), then 1 - Q(t) exp(-x^2) with
 * t = 1 / (1 + 0.4 x), the form of Abramowitz and Stegun 7.1.26 (absolute error 9e-8).
 */
const near = [1.12837917, -0.376126256, 0.112835822, -0.0268536911, 0.00518809889, -0.000800818933, 7.84725914e-5]
const far = [-0.00266568163, 0.257580974, 0.0623915516, 0.668467192, -0.59295805, 0.838273793, -0.231097912]
const erf = [
  'function erf(x) {',
  '  const a = Math.abs(x);',
  '  const s = x * x;',
  `  if (a <= 1) { return x * ${polynomial('s', near)}; }`,
  '  const t = 1 / (1 + 0.4 * a);',
  `  const e = 1 - ${polynomial('t', far)} * Math.exp(0 - s);`,
  '  return x < 0 ? (0 - e) : e;',
  '}',
].join('\n')

const all: ReadonlyArray<HelperSource> = [
  helper('erf', 'Float', ['Float'], erf),
  helper('floatOf', 'Float', ['Integer'], 'function floatOf(i) { return i; }'),
  helper('truncate', 'Integer', ['Float'], 'function truncate(x) { return x | 0; }'),
  helper('intOf', 'Integer', ['Float', 'Float'], 'function intOf(high, low) { return (high << 16) | (low | 0); }'),
  helper('absInt', 'Integer', ['Integer'], 'function absInt(i) { if (i < 0) { return ((0 - i) | 0); } return i; }'),
  helper('minInt', 'Integer', ['Integer', 'Integer'], 'function minInt(a, b) { if (a < b) { return a; } return b; }'),
  helper('maxInt', 'Integer', ['Integer', 'Integer'], 'function maxInt(a, b) { if (a > b) { return a; } return b; }'),
  // the upper half first, so that no product exceeds 2^53 where numbers are doubles
  helper('mulInt', 'Integer', ['Integer', 'Integer'],
    'function mulInt(a, b) { return (((((a >> 16) * b) << 16) + (((a & 65535) * b) | 0)) | 0); }'),
  helper('floorDiv', 'Integer', ['Integer', 'Integer'],
    'function floorDiv(a, b) { const q = ((a / b) | 0); const r = ((a - ((q * b) | 0)) | 0); if (r < 0) { return ((q - 1) | 0); } return q; }'),
  helper('floorMod', 'Integer', ['Integer', 'Integer'],
    'function floorMod(a, b) { const r = ((a % b) | 0); if (r < 0) { return ((r + b) | 0); } return r; }'),
]

/** The helpers that a kernel's text calls. */
export const helpersIn = (source: string): ReadonlyArray<HelperSource> => all.filter((h) => new RegExp(`\\b${h.name}\\(`).test(source))
