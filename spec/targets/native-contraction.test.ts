/** Which kernels are products, and which only look like one. */
import { describe, expect, it } from 'vitest'
import type { Unnamed } from '../../compiler/kernel/kernel.ts'
import type { TermTable } from '../../compiler/kernel/table.ts'
import { termTable } from '../../compiler/kernel/table.ts'
import type { Term, Var } from '../../compiler/kernel/term.ts'
import type { Contraction } from '../../compiler/targets/native/contraction.ts'
import { contractionOf } from '../../compiler/targets/native/contraction.ts'
import { kernelOf } from '../support/kernels.ts'

const [rows, columns, depth] = [32, 32, 32]

/** `out[m, n] = sum over k of x[m, k] y[k, n]`, and what else is written, of the same loops. */
interface Parts {
  readonly t: TermTable
  readonly m: Var
  readonly n: Var
  readonly at: (row: Term, column: Term) => Term
  readonly product: (x: number, y: number) => Term
}

const contractionIn = (writes: (p: Parts) => ReadonlyArray<readonly [Term, Term]>): Contraction | undefined => {
  const t = termTable()
  const [m, n] = [t.variable(rows), t.variable(columns)]
  const at = (row: Term, column: Term): Term =>
    t.affine(
      [
        [row, columns],
        [column, 1],
      ],
      0,
    )
  const product = (x: number, y: number): Term => {
    const k = t.variable(depth)
    return t.reduce('sum', k, t.binary('mul', t.read(x, 'f32', at(m, k)), t.read(y, 'f32', at(k, n))))
  }
  const made = writes({ t, m, n, at, product })
  const shape: Unnamed = {
    loops: [m, n],
    reads: [0, 1, 2, 3].map(() => ({ dtype: 'f32', length: rows * columns })),
    writes: made.map(([offset, value]) => ({ dtype: 'f32', length: rows * columns, offset, value })),
  }
  return contractionOf(kernelOf(t, shape))
}

describe('a product', () => {
  it('is a sum of products over each row and column', () => {
    const c = contractionIn(({ m, n, at, product }) => [[at(m, n), product(0, 1)]])
    expect([c?.rows, c?.columns, c?.summed].map((vs) => vs?.map((v) => v.extent))).toEqual([[rows], [columns], [depth]])
    expect(c?.whole).toBe(false)
  })
  it('may be followed by what reduces its rows', () => {
    const c = contractionIn(({ t, m, n, at, product }) => {
      const j = t.variable(columns)
      return [[at(m, n), t.binary('add', product(0, 1), t.reduce('sum', j, t.read(2, 'f32', at(m, j))))]]
    })
    expect(c?.whole).toBe(true)
  })
  it('is not two of them', () => {
    expect(contractionIn(({ t, m, n, at, product }) => [[at(m, n), t.binary('add', product(0, 1), product(2, 3))]])).toBeUndefined()
  })
  it('is not one beside a sum over another side', () => {
    expect(
      contractionIn(({ t, m, n, at, product }) => {
        const j = t.variable(columns)
        return [[at(m, n), t.binary('add', product(0, 1), t.reduce('sum', j, t.read(2, 'f32', at(j, n))))]]
      }),
    ).toBeUndefined()
  })
  it('is not one whose factors reduce', () => {
    expect(
      contractionIn(({ t, m, n, at }) => {
        const [k, j] = [t.variable(depth), t.variable(depth)]
        const factor = t.unary(
          'exp',
          t.reduce(
            'sum',
            j,
            t.unary(
              'exp',
              t.read(
                0,
                'f32',
                t.affine(
                  [
                    [m, columns],
                    [j, 1],
                  ],
                  0,
                ),
              ),
            ),
          ),
        )
        return [
          [at(m, n), t.reduce('sum', k, t.binary('mul', t.binary('mul', factor, t.read(2, 'f32', at(m, k))), t.read(1, 'f32', at(k, n))))],
        ]
      }),
    ).toBeUndefined()
  })
  it('writes nothing that has no row', () => {
    const written = (column: boolean): Contraction | undefined =>
      contractionIn(({ t, m, n, at, product }) => [
        [at(m, n), product(0, 1)],
        [column ? n : m, t.read(2, 'f32', column ? n : m)],
      ])
    expect(written(false)?.whole).toBe(true)
    expect(written(true)).toBeUndefined()
  })
})
