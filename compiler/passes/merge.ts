/**
 * Merging: kernels that have several outputs, and bind what a row shares once.
 *
 * ```
 * before: k1: for r:       m[r] = max over c of x[r, c]
 *         k2: for r, for c: y[r, c] = exp(x[r, c] - m[r])
 * after:  k:  for r: t = max over c of x[r, c]; m[r] = t; for c: y[r, c] = exp(x[r, c] - t)
 * ```
 * A producer goes into a consumer that reads it at the points of its own outer loops, each point once: so nothing is
 * computed twice, the row is read while it is near, and what is read nowhere else is not written at all.
 */
import { transcendental } from '../../core/scalar.ts'
import type { Fused, Kernels, Tensor } from '../kernel/fused.ts'
import { betweenOthers, outputsOf, residentPath } from '../kernel/fused.ts'
import type { Buffer, Kernel, Write } from '../kernel/kernel.ts'
import { pointsOf, kernelKey } from '../kernel/kernel.ts'
import { normalise } from '../kernel/loops.ts'
import type { Read, Term, Var } from '../kernel/term.ts'
import { termTable } from '../kernel/table.ts'
import { termsOf } from '../kernel/term.ts'
import { countingStrides, positionsAt, transplant } from '../kernel/transplant.ts'
import type { Pass } from '../pass.ts'
import { kernelPass } from '../pass.ts'

export interface MergeLimits {
  readonly maxInputs: number
  /** Terms of one kernel, at most. */
  readonly maxTerms: number
  /** Elements of a row that stay near: a producer of rows goes into a consumer of longer ones no more. */
  readonly maxRow: number
  /** Whether the target runs this kernel in a way of its own, which merging must not take from it. */
  readonly isSpecial: (k: Kernel) => boolean
}

const rootsOf = (ws: ReadonlyArray<Write>): ReadonlyArray<Term> => ws.flatMap((w) => [w.offset, w.value])

const readsOf = (k: Kernel, buffer: number): ReadonlyArray<Read> =>
  termsOf(rootsOf(k.writes)).filter((t): t is Read => t._tag === 'Read' && t.buffer === buffer)

/** Whether sums of rows read their elements one after the other, so that they run well inside of a row. */
const readsAlongRows = (k: Kernel): boolean =>
  termsOf(rootsOf(k.writes)).every((t) => {
    if (t._tag !== 'Reduce' || t.body._tag === 'Reduce') return true
    return termsOf([t.body]).every((r) => {
      if (r._tag !== 'Read' || (r.offset.vars & t.variable.vars) === 0) return true
      return r.offset === t.variable || (r.offset._tag === 'Affine' && r.offset.terms.some(([x, s]) => x === t.variable && s === 1))
    })
  })

const isOfLoops = (t: Term, k: Kernel): boolean => (t.vars & ~k.loops.reduce((m, v) => m | v.vars, 0)) === 0

/** Whether computing it again costs more than memory. */
const isCostly = (t: Term): boolean => termsOf([t]).some((x) => x._tag === 'Unary' && transcendental.has(x.op))

/**
 * The two as one kernel, or undefined where that would compute something twice or break a limit. `kept` are the producer's outputs that
 * others need.
 */
