/** Mutants of passes over graphs. */
import type { Mutant } from '../mutant.ts'

export const graphMutants: ReadonlyArray<Mutant> = [
  {
    file: 'simplify.ts',
    find: '.filter((a) => !inner.value.params.axes.includes(a))',
    replace: '',
    breaks: 'axes of a sum of a sum are those that the inner one left',
  },
  { file: 'simplify.ts', find: 'equalShape(padded.value.params.low, start) && ', replace: '', breaks: 'a box lies where it was cut out' },
  {
    file: 'simplify.ts',
    find: 'from + size[axis] > length ? undefined : ',
    replace: '',
    breaks: 'a slice of a concatenation within one part alone is a slice of it',
  },
  { file: 'simplify.ts', find: ' || a.of !== b.of', replace: '', breaks: 'boxes are of one tensor' },
  {
    file: 'simplify.ts',
    find: 'differ.length !== 1 || ',
    replace: '',
    breaks: 'boxes that are joined lie beside each other along one axis',
  },
  {
    file: 'simplify.ts',
    find: ' || first.start[axis] + first.size[axis] !== last.start[axis]',
    replace: '',
    breaks: 'boxes that are joined leave no gap',
  },
  {
    file: 'simplify.ts',
    find: 'perm.map((p) => inner.value.params.perm[p])',
    replace: 'inner.value.params.perm.map((p) => perm[p])',
    breaks: 'transpositions are joined in their order',
  },
  {
    file: 'narrow.ts',
    find: 'whole.has(e) || choices === undefined',
    replace: 'choices === undefined',
    breaks: 'what somebody needs whole is made whole',
  },
  {
    file: 'narrow.ts',
    find: "else if (w === 'whole') whole.add(a)",
    replace: '',
    breaks: 'what rows of a result need whole is made whole',
  },
  {
    file: 'passage.ts',
    find: 'if (isOurs(s)) return false',
    replace: '',
    breaks: 'nothing but a read depends on the position along an axis that passes',
  },
  { file: 'passage.ts', find: 'f.every((x) => x === f[0])', replace: 'true', breaks: 'all reads of an argument stand at the same axis' },
  {
    file: 'rows.ts',
    find: ": b._tag === 'List' && a.list === b.list)",
    replace: ": b._tag === 'List')",
    breaks: 'lists of rows are the same list',
  },
  {
    file: 'rows.ts',
    find: 'slice(axis, r.from - from, r.from - from + r.size)',
    replace: 'slice(axis, 0, r.size)',
    breaks: 'a part of a union of ranges begins where it does',
  },
  {
    file: 'apart.ts',
    find: 'ofRows.value.args.every((a, i) => a === before[i])',
    replace: 'true',
    breaks: 'saved rows are those of the own queries and keys',
  },
  {
    file: 'apart.ts',
    find: 'ofOutput.value.args.every((a, i) => a === before[i])',
    replace: 'true',
    breaks: 'a saved output is that of the own arguments',
  },
  { file: 'apart.ts', find: 'a.scale === b.scale', replace: 'true', breaks: 'saved rows are of the same scale' },
  {
    file: 'passes/attention.ts',
    find: 'sum.value.args[0] !== e || ',
    replace: '',
    breaks: 'a softmax divides by the sum of its own exponentials',
  },
  {
    file: 'passes/attention.ts',
    find: 'max.value.args[0] === scores && ',
    replace: '',
    breaks: 'a softmax falls by the largest of its own scores',
  },
  {
    file: 'passes/attention.ts',
    find: "if (!isReadOnce(r, unrounded(p.x)) || !isReadOnce(r, p.x)) return missed('its probabilities are read by others too')",
    replace: '',
    breaks: 'probabilities that others read are kept',
  },
  {
    file: 'passes/attention.ts',
    find: 'axis === rank - 1 ? both : [both[1], both[0]]',
    replace: 'both',
    breaks: 'keys are along the axis that is normalised',
  },
  { file: 'passes/attention.ts', find: 'scale /= shrink', replace: 'scale *= shrink', breaks: 'scores may be divided by a constant' },
]
