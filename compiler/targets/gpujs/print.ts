/**
 * A fused kernel in gpu.js's language: one thread for a small block of elements. A matrix product is blocked by
 * computing several rows and columns in one thread: the rows' reads are then shared among the columns and the reverse,
 * because the terms are hash-consed. No kernel is recognised by name.
 *
 * Storage: f32 as it is; bool as 0 or 1; i32 as two neighbouring floats, its upper and lower 16 bits, exact in every mode.
 */
import type { UnaryName } from '../../../core/scalar.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { hoistOffsets, nest } from '../../kernel/nest.ts'
import type { Statement } from '../../kernel/nest.ts'
import type { Reduce, Term, Var } from '../../kernel/term.ts'
import { termsOf } from '../../kernel/term.ts'
import { ofMath } from '../javascript.ts'
import type { KernelSource } from './kernel.ts'
import { expand } from './expand.ts'
import { helpersIn } from './helpers.ts'
import { floatsOf } from './storage.ts'

/** The block that a thread computes: more than one element only where reads under a reduction are then shared. */
const blockOf = (k: Kernel, widest: readonly [number, number]): readonly [number, number] => {
  const x = k.loops[k.loops.length - 1]
  const y = k.loops[k.loops.length - 2]
  if (x === undefined || k.writes[0].dtype !== 'f32') return [1, 1]
  const terms = termsOf([k.writes[0].value])
  const reads = terms
    .filter((t) => t._tag === 'Reduce')
    .flatMap((t) => termsOf([t.body]).filter((r) => r._tag === 'Read' && (r.vars & t.variable.vars) !== 0))
  const free = (v: Var | undefined): boolean => v !== undefined && reads.some((r) => (r.vars & v.vars) === 0)
  // as few blocks as the widest would give, as evenly filled as can be
  const even = (extent: number, most: number): number => Math.ceil(extent / Math.ceil(extent / most))
  return [free(x) ? even(x.extent, widest[0]) : 1, y !== undefined && free(y) ? even(y.extent, widest[1]) : 1]
}

const float = (v: number): string => {
  if (v === Infinity) return 'Infinity'
  if (v === -Infinity) return '(-Infinity)'
  return v < 0 || Object.is(v, -0) ? `(-${Math.abs(v)})` : `${v}`
}

/** Functions of floats. What gpu.js does not have has been written out by then (expand.ts); `not` is of conditions. */
const unaries: { readonly [N in UnaryName]: (x: string) => string } = {
  neg: (x) => `(0 - ${x})`,
  abs: (x) => `Math.abs(${x})`,
  not: (x) => `(1 - ${x})`,
  ...ofMath,
}

