/**
 * Fusion: which expressions get memory of their own, and one kernel for each that does.
 *
 * ```
 * before: %2 = dot(%0, %1); %4 = add(%2, broadcast(%3)); %5 = erf(%4); %6 = mul(%4, %5)
 * after:  kernel 1 writes %4: sum over k of x[i, k] w[k, j], + b[j]      the contraction with its epilogue
 *         kernel 2 writes %6: x[i] erf x[i]                              %5 needs no memory
 * ```
 * Expressions are taken users first, so that all readers of one are known when it is decided. It is put into its
 * readers when that moves fewer bytes than it costs in repeated arithmetic; a reduction only into a reader that
 * evaluates every element exactly once, and only one to a kernel.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Expr } from '../../core/expr.ts'
import { keyOf, scopeOf } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf } from '../../core/graph.ts'
import { isHalf, showType, sizeOf } from '../../core/type.ts'
import type { Fused, Kernels, Tensor } from '../kernel/fused.ts'
import { betweenOthers, isHyper } from '../kernel/fused.ts'
import { flatten, inRange, instantiate } from '../kernel/instantiate.ts'
import type { Buffer, Write } from '../kernel/kernel.ts'
import { kernelKey } from '../kernel/kernel.ts'
import { normalise } from '../kernel/loops.ts'
import type { Costs, Meaning } from '../kernel/meaning.ts'
import { isFree, isPlace, meanings, wholeOf } from '../kernel/meaning.ts'
import type { TermTable } from '../kernel/table.ts'
import type { Term, Var } from '../kernel/term.ts'
import { termTable } from '../kernel/table.ts'
import { termsOf } from '../kernel/term.ts'
import type { Pass } from '../pass.ts'
import { showKernels } from '../show.ts'

/** What a target can take in one kernel, and what it finds expensive. */
export interface Limits extends Costs {
  /** Tensors read by one kernel. */
  readonly maxInputs: number
  /** Arithmetic operations in one kernel's text. */
  readonly maxOps: number
  /** Cost of a launch, in additions. */
  readonly launch: number
}

/** One distinct read of an expression in a kernel being drafted. */
interface Use {
  readonly draft: Draft
  readonly index: ReadonlyArray<Term>
  readonly evaluations: number
  /** Under a reduction whose variable it depends on. */
  readonly inReduction: boolean
}

interface Draft {
  readonly root: Expr
  readonly table: TermTable
  readonly loops: ReadonlyArray<Var>
  readonly uses: Map<Expr, Map<string, Use>>
  readonly ops: Array<string>
  points: number
  size: number
  heavy: boolean
  readonly whole: boolean
  readonly together: boolean
}

const bufferOf = (e: Expr): Expr | 'hyper' => (isHyper(e) ? 'hyper' : e)

/** The distinct buffers that a draft would read if nothing more were put into it. */
const inputsOf = (d: Draft): ReadonlySet<Expr | 'hyper'> => new Set([...d.uses.keys()].filter((e) => !isFree(e)).map(bufferOf))

