/**
 * Loops as C. A kernel's own loops and those of its reductions are one tree (nest.ts): what a row shares is computed in
 * the row's loop, once. One loop on every way down runs along the lanes of vectors, the rest at its end one by one:
 *
 * ```
 * for r:                          for r:
 *   m = max over k of x[r, k]       for k by VW: vm = max(vm, x[r, k ..]);  m = fold(vm);  for the rest: m = max(m, x[r, k])
 *   for k: y[r, k] = x[r, k] - m    for k by VW: y[r, k ..] = x[r, k ..] - m;              for the rest: …
 * ```
 */
import { transcendental } from '../../../core/scalar.ts'
import type { Statement } from '../../kernel/nest.ts'
import type { Write } from '../../kernel/kernel.ts'
import type { Reduce, Term, Var } from '../../kernel/term.ts'
import { termsOf } from '../../kernel/term.ts'
import type { Scope } from './print.ts'
import { isVector, kindOf, number, offsetText, ownText, storageOf, strideAlong, typeOf, vectorText } from './print.ts'

/** A write and its number among the kernel's buffers. */
export interface Target {
  readonly write: Write
  readonly buffer: number
}

/** Where a loop begins and ends that is shared among threads or given from outside. */
export interface Span {
  readonly lo: string
  readonly hi: string
  /** Both are multiples of it, unless the end is that of the loop. */
  readonly grain: number
}

/** What stands behind the reductions of a tree: real ones, and loops that store. */
export interface Tree {
  /** Pseudo-reductions over the kernel's own loops; the innermost names what is stored there. */
  readonly stores: ReadonlyMap<Term, ReadonlyArray<Target>>
  readonly bounds: ReadonlyMap<Var, Span>
}

/** Buffers from here on do not exist: a read of one marks where something is stored. */
export const marker = 1000

type Loop = Extract<Statement, { readonly _tag: 'Loop' }>

const loopsIn = (s: ReadonlyArray<Statement>): ReadonlyArray<Loop> => s.flatMap((x) => (x._tag === 'Loop' ? [x, ...loopsIn(x.body)] : []))

/** What each loop of a family would gain by running along the lanes: adjacent elements gain, scattered ones lose, by how often they run. */
const gains = (tree: Tree, family: ReadonlyArray<Loop>): ReadonlyMap<Var, number> => {
  const variables = [...new Set(family.map((l) => l.variable))]
  const scores = new Map(variables.map((v) => [v, 0]))
  const times = (t: Term): number => variables.reduce((n, v) => ((t.vars & v.vars) !== 0 ? n * v.extent : n), 1)
  const put = (t: Term, gain: (v: Var) => number): void => {
    const n = times(t)
    for (const v of variables) if ((t.vars & v.vars) !== 0) scores.set(v, (scores.get(v) ?? 0) + n * gain(v))
  }
  for (const t of termsOf(family[0].reductions.map((r) => r.body))) {
    if (t._tag === 'Read' && t.buffer < marker) put(t, (v) => (strideAlong(t.offset, v) === 1 ? 1 : -1))
    else if (t._tag === 'Unary') put(t, () => (transcendental.has(t.op) ? 2 : 0.25))
    else if (t._tag === 'Binary' && t.dtype === 'f32') put(t, () => 0.25)
  }
  for (const { write } of family.flatMap((l) => l.reductions.flatMap((r) => tree.stores.get(r) ?? [])))
    put(write.offset, (v) => (strideAlong(write.offset, v) === 1 ? 2 : -2))
  for (const l of family) if (l.variable.extent < 8 || l.reductions.some((r) => r.op === 'argmax')) scores.set(l.variable, -Infinity)
  return scores
}

/** Whether this loop runs along the lanes: no loop inside of it would gain more. */
export const runsAlongLanes = (tree: Tree, loop: Loop): boolean => {
  const scores = gains(tree, [loop, ...loopsIn(loop.body)])
  const own = scores.get(loop.variable) ?? 0
  return own > 0 && [...scores].every(([v, s]) => v === loop.variable || s < own)
}

const start = (r: Reduce): string =>
  r.op === 'sum' || r.op === 'argmax'
    ? number(kindOf(r.dtype) === 'i' ? 'i32' : 'f32', 0)
    : number(r.dtype, r.dtype === 'i32' ? -2147483648 : -Infinity)
const startBest = (r: Reduce): string => number(r.body.dtype === 'i32' ? 'i32' : 'f32', r.body.dtype === 'i32' ? -2147483648 : -Infinity)

const isArgmax = (r: Reduce): boolean => r.op === 'argmax'

