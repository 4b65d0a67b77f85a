/**
 * Recomputing: what is read again only when much else has been made, and follows element by element from what is kept until then, is
 * computed again there. To keep it would take memory all the while, and to fetch it about as long as to compute it.
 *
 * ```
 * before: k1: x = a w, e = erf x, y = x (1 + e) / 2    y is read soon
 *         …   all other layers   …
 *         k8: d = (b v) (1 + e + x exp(-x x))          k9: u = b y
 * after:  k1: x = a w, y = x (1 + erf x) / 2           y is free soon
 *         …   all other layers   …
 *         k8: d = (b v) (1 + erf x + x exp(-x x)), y' = x (1 + erf x) / 2
 *         k9: u = b y'
 * ```
 * Where it is read element by element it is computed in the reader (e in k8). Where it is an operand (y in k9), a kernel that is about to
 * read the same elements of what it follows from writes it once more: no tensor is read for its sake alone. What follows from inputs
 * alone, such as patches of images, is made once more right before it is read.
 */
import type { Again, Fused, Kernels, Made, Tensor } from '../kernel/fused.ts'
import { bytesOfTensor, outputsOf, residentPath } from '../kernel/fused.ts'
import { followersAt, replacedIn } from './order.ts'
import type { Recipe } from './recipe.ts'
import { alone, changed, heldAt, recipeOf } from './recipe.ts'
import type { Read, Term } from '../kernel/term.ts'
import { termsOf } from '../kernel/term.ts'
import { countingStrides } from '../kernel/transplant.ts'
import type { Pass } from '../pass.ts'
import { kernelPass } from '../pass.ts'

export interface RecomputeLimits {
  /** Bytes that are made between two readers, at least: more than stays near. */
  readonly apart: number
  /** Bytes of a tensor, at least, that is worth a change. */
  readonly least: number
  /** Arithmetic of one element, at most, in additions. */
  readonly cost: number
  /** Cost of a transcendental function. */
  readonly transcendental: number
  readonly maxInputs: number
  /** Terms of one kernel, at most. */
  readonly maxTerms: number
}

const termsOfKernel = (f: Fused): ReadonlyArray<Term> => termsOf(f.kernel.writes.flatMap((w) => [w.offset, w.value]))

/** Whether a kernel reads a tensor outside of reductions alone, so that an element is not computed over and over. */
const isReadByPoint = (f: Fused, t: Tensor): boolean => {
  const isRead = (r: Term): boolean => r._tag === 'Read' && f.reads[r.buffer] === t
  return f.kernel.whole === undefined && termsOfKernel(f).every((r) => r._tag !== 'Reduce' || !termsOf([r.body]).some(isRead))
}

/**
 * Kernels by position, and who reads what. Positions stay; a kernel that reads what is now made behind it has to be moved by who orders
 * them.
 */
interface Line {
  readonly at: Array<Fused | undefined>
  readonly readers: Map<Tensor, Set<number>>
}

const put = (line: Line, i: number, f: Fused | undefined): void => {
  for (const r of line.at[i]?.reads ?? []) line.readers.get(r)?.delete(i)
  line.at[i] = f
  for (const r of f?.reads ?? []) line.readers.set(r, (line.readers.get(r) ?? new Set<number>()).add(i))
}

const readersOf = (line: Line, t: Tensor): ReadonlyArray<number> => [...(line.readers.get(t) ?? [])].sort((a, b) => a - b)

/** A tensor to be recomputed: its readers near and far, and how. */
interface Candidate {
  readonly tensor: Made
  readonly recipe: Recipe
  readonly near: ReadonlyArray<number>
  readonly far: ReadonlyArray<number>
  /** The last position at which everything that it follows from is there. */
  readonly until: number
}

/** The kernel among `from` … `until`, and its write, beside which the candidate can be written once more. */
const hostOf = (
  line: Line,
  c: Candidate,
  from: number,
  maxInputs: number,
  isAllowed: (s: number) => boolean,
): { readonly at: number; readonly like: number } | undefined => {
  const { length } = c.recipe.from.kernel.writes[c.recipe.write]
  for (let s = from; s <= c.until && s < line.at.length; s++) {
    const f = line.at[s]
    if (f === undefined || f.kernel.whole !== undefined) continue
    const temporary = [...c.recipe.held.values()].map((i) => c.recipe.from.writes[i])
    if (
      temporary.length === 0 ||
      !temporary.every((t) => f.reads.includes(t)) ||
      new Set([...f.reads, ...c.recipe.sources]).size > maxInputs
    )
      continue
    const reads = termsOfKernel(f).filter((t): t is Read => t._tag === 'Read')
    const like = f.kernel.writes.findIndex(
      (w) =>
        w.length === length &&
        countingStrides(w.offset, f.kernel.loops) !== undefined &&
        heldAt(f.kernel.table, c.recipe, w.offset).every((h) => reads.some((r) => f.reads[r.buffer] === h.tensor && r.offset === h.offset)),
    )
    if (like >= 0 && isAllowed(s)) return { at: s, like }
  }
  return undefined
}

