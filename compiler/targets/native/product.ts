/** A contraction as a product of packed operands (runtime/product.c): how to pack each side, and what to do with the sums. */
import type { Kernel } from '../../kernel/kernel.ts'
import { nest } from '../../kernel/nest.ts'
import type { Read, Term, Var } from '../../kernel/term.ts'
import type { Contraction } from './contraction.ts'
import { extentOf } from './contraction.ts'
import { pointers, storeTree } from './element.ts'
import { offsetText, ownText, strideAlong } from './print.ts'
import type { Target } from './statements.ts'
import { printAll } from './statements.ts'

/** Positions of variables from one count through all of them, the last fastest. */
const decoded = (vs: ReadonlyArray<Var>, from: string): ReadonlyArray<string> =>
  vs.map((v, i) => {
    const inner = extentOf(vs.slice(i + 1))
    return `const long v${v.index} = ${from}${inner === 1 ? '' : ` / ${inner}`}${i === 0 ? '' : ` % ${v.extent}`};`
  })

/** Extents and strides, neighbours that follow each other in memory taken together. */
const axesOf = (offset: Term, vs: ReadonlyArray<Var>): ReadonlyArray<readonly [number, number]> => {
  const axes: Array<readonly [number, number]> = []
  for (const v of vs) {
    const stride = strideAlong(offset, v) ?? 0
    const last = axes[axes.length - 1]
    if (last !== undefined && last[1] === v.extent * stride) axes[axes.length - 1] = [last[0] * v.extent, stride]
    else axes.push([v.extent, stride])
  }
  return axes
}

const axesText = (axes: ReadonlyArray<readonly [number, number]>): string =>
  `{${axes.length}, {${axes.map(([n]) => n).join(', ')}}, {${axes.map(([, s]) => s).join(', ')}}}`

/** A side that is one read of memory at an affine offset. */
const affineRead = (factors: ReadonlyArray<Term>, vs: ReadonlyArray<Var>): Read | undefined => {
  const [t] = factors
  if (factors.length !== 1 || t._tag !== 'Read') return undefined
  return vs.every((v) => strideAlong(t.offset, v) !== undefined) ? t : undefined
}

/** The initializer of an operand, and the function that it names. */
interface Source {
  readonly operand: string
  readonly lines: ReadonlyArray<string>
}

/** Memory at an offset that is affine in two groups of variables. */
const placed = (
  k: Kernel,
  c: Contraction,
  name: string,
  buffer: number,
  offset: Term,
  groups: readonly [ReadonlyArray<Var>, ReadonlyArray<Var>],
): Source => {
  const zero = groups.flat().map((v): readonly [Term, Term] => [v, k.table.num('i32', 0)])
  const lengths = [...k.reads, ...k.writes].map((b) => b.length)
  const scope = { names: new Map<Term, string>(), lane: undefined, shift: 0, lengths }
  return {
    operand: `{${name}, ${groups.map((vs) => axesText(axesOf(offset, vs))).join(', ')}, NULL}`,
    lines: [
      `static const float *${name}(void *const *b, long z) {`,
      ...decoded(c.batch, 'z').map((l) => `  ${l}`),
      `  return (const float *)b[${buffer}] + ${offsetText(scope, k.table.replace(new Map(zero), offset))};`,
      '}',
    ],
  }
}

/** One side's operand. */
const operandSource = (k: Kernel, c: Contraction, side: 'left' | 'right', name: string): Source => {
  const [factors, rows] = side === 'left' ? [c.left, c.rows] : [c.right, c.columns]
  const lengths = k.reads.map((b) => b.length)
  const scope = { names: new Map<Term, string>(), lane: undefined, shift: 0, lengths }
  const read = affineRead(factors, [...rows, ...c.summed])
  const axes = read === undefined ? undefined : [axesOf(read.offset, rows), axesOf(read.offset, c.summed)]
  if (read !== undefined && axes !== undefined && axes.every((a) => a.length <= 4))
    return placed(k, c, name, read.buffer, read.offset, [rows, c.summed])
  const value = factors.reduce((x, y) => k.table.binary('mul', x, y))
  return {
    operand: `{NULL, {0}, {0}, ${name}}`,
    lines: [
      `static void ${name}(void *const *b, long z, long from, long count, long k0, long kc, long width, float *panels) {`,
      ...pointers({ ...k, writes: [] }).map((l) => `  ${l}`),
      ...decoded(c.batch, 'z').map((l) => `  ${l}`),
      '  for (long r0 = 0; r0 < count; r0 += width)',
      '    for (long k = k0; k < k0 + kc; k++) {',
      ...decoded(c.summed, 'k').map((l) => `      ${l}`),
      '      for (long r = r0; r < r0 + width; r++, panels++) {',
      '        if (r >= count) { *panels = 0; continue; }',
      ...decoded(rows, '(from + r)').map((l) => `        ${l}`),
      `        *panels = ${ownText(scope, value)};`,
      '      }',
      '    }',
      '}',
    ],
  }
}