/** One step of a reduction, its accumulator being a vector or one number. */
const step = (s: Scope, r: Reduce, name: string, vector: boolean): string => {
  const text = vector ? vectorText(s, r.body) : ownText(s, r.body)
  const k = kindOf(r.body.dtype)
  const v = `v${r.variable.index}`
  if (r.op === 'sum') return `${name} += ${text};`
  if (r.op === 'max') return `${name} = ${vector ? 'v_' : 's_'}max${k}(${name}, ${text});`
  return vector
    ? `{ ${typeOf(r.body.dtype, true)} c = ${text}; vi m = c > best_${name}; best_${name} = v_sel${k}(m, c, best_${name}); ${name} = v_seli(m, bci((int32_t)${v}), ${name}); }`
    : `{ ${typeOf(r.body.dtype, false)} c = ${text}; if (c > best_${name}) { best_${name} = c; ${name} = (int32_t)${v}; } }`
}

/** A mutable scope for each of the vectors that are computed side by side. */
interface Jam {
  readonly scopes: ReadonlyArray<Scope & { readonly names: Map<Term, string> }>
}

const suffix = (jam: Jam, u: number): string => (jam.scopes.length === 1 ? '' : `_${u}`)
const forked = (jam: Jam): Jam => ({ scopes: jam.scopes.map((s) => ({ ...s, names: new Map(s.names) })) })

const openReductions = (jam: Jam, reductions: ReadonlyArray<Reduce>): ReadonlyArray<string> =>
  reductions.flatMap((r) =>
    jam.scopes.flatMap((s, u) => {
      const vector = isVector(s, r)
      const name = `r${r.id}${suffix(jam, u)}`
      return [
        `${typeOf(r.dtype, vector)} ${name} = ${vector ? `bc${kindOf(r.dtype)}(${start(r)})` : start(r)};`,
        ...(isArgmax(r)
          ? [`${typeOf(r.body.dtype, vector)} best_${name} = ${vector ? `bc${kindOf(r.body.dtype)}(${startBest(r)})` : startBest(r)};`]
          : []),
      ]
    }),
  )

/** Stores at one point: all values first, as a buffer may be both read and written there. */
const storing = (jam: Jam, targets: ReadonlyArray<Target>): ReadonlyArray<string> => {
  const values = jam.scopes.flatMap((s, u) =>
    targets.map((t, i) => {
      const vector = s.lane !== undefined
      return `const ${typeOf(t.write.dtype, vector)} w${i}_${u} = ${vector ? vectorText(s, t.write.value) : ownText(s, t.write.value)};`
    }),
  )
  const stores = jam.scopes.flatMap((s, u) =>
    targets.map((t, i) => {
      const [k, value] = [storageOf(t.write.dtype), `w${i}_${u}`]
      const at = (): string => `b${t.buffer} + ${offsetText(s, t.write.offset)}`
      if (s.lane === undefined) return `s_st${k}(${at()}, ${value});`
      const stride = strideAlong(t.write.offset, s.lane)
      if (stride === undefined) return `v_stg${k}(b${t.buffer}, ${vectorText(s, t.write.offset)}, ${value});`
      return stride === 1 ? `v_st${k}(${at()}, ${value});` : `v_sts${k}(${at()}, ${stride}, ${value});`
    }),
  )
  return [...values, ...stores]
}

/** The inside of one pass through a loop: its statements, then the steps of its reductions or its stores. */
const pass = (tree: Tree, loop: Loop, jam: Jam, accumulator: (r: Reduce, u: number) => string): ReadonlyArray<string> => {
  const inside = forked(jam)
  const body = printAll(tree, loop.body, inside)
  const real = loop.reductions.filter((r) => !tree.stores.has(r))
  const targets = loop.reductions.flatMap((r) => tree.stores.get(r) ?? [])
  return [
    ...body,
    ...real.flatMap((r) => inside.scopes.map((s, u) => step(s, r, accumulator(r, u), isVector(s, r) || s.lane === loop.variable))),
    ...(targets.length === 0 ? [] : storing(inside, targets)),
  ]
}

const indented = (lines: ReadonlyArray<string>): ReadonlyArray<string> => lines.map((l) => `  ${l}`)

/**
 * Vectors side by side, widest first: where sums would wait for each other, or where columns are summed, of whose rows a part is read at a
 * time: longer parts are fetched ahead.
 */
