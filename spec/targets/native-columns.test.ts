/** Sums over rows for a few columns, whose rows are cut into chunks: which kernels that are, and what its parts leave for each other. */
import { describe, expect, it } from 'vitest'
import type { Unnamed } from '../../compiler/kernel/kernel.ts'
import type { TermTable } from '../../compiler/kernel/table.ts'
import { termTable } from '../../compiler/kernel/table.ts'
import type { Term, Var } from '../../compiler/kernel/term.ts'
import type { Columns } from '../../compiler/targets/native/columns.ts'
import { columnsOf } from '../../compiler/targets/native/columns.ts'
import { range } from '../../core/type.ts'
import { printedBy, unitOf } from '../support/c-program.ts'
import { kernelOf } from '../support/kernels.ts'

interface Parts {
  readonly t: TermTable
  readonly n: Var
  /** The sum of buffer `b` over rows, at a column: all over the same rows. */
  readonly sum: (b: number, column: Term, square?: boolean) => Term
}

const table = (rows: number, columns: number, value: (p: Parts) => Term): { readonly t: TermTable; readonly shape: Unnamed } => {
  const t = termTable()
  const n = t.variable(columns)
  const r = t.variable(rows)
  const sum = (b: number, column: Term, square = false): Term => {
    const x = t.read(
      b,
      'f32',
      t.affine(
        [
          [r, columns],
          [column, 1],
        ],
        0,
      ),
    )
    return t.reduce('sum', r, square ? t.binary('mul', x, x) : x)
  }
  return {
    t,
    shape: {
      loops: [n],
      reads: [0, 1].map(() => ({ dtype: 'f32', length: rows * columns })),
      writes: [{ dtype: 'f32', length: columns, offset: n, value: value({ t, n, sum }) }],
    },
  }
}

const columnsIn = (rows: number, columns: number, value: (p: Parts) => Term): Columns | undefined => {
  const { t, shape } = table(rows, columns, value)
  return columnsOf(kernelOf(t, shape))
}

describe('rows are cut', () => {
  it('where there is enough to sum', () => {
    expect(columnsIn(4096, 32, ({ n, sum }) => sum(0, n))?.chunks).toBe(16)
    expect(columnsIn(64, 32, ({ n, sum }) => sum(0, n))).toBeUndefined()
  })
  it('of all sums over rows of the same loop', () => {
    expect(columnsIn(4096, 32, ({ t, n, sum }) => t.binary('div', sum(0, n), sum(0, n, true)))?.groups.flatMap((g) => g.sums)).toHaveLength(
      2,
    )
  })
  it('not where a sum is the same for all columns', () => {
    expect(columnsIn(4096, 32, ({ t, n, sum }) => t.binary('add', sum(0, n), sum(1, t.num('i32', 3))))).toBeUndefined()
  })
  it('not where another reduction runs over the rows that would be cut', () => {
    const value = ({ t, n }: Parts): Term => {
      const [r, k] = [t.variable(4096), t.variable(3)]
      const at = t.affine(
        [
          [r, 32],
          [n, 1],
        ],
        0,
      )
      const x = t.read(0, 'f32', at)
      return t.binary('add', t.reduce('sum', r, x), t.reduce('sum', r, t.reduce('sum', k, t.binary('mul', x, t.cast('f32', k)))))
    }
    expect(columnsIn(4096, 32, value)).toBeUndefined()
  })
})

/** Both parts of a kernel of two sums, on shared memory that holds something else; what it wrote after the first part, and after both. */
const run = (rows: number, columns: number): ReadonlyArray<number> => {
  const { t, shape } = table(rows, columns, ({ t: terms, n, sum }) => terms.binary('sub', sum(0, n), sum(0, n, true)))
  return printedBy(
    `${unitOf(t, shape)}\nstatic int isLast;\nstatic int last(int T) { return isLast; }`,
    `
  static float x[${rows * columns}], y[${columns}], shared[32768];
  for (int i = 0; i < ${rows * columns}; i++) x[i] = (float)(i % 7) / 8;
  for (int i = 0; i < 32768; i++) shared[i] = 1000;
  void *const b[3] = {x, x, y};
  Runtime rt = {.shared = shared, .last = last};
  k0(b, 1, 2, &rt);
  for (int i = 0; i < ${columns}; i++) printf("%g ", y[i]);
  isLast = 1;
  k0(b, 0, 2, &rt);
  for (int i = 0; i < ${columns}; i++) printf("%g ", y[i]);
`,
  )
}

describe('the parts of a kernel', () => {
  it.each([
    ['narrow', 3000, 24],
    ['wide', 100, 400],
  ])('sum their chunks, and the last of them adds these up: %s rows', { timeout: 60000 }, (_, rows, columns) => {
    const printed = run(rows, columns)
    expect(printed.slice(0, columns)).toEqual(range(columns).map(() => 0))
    for (const n of range(columns)) {
      const expected = range(rows).reduce((s, r) => {
        const x = ((r * columns + n) % 7) / 8
        return s + x - x * x
      }, 0)
      expect(Math.abs(printed[columns + n] - expected)).toBeLessThan(1e-3 * Math.max(1, Math.abs(expected)))
    }
  })
})