/** The kernels, given in an order in which they can run, with tensors recomputed. They are to be ordered again. */
const again =
  (limits: RecomputeLimits) =>
  ({ graph: g, kernels }: Kernels): Kernels => {
    const line: Line = { at: kernels.map(() => undefined), readers: new Map() }
    kernels.forEach((f, i) => {
      put(line, i, f)
    })
    /** New kernels, by the position that they come before. */
    const inserted = new Map<number, ReadonlyArray<Fused>>()
    const outputs = outputsOf(g)
    const made = new Map<Tensor, number>(kernels.flatMap((f, i) => f.writes.map((w) => [w, i] as const)))
    const replaced = replacedIn(g, kernels)
    let bytes = 0
    const before = kernels.map((f) => {
      const now = bytes
      bytes += f.writes.reduce((n, w) => n + (outputs.has(w) ? 0 : bytesOfTensor(w)), 0)
      return now
    })
    /** What a source allows: the position of its last reader, or the one before its new value is made. */
    const lasts = (t: Tensor): number => {
      const path = residentPath(t)
      if (path !== undefined) return (replaced.get(path) ?? Infinity) - 1
      return made.has(t) && !outputs.has(t) ? Math.max(-1, ...readersOf(line, t)) : Infinity
    }
    const candidateOf = (i: number, f: Fused, w: number): Candidate | undefined => {
      const tensor = f.writes[w]
      const readers = readersOf(line, tensor)
      if (outputs.has(tensor) || bytesOfTensor(tensor) < limits.least || readers.length === 0) return undefined
      const gaps = readers.map((r, n) => before[r] - before[n === 0 ? i : readers[n - 1]])
      const widest = gaps.indexOf(Math.max(...gaps))
      if (gaps[widest] < limits.apart) return undefined
      const recipe = recipeOf(f, w, limits.transcendental)
      if (recipe === undefined || recipe.cost > limits.cost) return undefined
      return {
        tensor,
        recipe,
        near: readers.slice(0, widest),
        far: readers.slice(widest),
        until: Math.min(...[...recipe.sources].map(lasts)),
      }
    }
    const after = followersAt({ at: (n) => line.at[n], readersOf: (t) => line.readers.get(t) ?? [], replaced })
    const reaches = (from: number, to: number): boolean => {
      const seen = new Set([from])
      const stack = [from]
      for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
        if (n === to) return true
        for (const m of after(n))
          if (!seen.has(m)) {
            seen.add(m)
            stack.push(m)
          }
      }
      return false
    }
    const attempt = (i: number, c: Candidate): void => {
      const kernelAt = (n: number): ReadonlyArray<Fused> => [line.at[n]].flatMap((f) => f ?? [])
      const operands = c.far.filter((r) => kernelAt(r).some((f) => !isReadByPoint(f, c.tensor)))
      const host =
        operands.length === 0
          ? undefined
          : hostOf(line, c, Math.max(i, ...c.near) + 1, limits.maxInputs, (s) => operands.every((r) => !reaches(r, s)))
      const [early] = operands
      const isAlone = early !== undefined && host === undefined
      if (isAlone && (c.until < Infinity || c.near.length === 0 || c.recipe.sources.size === 0)) return
      const copy: Again = { _tag: 'Again', type: c.tensor.type }
      const changes = new Map<number, Fused>()
      for (const r of c.far)
        for (const f of kernelAt(r)) {
          const isOperand = operands.includes(r)
          if (!isOperand && r > c.until) return
          if (r !== host?.at)
            changes.set(r, changed(f, isOperand ? { instead: new Map([[c.tensor, copy]]) } : { computed: new Map([[c.tensor, c.recipe]]) }))
        }
      if (host !== undefined)
        for (const f of kernelAt(host.at))
          changes.set(
            host.at,
            changed(f, { computed: new Map([[c.tensor, c.recipe]]), further: { recipe: c.recipe, like: host.like, tensor: copy } }),
          )
      if ([...changes.values()].some((f) => f.reads.length > limits.maxInputs || termsOfKernel(f).length > limits.maxTerms)) return
      for (const [n, f] of changes) put(line, n, f)
      if (isAlone) inserted.set(early, [...(inserted.get(early) ?? []), alone(c.recipe, copy)])
      if (c.near.length === 0)
        for (const f of kernelAt(i)) put(line, i, f.writes.length === 1 ? undefined : changed(f, { dropped: new Set([c.tensor]) }))
    }
    kernels.forEach((f, i) => {
      f.writes.forEach((_, w) => {
        // what has been dropped beside it changes nothing: the kernel as it was says how
        const c = candidateOf(i, f, w)
        if (c !== undefined) attempt(i, c)
      })
    })
    return { graph: g, kernels: line.at.flatMap((f, i) => [...(inserted.get(i) ?? []), ...(f === undefined ? [] : [f])]) }
  }

export const recompute = (limits: RecomputeLimits): Pass<Kernels> => kernelPass('recompute', again(limits))