/** Prints terms; `names` are what is bound already. */
const printer = (names: ReadonlyMap<Term, string>) => {
  const named = (t: Term, text: () => string): string => names.get(t) ?? text()
  const wrap = (text: string): string => `((${text}) | 0)`

  const condition = (t: Term): string => {
    const name = names.get(t)
    if (name !== undefined) return `(${name} > 0.5)`
    if (t._tag === 'Binary') {
      const of = t.x.dtype === 'bool' ? condition : value
      const [x, y] = [of(t.x), of(t.y)]
      if (t.op === 'lt') return `(${x} < ${y})`
      if (t.op === 'le') return `(${x} <= ${y})`
      if (t.op === 'and') return `(${x} && ${y})`
      if (t.op === 'or') return `(${x} || ${y})`
      if (t.op === 'eq' && t.x.dtype !== 'bool') return `(${x} == ${y})`
      return t.op === 'eq' ? `(${value(t.x)} == ${value(t.y)})` : `(${value(t.x)} != ${value(t.y)})`
    }
    if (t._tag === 'Unary') return `(${value(t.x)} < 0.5)`
    if (t._tag === 'Cast') return `(${value(t.x)} != 0)`
    if (t._tag === 'Select') return `((${condition(t.when)} ? ${value(t.x)} : ${value(t.y)}) > 0.5)`
    if (t._tag === 'Num') return t.value === 0 ? '(1 < 0)' : '(0 < 1)'
    return `(${value(t)} > 0.5)`
  }

  const integer = (t: Term): string => {
    switch (t._tag) {
      case 'Num':
        return `(${t.value}|0)`
      case 'Affine':
        return `(${[...t.terms.map(([x, k]) => (k === 1 ? value(x) : k === -1 ? `(0 - ${value(x)})` : `${k < 0 ? `(${k})` : k} * ${value(x)}`)), ...(t.constant === 0 ? [] : [t.constant < 0 ? `(${t.constant})` : `${t.constant}`])].join(' + ')})`
      case 'Assume':
        return value(t.x)
      case 'Read':
        return `intOf(a${t.buffer}[2 * ${value(t.offset)}], a${t.buffer}[2 * ${value(t.offset)} + 1])`
      case 'Unary':
        return t.op === 'abs' ? `absInt(${value(t.x)})` : wrap(`0 - ${value(t.x)}`)
      case 'Cast':
        return t.x.dtype === 'bool' ? `(${condition(t.x)} ? (1|0) : (0|0))` : `truncate(${value(t.x)})`
      case 'Select':
        return `(${condition(t.when)} ? ${value(t.x)} : ${value(t.y)})`
      case 'Binary': {
        const [x, y] = [value(t.x), value(t.y)]
        switch (t.op) {
          case 'add':
            return wrap(`${x} + ${y}`)
          case 'sub':
            return wrap(`${x} - ${y}`)
          case 'mul':
            return `mulInt(${x}, ${y})`
          case 'and':
            return `(${x} & ${y})`
          case 'or':
            return `(${x} | ${y})`
          case 'xor':
            return `(${x} ^ ${y})`
          case 'shl':
            return `(${x} << ${y})`
          case 'shr':
            return wrap(`${x} >>> ${y}`)
          case 'min':
            return `minInt(${x}, ${y})`
          case 'max':
            return `maxInt(${x}, ${y})`
          // both are exact on native integers; only a negative numerator rounds the other way
          case 'idiv':
            return t.x.lo >= 0 && t.y._tag === 'Num' ? `((${x} / ${t.y.value}) | 0)` : `floorDiv(${x}, ${y})`
          default:
            return t.x.lo >= 0 && t.y._tag === 'Num' ? `((${x} % ${t.y.value}) | 0)` : `floorMod(${x}, ${y})`
        }
      }
      default:
        return `k${t.id}`
    }
  }

  const floating = (t: Term): string => {
    switch (t._tag) {
      case 'Num':
        return float(t.value)
      case 'Read':
        return `a${t.buffer}[${value(t.offset)}]`
      case 'Cast':
        return t.x.dtype === 'i32' ? `floatOf(${value(t.x)})` : value(t.x)
      case 'Select':
        return `(${condition(t.when)} ? ${value(t.x)} : ${value(t.y)})`
      case 'Unary': {
        return unaries[t.op](value(t.x))
      }
      case 'Binary': {
        const [x, y] = [value(t.x), value(t.y)]
        const sign: { readonly [op: string]: string } = { add: '+', sub: '-', mul: '*', div: '/' }
        return sign[t.op] === undefined ? `Math.${t.op}(${x}, ${y})` : `(${x} ${sign[t.op]} ${y})`
      }
      default:
        return `k${t.id}`
    }
  }

  const value = (t: Term): string =>
    named(t, () =>
      t._tag === 'Var'
        ? `v${t.index}`
        : t.dtype === 'i32'
          ? integer(t)
          : t.dtype === 'bool'
            ? t._tag === 'Read'
              ? floating(t)
              : `(${condition(t)} ? 1 : 0)`
            : floating(t),
    )
  return value
}

/** Statements as text. `names` grows with what gets bound. */
const printAll = (statements: ReadonlyArray<Statement>, names: Map<Term, string>, indent: string): ReadonlyArray<string> => {
  const value = printer(names)
  return statements.flatMap((s) => {
    if (s._tag === 'Let') {
      const line = `${indent}const t${s.term.id} = ${value(s.term)};`
      names.set(s.term, `t${s.term.id}`)
      return [line]
    }
    const v = s.variable
    const lines = [
      ...s.reductions.flatMap((r) => startOf(r).map((l) => `${indent}${l}`)),
      `${indent}for (let v${v.index} = 0; v${v.index} < ${v.extent}; v${v.index}++) {`,
      ...printAll(s.body, names, `${indent}  `),
      ...s.reductions.flatMap((r) => stepOf(r, printer(names)(r.body)).map((l) => `${indent}  ${l}`)),
      `${indent}}`,
    ]
    for (const r of s.reductions) names.set(r, `r${r.id}`)
    return lines
  })
}

