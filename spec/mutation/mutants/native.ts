/** Mutants of the code that the native target generates, and of its runtime. */
import type { Mutant } from '../mutant.ts'

export const nativeMutants: ReadonlyArray<Mutant> = [
  {
    file: 'native/contraction.ts',
    find: ' || k.writes.some((w) => (w.offset.vars & outer) !== outer)',
    replace: '',
    breaks: 'every write of a product of whole rows runs over the rows',
  },
  {
    file: 'native/contraction.ts',
    find: '(r.vars & column.vars) === 0 && r.variable.extent === column.extent',
    replace: 'r.variable.extent === column.extent',
    breaks: 'what else reduces is of rows',
  },
  {
    file: 'native/contraction.ts',
    find: "termsOf([body]).some((t) => t._tag === 'Reduce') || ",
    replace: '',
    breaks: "a product's factors hold no reduction",
  },
  {
    file: 'native/product.ts',
    find: 'last[1] === v.extent * stride',
    replace: 'last[1] >= v.extent * stride',
    breaks: 'axes that are joined follow each other in memory',
  },
  {
    file: 'columns.ts',
    find: ' || (column !== undefined && (r.vars & column.vars) === 0)',
    replace: '',
    breaks: 'a sum whose rows are cut has a number for each column',
  },
  {
    file: 'columns.ts',
    find: 'new Set(cut).size < cut.length || others.some((r) => cut.includes(r.variable))',
    replace: 'false',
    breaks: 'rows that are cut are those of no other sum',
  },
  { file: 'columns.ts', find: "'if (!rt->last(T)) return;',", replace: '', breaks: 'whoever finishes last adds the chunks' },
  {
    file: 'columns.ts',
    find: ', 0, ${g.sums.length * width} * sizeof(float));',
    replace: ', 0, ${width} * sizeof(float));',
    breaks: 'all sums of a chunk begin at nothing',
  },
  { file: 'element.ts', find: "'  if (t > 0) return;', ", replace: '', breaks: 'a single element is made by one thread' },
  {
    file: 'runtime/kernel.h',
    find: 'if (t >= T) return n;',
    replace: '',
    breaks: 'the last part ends with the loop',
  },
  { file: 'element.ts', find: '(offset.vars & v.vars) === 0 ? [[v, 1]] : []', replace: '[]', breaks: 'a write runs in all of its loops' },
  {
    file: 'statements.ts',
    find: "l.variable.extent < 8 || l.reductions.some((r) => r.op === 'argmax')",
    replace: 'l.variable.extent < 8',
    breaks: 'a position of the largest is found one by one',
  },
  {
    file: 'statements.ts',
    find: 'stride === 1 ? `v_st${k}',
    replace: 'stride !== undefined ? `v_st${k}',
    breaks: 'lanes are stored side by side where they lie side by side',
  },
  {
    file: 'statements.ts',
    find: ": number(r.dtype, r.dtype === 'i32' ? -2147483648 : -Infinity)",
    replace: ': number(r.dtype, 0)',
    breaks: 'a maximum may be negative',
  },
  {
    file: 'native/print.ts',
    find: 'mine !== undefined && offset.terms.every(([t]) => t === v || (t.vars & v.vars) === 0)',
    replace: 'mine !== undefined',
    breaks: 'a stride is that of a plain variable',
  },
  {
    file: 'native/print.ts',
    find: 'isHalf(t.dtype) ? `${p}${halves[t.dtype].round}(${text})` : text',
    replace: 'text',
    breaks: 'f16 and bf16 are rounded at every step',
  },
  {
    file: 'native/attention.ts',
    find: '(firstReader.get(rows.writes[0]) ?? Infinity) >= n',
    replace: 'true',
    breaks: 'rows that somebody reads before the output come before it',
  },
  {
    file: 'native/attention.ts',
    find: 'found[i]?.scale === found[n]?.scale && ',
    replace: '',
    breaks: 'output and rows that are joined are of one scale',
  },
  {
    file: 'native/attention.ts',
    find: 'x.offset === y.offset && ',
    replace: '',
    breaks: 'output and rows that are joined read the same place',
  },
  {
    file: 'native/attention.ts',
    find: ' || all.length !== k.writes.length',
    replace: '',
    breaks: 'all that a kernel of attention writes is a part of it',
  },
  {
    file: 'in-place.ts',
    find: ' || t.offset === written.offset)',
    replace: ')',
    breaks: 'a kernel that reads each element only where it writes it may write over it',
  },
  {
    file: 'in-place.ts',
    find: "t._tag !== 'Read' || t.buffer !== b || t.offset === written.offset",
    replace: 'true',
    breaks: 'a kernel that writes over what it reads reads the element that it writes',
  },
  {
    file: 'in-place.ts',
    find: 'writes.every((x) => x.offset.vars === written.offset.vars)',
    replace: 'true',
    breaks: 'no write comes back to a row that was written over',
  },
  {
    file: 'runtime/run.c',
    find: 'if (dladdr((void *)&pool, &own) != 0) (void)dlopen(own.dli_fname, RTLD_NOW);',
    replace: '(void)own;',
    breaks: 'the runtime outlives whoever opened it',
  },
]
