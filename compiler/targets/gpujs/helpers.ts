/** Small functions that printed kernels call, in gpu.js's language; each kernel carries those that it names. */
import type { HelperSource } from './kernel.ts'

const helper = (
  name: string,
  returnType: 'Integer' | 'Float',
  argumentTypes: HelperSource['argumentTypes'],
  source: string,
): HelperSource => ({ name, source, argumentTypes, returnType })

const all: ReadonlyArray<HelperSource> = [
  helper('floatOf', 'Float', ['Integer'], 'function floatOf(i) { return i; }'),
  helper('truncate', 'Integer', ['Float'], 'function truncate(x) { return x | 0; }'),
  helper('intOf', 'Integer', ['Float', 'Float'], 'function intOf(high, low) { return (high << 16) | (low | 0); }'),
  helper('absInt', 'Integer', ['Integer'], 'function absInt(i) { if (i < 0) { return ((0 - i) | 0); } return i; }'),
  helper('minInt', 'Integer', ['Integer', 'Integer'], 'function minInt(a, b) { if (a < b) { return a; } return b; }'),
  helper('maxInt', 'Integer', ['Integer', 'Integer'], 'function maxInt(a, b) { if (a > b) { return a; } return b; }'),
  // the upper half first, so that no product exceeds 2^53 where numbers are doubles
  helper(
    'mulInt',
    'Integer',
    ['Integer', 'Integer'],
    'function mulInt(a, b) { return (((((a >> 16) * b) << 16) + (((a & 65535) * b) | 0)) | 0); }',
  ),
  helper(
    'floorDiv',
    'Integer',
    ['Integer', 'Integer'],
    'function floorDiv(a, b) { const q = ((a / b) | 0); const r = ((a - ((q * b) | 0)) | 0); if (r < 0) { return ((q - 1) | 0); } return q; }',
  ),
  helper(
    'floorMod',
    'Integer',
    ['Integer', 'Integer'],
    'function floorMod(a, b) { const r = ((a % b) | 0); if (r < 0) { return ((r + b) | 0); } return r; }',
  ),
]

/** The helpers that a kernel's text calls. */
export const helpersIn = (source: string): ReadonlyArray<HelperSource> => all.filter((h) => new RegExp(`\\b${h.name}\\(`).test(source))
