/**
 * Sums over rows for a few columns (gradients of biases and of scales, norms): cutting the columns would leave threads little and have
 * each read strips of memory. So the rows are cut, into chunks whose number depends on the kernel alone; the thread that finishes last
 * adds the chunks' sums, always in the same order.
 *
 * ```
 * y[n] = f(sum over r of x[r, n])   →   p[c, n] = sum over r in chunk c of x[r, n];   y[n] = f(sum over c of p[c, n])
 * ```
 */
import type { Kernel } from '../../kernel/kernel.ts'
import { nest } from '../../kernel/nest.ts'
import type { Reduce, Term, Var } from '../../kernel/term.ts'
import { operandsOf, termsOf } from '../../kernel/term.ts'
import { chainOf } from './contraction.ts'
import { loopsOf, pointers, storeTree } from './element.ts'
import type { Span, Target } from './statements.ts'
import { printAll, runsAlongLanes } from './statements.ts'

/** Numbers that a kernel's parts may share: the runtime's SHARED. */
const room = 32768
/** Chunks, at most. */
const most = 16
/** Elements to sum, at least, before cutting pays. */
const least = 32768
/** Columns, at most, whose sums stay in registers while rows go by. */
const narrow = 192

/** Sums over the same rows, and the variables of those rows, outermost first. */
interface Group {
  readonly rows: ReadonlyArray<Var>
  readonly sums: ReadonlyArray<Reduce>
}

export interface Columns {
  readonly chunks: number
  /** The loop over columns; undefined where there is but one. */
  readonly column: Var | undefined
  readonly groups: ReadonlyArray<Group>
}

/** Reductions that are under no other. */
const outermostOf = (roots: ReadonlyArray<Term>): ReadonlyArray<Reduce> => {
  const found = new Set<Reduce>()
  const seen = new Set<Term>()
  const stack = [...roots]
  for (let t = stack.pop(); t !== undefined; t = stack.pop()) {
    if (seen.has(t)) continue
    seen.add(t)
    if (t._tag === 'Reduce') found.add(t)
    else stack.push(...operandsOf(t))
  }
  return [...found].sort((a, b) => a.id - b.id)
}

const groupsOf = (sums: ReadonlyArray<Reduce>): ReadonlyArray<Group> => {
  const groups = new Map<string, { readonly rows: ReadonlyArray<Var>; readonly sums: Array<Reduce> }>()
  for (const r of sums) {
    const { summed: rows } = chainOf(r)
    const key = rows.map((v) => v.index).join()
    const group = groups.get(key) ?? { rows, sums: [] }
    group.sums.push(r)
    groups.set(key, group)
  }
  return [...groups.values()]
}

/** Whether neighbouring columns lie side by side: else each sum reads its own run of memory. */
const isAcross = (k: Kernel, column: Var | undefined): boolean => {
  if (column === undefined) return true
  const { roots, stores } = storeTree(
    k.table,
    k.writes.map((write, i): readonly [Target, ReadonlyArray<Var>] => [{ write, buffer: k.reads.length + i }, [column]]),
  )
  return nest(roots).some((s) => s._tag === 'Loop' && s.variable === column && runsAlongLanes({ stores, bounds: new Map() }, s))
}

/** How a kernel's rows are cut, if they are. */
export const columnsOf = (k: Kernel): Columns | undefined => {
  if (k.whole !== undefined || k.loops.length > 1 || k.writes.some((w) => loopsOf(k, w).length < k.loops.length)) return undefined
  const column = k.loops.length === 0 ? undefined : k.loops[0]
  const n = column?.extent ?? 1
  const values = k.writes.map((w) => w.value)
  const sums = outermostOf(values)
  if (sums.length === 0 || sums.some((r) => r.op !== 'sum' || r.dtype !== 'f32' || (column !== undefined && (r.vars & column.vars) === 0)))
    return undefined
  const groups = groupsOf(sums)
  const rows = groups.reduce((m, g) => m + g.rows.reduce((e, v) => e * v.extent, g.sums.length), 0)
  const chunks = Math.min(most, Math.floor(room / (n * sums.length)), ...groups.map((g) => g.rows[0].extent))
  // terms name variables in masks of 32 bits
  if (rows * n < least || chunks < 2 || k.table.variables() + 4 > 32 || !isAcross(k, column)) return undefined
  // a variable that is cut must be that of no other reduction
  const cut = groups.map((g) => g.rows[0])
  const others = termsOf(values).filter((t): t is Reduce => t._tag === 'Reduce' && !sums.includes(t))
  return new Set(cut).size < cut.length || others.some((r) => cut.includes(r.variable)) ? undefined : { chunks, column, groups }
}

