/** Which kernels may write over what they read: new states, in place of the old. */
import type { Fused } from '../../kernel/fused.ts'
import type { Term } from '../../kernel/term.ts'
import { termsOf } from '../../kernel/term.ts'
import { contractionOf } from './contraction.ts'

/** Whether a kernel may write its output `w` over the buffer `b` that it reads: every read is of the element written. */
export const inPlace = (f: Fused, w: number, b: number): boolean => {
  const { writes } = f.kernel
  const written = writes[w]
  // a product reads its operands again and again; and what other writes read must be read before
  if (f.kernel.whole !== undefined || contractionOf(f.kernel) !== undefined || written.dtype !== f.kernel.reads[b].dtype) return false
  const under = new Set<Term>()
  const all = termsOf(writes.map((x) => x.value))
  for (const t of all) if (t._tag === 'Reduce') for (const x of termsOf([t.body])) under.add(x)
  return (
    all.every((t) => t._tag !== 'Read' || t.buffer !== b || (t.offset === written.offset && !under.has(t))) &&
    // every write runs in the same loops, so that none comes back to a row
    writes.every((x) => x.offset.vars === written.offset.vars)
  )
}
