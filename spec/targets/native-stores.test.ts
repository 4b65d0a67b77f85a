/** What a kernel stores where its loops do not count through it: as kernels of several outputs do, each of another shape. */
import { describe, expect, it } from 'vitest'
import { termTable } from '../../compiler/kernel/table.ts'
import { strideAlong } from '../../compiler/targets/native/print.ts'
import type { DType } from '../../core/type.ts'
import { range } from '../../core/type.ts'
import { printedBy, unitOf } from '../support/c-program.ts'

const [rows, columns] = [24, 10]
const points = rows * columns
/** Where the f-th element of 24 rows of 10 is in the transpose of them. */
const place = (f: number): number => (f % columns) * rows + Math.floor(f / columns)

/** A unit of C with one kernel, whose loops are 15 rows of 16: out[place(f)] = x[f] and y[f] = exp(x[f]) for f = 16 r + c. */
const unit = (dtype: DType): string => {
  const t = termTable()
  const [r, c] = [t.variable(15), t.variable(16)]
  const f = t.affine(
    [
      [r, 16],
      [c, 1],
    ],
    0,
  )
  const by = t.num('i32', columns)
  const offset = t.affine(
    [
      [t.binary('mod', f, by), rows],
      [t.binary('idiv', f, by), 1],
    ],
    0,
  )
  const x = t.read(0, 'f32', f)
  return unitOf(t, {
    loops: [r, c],
    reads: [{ dtype: 'f32', length: points }],
    writes: [
      { dtype, length: points, offset, value: t.cast(dtype, x) },
      { dtype: 'f32', length: points, offset: f, value: t.unary('exp', x) },
    ],
  })
}

/** Prints what the kernel makes of 0 … 239, in two parts, as `load` reads an element. */
const main = (element: string, load: string): string => `
  static float x[${points}], exp_x[${points}];
  static ${element} y[${points}];
  for (int i = 0; i < ${points}; i++) x[i] = (float)i;
  void *const b[3] = {x, y, exp_x};
  k0(b, 0, 2, 0), k0(b, 1, 2, 0);
  for (int i = 0; i < ${points}; i++) printf("%g ", (double)${load}(y + i));
`

describe('lanes that belong to different places are stored there', () => {
  const types: ReadonlyArray<readonly [DType, string, string]> = [
    ['f32', 'float', 's_ldf'],
    ['f16', 'uint16_t', 's_ldh'],
    ['bf16', 'uint16_t', 's_ldw'],
    ['i32', 'int32_t', 's_ldi'],
    ['bool', 'uint8_t', 's_ldb'],
  ]
  it.each(types)('%s', { timeout: 60000 }, (dtype, element, load) => {
    const source = unit(dtype)
    expect(source).toContain('v_stg')
    const expected = new Array<number>(points).fill(-1)
    for (const f of range(points)) expected[place(f)] = dtype === 'bool' ? Number(f !== 0) : f
    expect(printedBy(source, main(element, load))).toEqual(expected)
  })
})

it('a stride is that of a variable which stands by itself', () => {
  const t = termTable()
  const [v, w] = [t.variable(12), t.variable(5)]
  const half = t.binary('idiv', v, t.num('i32', 5))
  expect(strideAlong(v, v)).toBe(1)
  expect(
    strideAlong(
      t.affine(
        [
          [v, 3],
          [w, 7],
        ],
        2,
      ),
      v,
    ),
  ).toBe(3)
  expect(
    strideAlong(
      t.affine(
        [
          [v, 1],
          [half, 7],
        ],
        0,
      ),
      v,
    ),
  ).toBeUndefined()
  expect(strideAlong(half, v)).toBeUndefined()
  expect(strideAlong(w, v)).toBe(0)
})