/** The function `name` of a kernel whose rows are cut. */
export const columnsSource = (k: Kernel, c: Columns, name: string): ReadonlyArray<string> => {
  const { table } = k
  const sums = c.groups.flatMap((g) => g.sums)
  const width = c.column?.extent ?? 1
  const shared = k.reads.length + k.writes.length
  const lengths = [...[...k.reads, ...k.writes].map((b) => b.length), c.chunks * sums.length * width]
  const print = (targets: ReadonlyArray<readonly [Target, ReadonlyArray<Var>]>, bounds: ReadonlyMap<Var, Span>): ReadonlyArray<string> => {
    const { roots, stores } = storeTree(table, targets)
    return printAll({ stores, bounds }, nest(roots), { scopes: [{ names: new Map(), lane: undefined, shift: 0, lengths }] })
  }
  const loops = c.column === undefined ? [table.variable(1)] : [c.column]
  const chunk = table.variable(c.chunks)
  const at = (r: Reduce): Term =>
    table.affine([[chunk, sums.length * width], ...(c.column === undefined ? [] : [[c.column, 1] as const])], sums.indexOf(r) * width)
  const store = (r: Reduce, value: Term): readonly [Target, ReadonlyArray<Var>] => [
    { write: { dtype: 'f32', length: lengths[shared], offset: at(r), value }, buffer: shared },
    loops,
  ]

  const summing = c.groups.flatMap((g) => {
    const [first, ...rest] = g.rows
    const range = (t: string): string => `share(${first.extent}, ${t}, ${c.chunks}, 1)`
    const [from, to] = [range(`v${chunk.index}`), range(`v${chunk.index} + 1`)]
    if (width <= narrow)
      return print(
        g.sums.map((r) => store(r, r)),
        new Map([[first, { lo: from, hi: to, grain: 1 }]]),
      )
    // a wide row is read from end to end, as memory likes it, and the sums wait near
    const body = print(
      g.sums.map((r) => store(r, table.binary('add', table.read(shared, 'f32', at(r)), chainOf(r).body))),
      new Map(),
    )
    return [
      `memset(b${shared} + v${chunk.index} * ${sums.length * width} + ${sums.indexOf(g.sums[0]) * width}, 0, ${g.sums.length * width} * sizeof(float));`,
      `for (long v${first.index} = ${from}, end = ${to}; v${first.index} < end; v${first.index}++)`,
      ...rest.map((v) => `for (long v${v.index} = 0; v${v.index} < ${v.extent}; v${v.index}++)`),
      '{',
      ...body.map((l) => `  ${l}`),
      '}',
    ]
  })
  const total = new Map(sums.map((r): readonly [Term, Term] => [r, table.reduce('sum', chunk, table.read(shared, 'f32', at(r)))]))
  const finishing = print(
    k.writes.map((write, i): readonly [Target, ReadonlyArray<Var>] => [
      { write: { ...write, value: table.replace(total, write.value) }, buffer: k.reads.length + i },
      loops,
    ]),
    new Map(),
  )
  return [
    `static void ${name}(void *const *b, int t, int T, const Runtime *rt) {`,
    ...[
      ...pointers(k),
      `float *const b${shared} = rt->shared;`,
      `for (long v${chunk.index} = share(${c.chunks}, t, T, 1); v${chunk.index} < share(${c.chunks}, t + 1, T, 1); v${chunk.index}++) {`,
      ...summing.map((l) => `  ${l}`),
      '}',
      'if (!rt->last(T)) return;',
      ...finishing,
    ].map((l) => `  ${l}`),
    '}',
  ]
}