const merged = (p: Fused, c: Fused, kept: ReadonlySet<Tensor>, limits: MergeLimits): Fused | undefined => {
  const table = termTable()
  const loops = c.kernel.loops.map((v) => table.variable(v.extent))
  const cLoops = new Map<Var, Term>(c.kernel.loops.map((v, i) => [v, loops[i]]))
  const between = c.reads.flatMap((t, b) => (t !== 'hyper' && p.writes.includes(t) ? [b] : []))
  const reads = [...new Set<Tensor>([...c.reads.filter((_, b) => !between.includes(b)), ...p.reads])]
  if (reads.length > limits.maxInputs) return undefined
  const buffers = reads.map((t): Buffer => {
    const at = c.reads.indexOf(t)
    return at >= 0 ? c.kernel.reads[at] : p.kernel.reads[p.reads.indexOf(t)]
  })

  // where the producer's loops stand for each of the consumer's points
  const ofLoops = transplant(table, cLoops, (r, o) => table.read(r.buffer, r.dtype, o))
  const positions = new Map<Var, Term>()
  const points = new Map<number, Term>()
  const rowwise = limits.isSpecial(p.kernel) && !p.kernel.writes.some((w) => isCostly(w.value))
  for (const b of between) {
    const w = p.kernel.writes[p.writes.findIndex((t) => t === c.reads[b])]
    const offsets = [...new Set(readsOf(c.kernel, b).map((r) => r.offset))]
    // one read for each point; a row may be read again by what the row is reduced to, where the target can do that
    const [offset, ...others] = [...offsets].sort((x, y) => Number(isOfLoops(y, c.kernel)) - Number(isOfLoops(x, c.kernel)))
    // what was read has dropped out of the arithmetic
    if (offset === undefined) continue
    if (others.length > 0 && (!rowwise || others.some((o) => isOfLoops(o, c.kernel)))) return undefined
    const strides = countingStrides(w.offset, p.kernel.loops)
    if (strides === undefined || offsets.some((o) => termsOf([o]).some((t) => t._tag === 'Read'))) return undefined
    const shared = c.kernel.loops.filter((v) => (offset.vars & v.vars) !== 0)
    // the consumer's outer loops, each point of them once
    if (shared.length === 0 || shared.some((v, i) => v !== c.kernel.loops[i]) || countingStrides(offset, shared) === undefined)
      return undefined
    if (shared.reduce((n, v) => n * v.extent, 1) !== pointsOf(p.kernel)) return undefined
    const at = ofLoops(offset)
    points.set(b, at)
    for (const [v, term] of positionsAt(table, at, strides)) {
      if ((positions.get(v) ?? term) !== term) return undefined
      positions.set(v, term)
    }
  }
  if (positions.size < p.kernel.loops.length) return undefined
  const readOfProducer = (r: Read, o: Term): Term => table.read(reads.indexOf(p.reads[r.buffer]), r.dtype, o)
  const ofProducer = transplant(table, positions, readOfProducer)
  const values = p.kernel.writes.map((w) => ofProducer(w.value))
  /** The producer's value at other points than the consumer's own. */
  const elsewhere = new Map<string, Term>()
  const valueAt = (w: number, o: Term): Term => {
    const key = `${w} ${o.id}`
    const strides = countingStrides(p.kernel.writes[w].offset, p.kernel.loops) ?? new Map<Var, number>()
    const made = elsewhere.get(key) ?? transplant(table, positionsAt(table, o, strides), readOfProducer)(p.kernel.writes[w].value)
    elsewhere.set(key, made)
    return made
  }
  const ofConsumer = transplant(table, cLoops, (r, o) => {
    const t = c.reads[r.buffer]
    const from = between.includes(r.buffer) ? p.writes.findIndex((w) => w === t) : -1
    return from < 0 ? table.read(reads.indexOf(t), r.dtype, o) : points.get(r.buffer) === o ? values[from] : valueAt(from, o)
  })
  // what the consumer reads lies where it reads it; anything else where the producer's loops stand
  const read = new Map([...points].map(([b, at]) => [c.reads[b], at]))
  const keptWrites = p.kernel.writes.flatMap((w, i): ReadonlyArray<readonly [Write, Fused['writes'][number]]> =>
    kept.has(p.writes[i]) ? [[{ ...w, offset: read.get(p.writes[i]) ?? ofProducer(w.offset), value: values[i] }, p.writes[i]]] : [],
  )
  const writes = [
    ...keptWrites.map(([w]) => w),
    ...c.kernel.writes.map((w) => ({ ...w, offset: ofConsumer(w.offset), value: ofConsumer(w.value) })),
  ]
  const nest = normalise(table, { loops, writes })
  const terms = termsOf(rootsOf(nest.writes))
  if (terms.length > limits.maxTerms || terms.some((t) => t._tag === 'Var' && t.index > 26)) return undefined
  // a write runs in outer loops, so that each part of them has its own
  const inOuter = (w: Write): boolean => {
    const mine = nest.loops.map((v) => (w.offset.vars & v.vars) !== 0)
    return mine.every((x, i) => !x || i === 0 || mine[i - 1])
  }
  if (!nest.writes.every(inOuter)) return undefined
  const shape = { loops: nest.loops, reads: buffers, writes: nest.writes }
  return {
    kernel: { name: nameOf(p, c), key: kernelKey(shape), table, ...shape },
    reads,
    writes: [...keptWrites.map(([, t]) => t), ...c.writes],
  }
}

const nameOf = (p: Fused, c: Fused): string => `${c.kernel.name} | ${p.kernel.name.slice(p.kernel.name.indexOf(': ') + 1).trim()}`

/** `merged`, but what blocks repeat is merged once: equal kernels that stand to one another in the same way. */
const mergedOnce = (limits: MergeLimits): ((p: Fused, c: Fused, kept: ReadonlySet<Tensor>) => Fused | undefined) => {
  const known = new Map<string, { readonly p: Fused; readonly c: Fused; readonly one: Fused | undefined }>()
  return (p, c, kept) => {
    const between = c.reads.map((t) => `${p.writes.findIndex((w) => w === t)} ${p.reads.indexOf(t)}`)
    const key = [p.kernel.key, c.kernel.key, between.join(), p.writes.map((w) => (kept.has(w) ? 'kept' : '')).join()].join('\n')
    const like = known.get(key)
    if (like === undefined) {
      const one = merged(p, c, kept, limits)
      known.set(key, { p, c, one })
      return one
    }
    if (like.one === undefined) return undefined
    const { kernel, reads, writes } = like.one
    const made = new Map([
      ...like.p.writes.map((w, n) => [w, p.writes[n]] as const),
      ...like.c.writes.map((w, n) => [w, c.writes[n]] as const),
    ])
    const read = new Map([...like.p.reads.map((t, n) => [t, p.reads[n]] as const), ...like.c.reads.map((t, n) => [t, c.reads[n]] as const)])
    return betweenOthers(
      kernel,
      nameOf(p, c),
      reads.map((t) => read.get(t) ?? t),
      writes.map((w) => made.get(w) ?? w),
    )
  }
}