/** Takes finished sums of a strip through the rest of the kernel's expression to memory. */
const storeSource = (k: Kernel, c: Contraction, name: string): ReadonlyArray<string> => {
  const inner = c.columns[c.columns.length - 1]
  const outer = c.columns.slice(0, -1)
  const sums = k.reads.length + k.writes.length
  const finished = new Map<Term, Term>([c.sum, ...c.again.keys()].map((r) => [r, k.table.read(sums, 'f32', c.again.get(r) ?? inner)]))
  // what a row has one of is stored in a loop of one pass
  const once = k.table.variable(1)
  const { roots, stores } = storeTree(
    k.table,
    k.writes.map((w, i): readonly [Target, ReadonlyArray<Var>] => [
      { write: { ...w, value: k.table.replace(finished, w.value) }, buffer: k.reads.length + i },
      [(w.offset.vars & inner.vars) === 0 ? once : inner],
    ]),
  )
  const lengths = [...[...k.reads, ...k.writes].map((b) => b.length), inner.extent]
  const scope = { names: new Map<Term, string>(), lane: undefined, shift: 0, lengths }
  const body = printAll({ stores, bounds: new Map([[inner, { lo: 'lo', hi: 'hi', grain: 1 }]]) }, nest(roots), { scopes: [scope] })
  const columns =
    outer.length === 0
      ? ['  const long lo = n0, hi = n0 + nr;', `  const float *const b${sums} = sums + i * ld - n0;`, ...body.map((l) => `  ${l}`)]
      : [
          '  for (long n = n0; n < n0 + nr;) {',
          ...decoded(outer, `(n / ${inner.extent})`).map((l) => `    ${l}`),
          `    const long lo = n % ${inner.extent}, rest = n0 + nr - n, hi = lo + rest < ${inner.extent} ? lo + rest : ${inner.extent};`,
          `    const float *const b${sums} = sums + i * ld + (n - n0 - lo);`,
          ...body.map((l) => `    ${l}`),
          '    n += hi - lo;',
          '  }',
        ]
  return [
    `static void ${name}(void *const *b, long z, const float *sums, long ld, long m0, long mr, long n0, long nr) {`,
    ...pointers(k).map((l) => `  ${l}`),
    ...decoded(c.batch, 'z').map((l) => `  ${l}`),
    '  for (long i = 0; i < mr; i++) {',
    '    const long m = m0 + i;',
    ...decoded(c.rows, 'm').map((l) => `    ${l}`),
    ...columns.map((l) => `  ${l}`),
    '  }',
    '}',
  ]
}

/** Where the first tensor that has an element for every sum lies, its columns side by side; nothing where it is none of floats. */
const resultSource = (k: Kernel, c: Contraction, name: string): Source | undefined => {
  const at = k.writes.findIndex(({ offset, dtype }) => {
    const strides = [...c.rows, ...c.columns].map((v) => strideAlong(offset, v))
    return dtype === 'f32' && strides.every((s) => s !== undefined && s !== 0)
  })
  if (at < 0) return undefined
  const { offset } = k.writes[at]
  const [rows, columns] = [axesOf(offset, c.rows), axesOf(offset, c.columns)]
  if (rows.length > 4 || columns.length !== 1 || columns[0][1] !== 1) return undefined
  return placed(k, c, name, k.reads.length + at, offset, [c.rows, c.columns])
}

/** The function `name` of a kernel that is a contraction. */
export const productSource = (k: Kernel, c: Contraction, name: string): ReadonlyArray<string> => {
  const [left, right] = [operandSource(k, c, 'left', `${name}_left`), operandSource(k, c, 'right', `${name}_right`)]
  const result = resultSource(k, c, `${name}_result`)
  return [
    ...left.lines,
    ...right.lines,
    ...(result?.lines ?? []),
    ...storeSource(k, c, `${name}_store`),
    `static void ${name}(void *const *b, int t, int T, const Runtime *rt) {`,
    `  static const Product p = {${[c.batch, c.rows, c.columns, c.summed].map(extentOf).join(', ')}, ${left.operand}, ${right.operand}, ${name}_store, ${c.whole ? 1 : 0}, ${result?.operand ?? '{NULL}'}};`,
    '  rt->product(&p, b, t, T, rt);',
    '}',
  ]
}
