/** A fused kernel as a C function: its loops, the outermost shared among threads. */
import type { Kernel, Write } from '../../kernel/kernel.ts'
import { nest } from '../../kernel/nest.ts'
import type { TermTable } from '../../kernel/table.ts'
import type { Term, Var } from '../../kernel/term.ts'
import { elementOf } from './print.ts'
import type { Statement } from '../../kernel/nest.ts'
import type { Target, Tree } from './statements.ts'
import { marker, printAll, runsAlongLanes } from './statements.ts'

/** The loops that a write runs in: those of its offset. */
export const loopsOf = (k: Kernel, w: Write): ReadonlyArray<Var> => k.loops.filter((v) => (w.offset.vars & v.vars) !== 0)

/** The buffers of a kernel as typed pointers. */
export const pointers = (k: Kernel): ReadonlyArray<string> => [
  ...k.reads.map((b, i) => `const ${elementOf(b.dtype)} *const b${i} = b[${i}];`),
  ...k.writes.map((w, i) => `${elementOf(w.dtype)} *const b${k.reads.length + i} = b[${k.reads.length + i}];`),
]

/** The writes as pseudo-reductions over their loops, so that `nest` binds what each loop shares. */
export const storeTree = (
  table: TermTable,
  targets: ReadonlyArray<readonly [Target, ReadonlyArray<Var>]>,
): { readonly roots: ReadonlyArray<Term>; readonly stores: Tree['stores'] } => {
  const stores = new Map<Term, ReadonlyArray<Target>>()
  const roots = new Set<Term>()
  for (const [target, loops] of targets) {
    // the marker depends on every loop of the write, whatever its value depends on
    const { offset, value } = target.write
    const place = table.affine(
      [[offset, 1], ...loops.flatMap((v): ReadonlyArray<readonly [Term, number]> => ((offset.vars & v.vars) === 0 ? [[v, 1]] : []))],
      0,
    )
    let t: Term = table.binary('add', table.read(marker + target.buffer, 'f32', place), table.cast('f32', value))
    ;[...loops].reverse().forEach((v, i) => {
      t = table.reduce('sum', v, t)
      const old = stores.get(t) ?? []
      stores.set(t, i === 0 ? [...old, target] : old)
    })
    roots.add(t)
  }
  return { roots: [...roots], stores }
}

const outermost = (statements: ReadonlyArray<Statement>): Extract<Statement, { readonly _tag: 'Loop' }> | undefined =>
  statements.findLast((s) => s._tag === 'Loop')

/** The function `name` of a kernel. */
export const elementSource = (k: Kernel, name: string): ReadonlyArray<string> => {
  const targets = k.writes.map((write, i): readonly [Target, ReadonlyArray<Var>] => [
    { write, buffer: k.reads.length + i },
    loopsOf(k, write),
  ])
  const { roots, stores } = storeTree(k.table, targets)
  const lengths = [...k.reads, ...k.writes].map((b) => b.length)
  const scope = { names: new Map<Term, string>(), lane: undefined, shift: 0, lengths }
  const head = `static void ${name}(void *const *b, int t, int T, const Runtime *rt) {`
  const outer = k.loops[0]
  if (outer === undefined) {
    // one element: a loop of one pass, by the first part alone, as its old value may be read in its place
    const v = k.table.variable(1)
    const one = storeTree(
      k.table,
      targets.map(([t]) => [t, [v]]),
    )
    const tree: Tree = { stores: one.stores, bounds: new Map() }
    return [
      head,
      '  if (t > 0) return;',
      ...[...pointers(k), ...printAll(tree, nest(one.roots), { scopes: [scope] })].map((l) => `  ${l}`),
      '}',
    ]
  }
  const statements = nest(roots)
  const top = outermost(statements)
  const grain = top !== undefined && runsAlongLanes({ stores, bounds: new Map() }, top) ? 64 : 1
  const tree: Tree = { stores, bounds: new Map([[outer, { lo: 'lo', hi: 'hi', grain }]]) }
  const bounds = [`const long lo = share(${outer.extent}, t, T, ${grain}), hi = share(${outer.extent}, t + 1, T, ${grain});`]
  return [head, ...[...pointers(k), ...bounds, ...printAll(tree, statements, { scopes: [scope] })].map((l) => `  ${l}`), '}']
}