const fused =
  (limits: Limits) =>
  (g: Graph): ReadonlyArray<Fused> => {
    const order = nodesOf(g)
    const meaning = meanings(limits)
    const usesOf = new Map<Expr, Array<Use>>(order.map((e) => [e, []]))
    const outputs = new Set(g.outputs.map((o) => o.expr))
    const inlined = new Set<Expr>()
    const drafts: Array<Draft> = []

    /** Registers what `e`, evaluated at `axes` in a draft, reads. */
    const place = (d: Draft, e: Expr, axes: ReadonlyArray<Term>, repeats: number): void => {
      const m = meaning(e)
      instantiate(d.table, m.scalar, axes, (k, positions, under) => {
        const arg = m.args[k]
        const index = inRange(d.table, arg.type.shape, positions)
        const key = index.map((t) => t.id).join()
        const depends = index.reduce((v, t) => v | t.vars, 0)
        const inside = under.filter((v) => (v.vars & depends) !== 0)
        const known = d.uses.get(arg) ?? new Map<string, Use>()
        if (!known.has(key)) {
          const loops = repeats * inside.reduce((n, v) => n * v.extent, 1)
          const use: Use = { draft: d, index, evaluations: loops, inReduction: inside.length > 0 || repeats > d.points }
          known.set(key, use)
          d.uses.set(arg, known)
          usesOf.get(arg)?.push(use)
        }
        return d.table.read(arg.id, arg.type.dtype, flatten(d.table, arg.type.shape, index))
      })
      d.size += Math.max(1, m.ops)
      d.heavy = d.heavy || m.reduces
      if (e._tag === 'Apply') d.ops.push(e.op.name)
    }

    const open = (e: Expr): void => {
      const table = termTable()
      const loops = e.type.shape.map((n) => table.variable(n))
      const d: Draft = {
        root: e,
        table,
        loops,
        uses: new Map(),
        ops: [],
        points: sizeOf(e.type.shape),
        size: 0,
        heavy: false,
        whole: meaning(e).whole,
        together: meaning(e).together,
      }
      drafts.push(d)
      place(d, e, loops, d.points)
    }

    /** Whether putting `e` into each of its uses respects every limit. */
    const fits = (e: Expr, uses: ReadonlyArray<Use>): boolean => {
      const m = meaning(e)
      return uses.every(({ draft }) => {
        const count = uses.filter((u) => u.draft === draft).length
        const after = new Set(inputsOf(draft))
        after.delete(bufferOf(e))
        for (const a of m.args) if (!isFree(a)) after.add(bufferOf(a))
        return draft.size + count * Math.max(1, m.ops) <= limits.maxOps && after.size <= limits.maxInputs
      })
    }

    /** Divisions in the offsets that `e` would read at, inside of a reduction's loop: they cost more than arithmetic. */
    const divisions = (e: Expr, u: Use): number => {
      if (!u.inReduction) return 0
      const m = meaning(e)
      const loops = u.draft.loops.reduce((v, l) => v | l.vars, 0)
      const found = new Set<Term>()
      instantiate(u.draft.table, m.scalar, u.index, (k, index) => {
        const offset = flatten(u.draft.table, m.args[k].type.shape, index)
        for (const t of termsOf([offset]))
          if (t._tag === 'Binary' && (t.op === 'idiv' || t.op === 'mod') && (t.vars & ~loops) !== 0) found.add(t)
        return u.draft.table.read(m.args[k].id, m.args[k].type.dtype, offset)
      })
      return found.size
    }

    const worthwhile = (e: Expr, uses: ReadonlyArray<Use>): boolean => {
      const m = meaning(e)
      if (m.whole || uses.some((u) => u.draft.together || (u.draft.whole && !isPlace(u.draft.table, m, u.index)))) return false
      // a region that makes floats narrower wants them kept, not computed again
      if (e._tag === 'Apply' && e.region._tag === 'Some' && isHalf(e.type.dtype) && e.args.every((a) => a.type.dtype === 'f32'))
        return false
      const size = sizeOf(e.type.shape)
      const evaluations = uses.reduce((n, u) => n + u.evaluations, 0)
      // of two contractions that are added, one is computed where they are; so their sum is all that is kept for several readers
      if (!m.reduces && uses.length > 1 && m.args.filter((a) => meaning(a).reduces && sizeOf(a.type.shape) === size).length > 1)
        return false
      if (m.reduces) return uses.length === 1 && evaluations === size && !uses[0].draft.heavy
      const divided = uses.reduce((n, u) => n + divisions(e, u) * u.evaluations, 0)
      if (divided === 0 && (m.cost === 0 || evaluations <= size)) return true
      const reads = m.args.filter((a) => !isFree(a)).length
      const again = evaluations * (m.cost + reads) + 4 * divided
      const once = size * (m.cost + reads + 3) + evaluations + limits.launch
      return again <= once
    }

    for (let i = order.length - 1; i >= 0; i--) {
      const e = order[i]
      const uses = usesOf.get(e) ?? []
      if (e._tag === 'Leaf') {
        if (outputs.has(e)) open(e)
        continue
      }
      if (outputs.has(e) || !(fits(e, uses) && worthwhile(e, uses))) {
        if (uses.length > 0 || outputs.has(e)) open(e)
        continue
      }
      inlined.add(e)
      for (const u of uses) {
        u.draft.uses.delete(e)
        place(u.draft, e, u.index, u.evaluations)
      }
    }
    const hypers = order.filter(isHyper)
    return buildAll(drafts.reverse(), meaning, inlined, hypers)
  }

const nameOf = (d: Draft): string => {
  const scope = scopeOf(d.root)
  const ops = [...new Set(d.ops)].reverse().join(' ')
  return `${scope === '' ? '' : `${scope}: `}${ops === '' ? 'copy' : ops}`
}