/** A kernel that writes this many times less than it reads frees memory by running early. */
const little = 16

/** Whether a producer would only wait for its consumer with what it makes little of: nothing of it is read there too. */
const keepsMuch = (p: Fused, c: Fused, limits: MergeLimits): boolean => {
  const elements = (all: ReadonlyArray<Buffer>): number => all.reduce((n, b) => n + b.length, 0)
  const own = p.kernel.reads.filter((_, b) => residentPath(p.reads[b]) === undefined)
  return (
    !limits.isSpecial(p.kernel) &&
    elements(p.kernel.writes) * little <= elements(own) &&
    p.reads.every((t) => t === 'hyper' || !c.reads.includes(t))
  )
}

/** Whether merging these two pays: as many points, or rows that the consumer reads again. */
const pays = (p: Fused, c: Fused, limits: MergeLimits): boolean => {
  const [rows, points] = [pointsOf(p.kernel), pointsOf(c.kernel)]
  if (rows < 8 || keepsMuch(p, c, limits)) return false
  if (rows === points) return true
  return points / rows <= limits.maxRow && readsAlongRows(p.kernel) && p.reads.some((t) => t !== 'hyper' && c.reads.includes(t))
}

/** The kernels with producers merged into consumers; what the graph hands on is needed in any case. */
const together =
  (given: MergeLimits) =>
  ({ graph, kernels }: Kernels): Kernels => {
    const special = new Map<string, boolean>()
    const isSpecial = (k: Kernel): boolean => {
      const found = special.get(k.key) ?? given.isSpecial(k)
      special.set(k.key, found)
      return found
    }
    const limits = { ...given, isSpecial }
    const mergeOf = mergedOnce(limits)
    const outputs = outputsOf(graph)
    const at: Array<Fused | undefined> = [...kernels]
    const makers = new Map<Tensor, number>()
    const readers = new Map<Tensor, Set<number>>()
    const enter = (f: Fused, i: number): void => {
      for (const w of f.writes) makers.set(w, i)
      for (const r of f.reads) readers.set(r, (readers.get(r) ?? new Set<number>()).add(i))
    }
    const leave = (f: Fused, i: number): void => {
      for (const r of f.reads) readers.get(r)?.delete(i)
    }
    kernels.forEach(enter)
    const readersOf = (t: Tensor): ReadonlyArray<number> => [...(readers.get(t) ?? [])]

    /** Merges kernel i into kernel j, where the order of all others allows it. */
    const attempt = (i: number, j: number): boolean => {
      const [p, c] = [at[i], at[j]]
      if (
        p === undefined ||
        c === undefined ||
        limits.isSpecial(c.kernel) ||
        (limits.isSpecial(p.kernel) && pointsOf(p.kernel) !== pointsOf(c.kernel)) ||
        !pays(p, c, limits)
      )
        return false
      const others = p.writes.flatMap((w) => readersOf(w).filter((r) => r !== j))
      // at the consumer's place if nothing in between reads the producer, at the producer's if all else is there by then
      const late = others.every((r) => r > j)
      const early = c.reads.every((t) => (makers.get(t) ?? -1) <= i)
      if (!late && !early) return false
      const kept = new Set<Tensor>(p.writes.filter((w) => outputs.has(w) || readersOf(w).some((r) => r !== j)))
      const one = mergeOf(p, c, kept)
      if (one === undefined || (limits.isSpecial(p.kernel) && !limits.isSpecial(one.kernel))) return false
      leave(p, i)
      leave(c, j)
      const place = late ? j : i
      at[i] = undefined
      at[j] = undefined
      at[place] = one
      enter(one, place)
      return true
    }

    for (let j = 0; j < at.length; j++) {
      let tried = true
      while (tried) {
        tried = false
        const c = at[j]
        if (c === undefined) break
        for (const t of c.reads) {
          const i = makers.get(t)
          if (i !== undefined && i !== j && attempt(i, j)) {
            tried = true
            break
          }
        }
      }
    }
    return { graph, kernels: at.filter((f) => f !== undefined) }
  }

export const merge = (limits: MergeLimits): Pass<Kernels> => kernelPass('merge', together(limits))