const startOf = (r: Reduce): ReadonlyArray<string> =>
  r.op === 'argmax'
    ? [`let r${r.id} = 0|0;`, `let b${r.id} = ${r.body.dtype === 'i32' ? '0|0' : '(-Infinity)'};`]
    : r.dtype === 'i32'
      ? [`let r${r.id} = ${r.op === 'sum' ? '0|0' : '(-2147483648)|0'};`]
      : [`let r${r.id} = ${r.op === 'sum' ? '0' : '(-Infinity)'};`]

const stepOf = (r: Reduce, body: string): ReadonlyArray<string> => {
  if (r.op === 'sum') return [r.dtype === 'i32' ? `r${r.id} = ((r${r.id} + ${body}) | 0);` : `r${r.id} = r${r.id} + ${body};`]
  if (r.op === 'max') return [r.dtype === 'i32' ? `r${r.id} = maxInt(r${r.id}, ${body});` : `r${r.id} = Math.max(r${r.id}, ${body});`]
  const v = `v${r.variable.index}`
  return [`const c${r.id} = ${body};`, `if (c${r.id} > b${r.id} || ${v} == 0) { b${r.id} = c${r.id}; r${r.id} = ${v}; }`]
}

/** The loops' variables from the thread's position: the last along x, the one before along y, the others along z. */
const decode = (loops: ReadonlyArray<Var>, threadX: string, threadY: string): ReadonlyArray<string> => {
  const n = loops.length
  const lines: Array<string> = []
  if (n > 0) lines.push(`const ${threadX} = this.thread.x;`)
  if (n > 1) lines.push(`const ${threadY} = this.thread.y;`)
  let rest = 'this.thread.z'
  for (let i = n - 3; i >= 0; i--) {
    const v = `v${loops[i].index}`
    if (i === 0) lines.push(`const ${v} = ${rest};`)
    else {
      lines.push(`const ${v} = ((${rest} % ${loops[i].extent}) | 0);`, `const z${i} = ((${rest} / ${loops[i].extent}) | 0);`)
      rest = `z${i}`
    }
  }
  return lines
}

/** Names in order of appearance, so that a text does not tell which terms were made before it. */
const canonical = (source: string): string => {
  const names = new Map<string, string>()
  return source.replace(/\b[bcrtvz]\d+\b/g, (name) => {
    const known = names.get(name) ?? `${name[0]}${names.size}`
    names.set(name, known)
    return known
  })
}

/** The gpu.js kernel of a fused kernel with one output. `widest` is the block that the mode runs best. */
export const printKernel = (k: Kernel, widest: readonly [number, number]): KernelSource => {
  const { table, loops } = k
  const write = k.writes[0]
  const [bx, by] = blockOf(k, widest)
  const x = loops[loops.length - 1]
  const y = loops[loops.length - 2]
  const tx = x === undefined || bx === 1 ? x : table.variable(Math.ceil(x.extent / bx))
  const ty = y === undefined || by === 1 ? y : table.variable(Math.ceil(y.extent / by))
  const lanes: Array<Term> = []
  for (let j = 0; j < by; j++)
    for (let i = 0; i < bx; i++) {
      const map = new Map<Term, Term>()
      if (x !== undefined && tx !== x) map.set(x, table.affine([[tx, bx]], i))
      if (y !== undefined && ty !== y) map.set(y, table.affine([[ty, by]], j))
      lanes.push(table.replace(map, write.value))
    }
  const roots = hoistOffsets(table, expand(table, lanes))
  const names = new Map<Term, string>()
  const body = printAll(nest(roots), names, '  ')
  const value = printer(names)
  const results = roots.flatMap((r) =>
    write.dtype === 'i32' ? [`floatOf(${value(r)} >> 16)`, `floatOf(${value(r)} & 65535)`] : [value(r)],
  )
  const source = canonical(
    [
      `function(${k.reads.map((_, i) => `a${i}`).join(', ')}) {`,
      ...decode(loops, `v${tx?.index}`, `v${ty?.index}`).map((l) => `  ${l}`),
      ...body,
      results.length === 1 ? `  return ${results[0]};` : `  return [${results.join(', ')}];`,
      '}',
    ].join('\n'),
  )
  const wide = write.dtype === 'i32' ? 2 : 1
  const outer = loops.slice(0, -2).reduce((n, v) => n * v.extent, 1)
  const extents = [wide * (x?.extent ?? 1), ...(y === undefined ? [] : [y.extent]), ...(loops.length > 2 ? [outer] : [])]
  return {
    name: k.name,
    source,
    helpers: helpersIn(source),
    args: k.reads.map((b) => floatsOf(b.dtype, b.length)),
    output: extents,
    block: [wide * bx, by],
  }
}