const widthsOf = (tree: Tree, loop: Loop): ReadonlyArray<number> => {
  const realOf = (l: Loop): ReadonlyArray<Reduce> => l.reductions.filter((r) => !tree.stores.has(r))
  const inner = loopsIn(loop.body)
  const real = [loop, ...inner].flatMap(realOf)
  if (real.length === 0 || loop.variable.extent < 64 || termsOf(real.map((r) => r.body)).length > 24) return [1]
  const isColumns = realOf(loop).length === 0
  // their accumulators must fit into registers
  if (isColumns && inner.every((l) => realOf(l).length === 1)) return [12, 4, 1]
  return (isColumns && inner.every((l) => realOf(l).length <= 2)) || real.length <= 2 ? [4, 1] : [1]
}

/** Lanes of the widest vectors that the runtime has. */
const widest = 16

const spanOf = (tree: Tree, v: Var): Span => tree.bounds.get(v) ?? { lo: '0', hi: `${v.extent}`, grain: v.extent }

const lanesLoop = (tree: Tree, loop: Loop, scope: Jam['scopes'][number]): ReadonlyArray<string> => {
  const v = loop.variable
  const name = `v${v.index}`
  const { lo, hi, grain } = spanOf(tree, v)
  // nothing is left over of any vectors: half of the text less to compile
  const isEven = v.extent % widest === 0 && grain % widest === 0
  const real = loop.reductions.filter((r) => !tree.stores.has(r))
  const accumulators = (width: number): ReadonlyArray<string> =>
    real.flatMap((r) =>
      Array.from({ length: width }, (_, u) => `${typeOf(r.dtype, true)} a${r.id}_${u} = bc${kindOf(r.dtype)}(${start(r)});`),
    )
  const jam = (width: number): Jam => ({
    scopes: Array.from({ length: width }, (_, u) => ({ ...scope, lane: v, shift: u, names: new Map(scope.names) })),
  })
  const widths = widthsOf(tree, loop)
  const [width] = widths
  const wide = (w: number): ReadonlyArray<string> => [
    `for (; ${name} + ${w === 1 ? '' : `${w} * `}VW <= hi${v.index}; ${name} += ${w === 1 ? '' : `${w} * `}VW) {`,
    ...indented(pass(tree, loop, jam(w), (r, u) => `a${r.id}_${u}`)),
    '}',
  ]
  const folded = real.map((r) => {
    const sum = Array.from({ length: width }, (_, u) => `a${r.id}_${u}`).reduce((a, b) =>
      r.op === 'sum' ? `${a} + ${b}` : `v_max${kindOf(r.dtype)}(${a}, ${b})`,
    )
    return r.op === 'sum' ? `r${r.id} += h_sum${kindOf(r.dtype)}(${sum});` : `r${r.id} = h_max${kindOf(r.dtype)}(${sum});`
  })
  const single: Jam = { scopes: [{ ...scope, lane: undefined, shift: 0, names: new Map(scope.names) }] }
  return [
    ...openReductions(single, real),
    '{',
    ...indented([
      `long ${name} = ${lo};`,
      `const long hi${v.index} = ${hi};`,
      ...accumulators(width),
      ...widths.flatMap(wide),
      ...folded,
      ...(isEven ? [] : [`for (; ${name} < hi${v.index}; ${name}++) {`, ...indented(pass(tree, loop, single, (r) => `r${r.id}`)), '}']),
    ]),
    '}',
  ]
}

const plainLoop = (tree: Tree, loop: Loop, jam: Jam): ReadonlyArray<string> => {
  const name = `v${loop.variable.index}`
  const { lo, hi } = spanOf(tree, loop.variable)
  const real = loop.reductions.filter((r) => !tree.stores.has(r))
  return [
    ...openReductions(jam, real),
    `for (long ${name} = ${lo}; ${name} < ${hi}; ${name}++) {`,
    ...indented(pass(tree, loop, jam, (r, u) => `r${r.id}${suffix(jam, u)}`)),
    '}',
  ]
}

/** Statements as lines. The scopes' names grow with what gets bound. */
export const printAll = (tree: Tree, statements: ReadonlyArray<Statement>, jam: Jam): ReadonlyArray<string> =>
  statements.flatMap((st) => {
    if (st._tag === 'Let')
      return jam.scopes.map((s, u) => {
        const line = `const ${typeOf(st.term.dtype, isVector(s, st.term))} t${st.term.id}${suffix(jam, u)} = ${ownText(s, st.term)};`
        s.names.set(st.term, `t${st.term.id}${suffix(jam, u)}`)
        return line
      })
    const [first] = jam.scopes
    const lanes = jam.scopes.length === 1 && first.lane === undefined && runsAlongLanes(tree, st)
    const lines = lanes ? lanesLoop(tree, st, first) : plainLoop(tree, st, jam)
    for (const r of st.reductions) jam.scopes.forEach((s, u) => s.names.set(r, `r${r.id}${suffix(jam, u)}`))
    return lines
  })