/** The kernel of one draft, with everything that was put into it. */
const build = (d: Draft, meaning: (e: Expr) => Meaning, inlined: ReadonlySet<Expr>, hypers: ReadonlyArray<Expr>): Fused => {
  const table = termTable()
  const loops = d.root.type.shape.map((n) => table.variable(n))
  const reads: Array<Expr | 'hyper'> = []
  const buffers: Array<Buffer> = []
  const bufferIndex = (e: Expr): number => {
    const key = bufferOf(e)
    const found = reads.indexOf(key)
    if (found >= 0) return found
    reads.push(key)
    buffers.push(key === 'hyper' ? { dtype: 'f32', length: hypers.length } : { dtype: e.type.dtype, length: sizeOf(e.type.shape) })
    return reads.length - 1
  }
  const memo = new Map<string, Term>()
  const element = (e: Expr, axes: ReadonlyArray<Term>): Term => {
    const m = meaning(e)
    return instantiate(table, m.scalar, axes, (k, positions) => {
      const arg = m.args[k]
      const index = inRange(table, arg.type.shape, positions)
      if (isFree(arg) && !d.whole) return instantiate(table, meaning(arg).scalar, index, () => table.num('f32', 0))
      if (!inlined.has(arg) || arg === e) {
        const offset = isHyper(arg) ? table.num('i32', hypers.indexOf(arg)) : flatten(table, arg.type.shape, index)
        return table.read(bufferIndex(arg), arg.type.dtype, offset)
      }
      const key = `${arg.id} ${index.map((t) => t.id).join()}`
      const found = memo.get(key)
      if (found !== undefined) return found
      const made = element(arg, index)
      memo.set(key, made)
      return made
    })
  }
  const value = element(d.root, loops)
  const write: Write = {
    dtype: d.root.type.dtype,
    length: sizeOf(d.root.type.shape),
    offset: flatten(table, d.root.type.shape, loops),
    value,
  }
  const nest = d.whole ? { loops, writes: [write] } : normalise(table, { loops, writes: [write] })
  const shape = {
    loops: nest.loops,
    reads: buffers,
    writes: nest.writes,
    ...(d.whole ? { whole: wholeOf(d.root, meaning, inlined, bufferIndex) } : {}),
  }
  return { kernel: { name: nameOf(d), key: kernelKey(shape), table, ...shape }, reads, writes: [d.root] }
}

/**
 * Everything that a kernel is made of, in words: what was put together down to what is read, each expression by the number of its first
 * place.
 */
const wordsOf = (
  root: Expr,
  inlined: ReadonlySet<Expr>,
  hypers: ReadonlyArray<Expr>,
): { readonly words: string; readonly exprs: ReadonlyArray<Expr> } => {
  const numbers = new Map<Expr, number>()
  const leafWords = (e: Expr): string => (isHyper(e) ? `hyper ${hypers.indexOf(e)}` : isFree(e) && e._tag === 'Leaf' ? keyOf(e.source) : '')
  const go = (e: Expr): string => {
    const seen = numbers.get(e)
    if (seen !== undefined) return `${seen}`
    numbers.set(e, numbers.size)
    const type = showType(e.type)
    return e._tag === 'Apply' && (e === root || inlined.has(e))
      ? `${e.op.key} ${type}(${e.args.map(go).join()})`
      : `[${leafWords(e)} ${type}]`
  }
  return { words: go(root), exprs: [...numbers.keys()] }
}

/**
 * The kernels of all drafts. Blocks repeat: what is made of the same things in the same way is built once, and stands between other
 * tensors.
 */
const buildAll = (
  drafts: ReadonlyArray<Draft>,
  meaning: (e: Expr) => Meaning,
  inlined: ReadonlySet<Expr>,
  hypers: ReadonlyArray<Expr>,
): ReadonlyArray<Fused> => {
  const known = new Map<string, { readonly first: Fused; readonly exprs: ReadonlyArray<Expr> }>()
  return drafts.map((d) => {
    const { words, exprs } = wordsOf(d.root, inlined, hypers)
    const like = known.get(words)
    if (like === undefined) {
      const first = build(d, meaning, inlined, hypers)
      known.set(words, { first, exprs })
      return first
    }
    const instead = new Map<Tensor, Expr>(like.exprs.map((e, n) => [e, exprs[n]]))
    return betweenOthers(
      like.first.kernel,
      nameOf(d),
      like.first.reads.map((t) => instead.get(t) ?? t),
      [d.root],
    )
  })
}

export const fuse = (limits: Limits): Pass<Graph, Kernels> => ({
  name: 'fuse',
  run: (graph) => E.right({ graph, kernels: fused(limits)(graph) }),
  show: showKernels,
})
