/** Which kernels may write over what they read: new states, in place of the old. */
import type { Fused } from '../../kernel/fused.ts'
import { termsOf } from '../../kernel/term.ts'

/** Whether a kernel may write its output `w` over the buffer `b` that it reads: every read is of the element written. */
export const inPlace = (f: Fused, w: number, b: number): boolean => {
  const { writes } = f.kernel
  const written = writes[w]
  if (f.kernel.whole !== undefined || written.dtype !== f.kernel.reads[b].dtype) return false
  const all = termsOf(writes.map((x) => x.value))
  return (
    all.every((t) => t._tag !== 'Read' || t.buffer !== b || t.offset === written.offset) &&
    // every write runs in the same loops, so that none comes back to a row
    writes.every((x) => x.offset.vars === written.offset.vars)
  )
}
