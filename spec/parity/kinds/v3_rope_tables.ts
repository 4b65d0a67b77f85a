/** Periods and tables of DINOv3's rotary embedding, and queries rotated by the first of them. */
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { value } from '../../../core/graph.ts'
import { input } from '../../../core/leaves.ts'
import { context } from '../../../core/model.ts'
import { trace } from '../../../core/trace.ts'
import type { RopeTables } from '../../../models/rope.ts'
import { ropePeriods, ropeTables, rotate } from '../../../models/rope.ts'
import { transpose } from '../../../ops/reshape.ts'
import { ropeConfig, ropeOptions } from '../backbones.ts'
import { configOf, floats, inputOf } from '../case.ts'
import type { Kind } from '../kind.ts'
import { runOnce } from '../kind.ts'

const variant = t.intersection([t.type({ head_dim: t.number }), ropeConfig])
const config = t.type({ variants: t.record(t.string, variant), grids_hw: t.readonlyArray(t.readonly(t.tuple([t.number, t.number]))) })

const tables = (v: t.TypeOf<typeof variant>, grid: readonly [number, number]): RopeTables =>
  ropeTables(ropeOptions(v), v.head_dim, grid, context('eval'))

export const kind: Kind = (c, device) =>
  pipe(
    TE.Do,
    TE.bind('o', () => TE.fromEither(configOf(config, c))),
    TE.bind('q', () =>
      TE.fromEither(
        c.inputs.has('in/q') ? E.map((x: { readonly shape: ReadonlyArray<number> }) => x.shape)(inputOf(c, 'in/q')) : E.right([1, 1, 1, 1]),
      ),
    ),
    TE.bind('data', () => TE.fromEither(c.inputs.has('in/q') ? floats(c, 'in/q') : E.right(new Float32Array(1)))),
    TE.chain(({ o, q, data }) => {
      const variants = Object.entries(o.variants)
      const named = new Map(
        variants.flatMap(([name, v]) =>
          o.grids_hw.flatMap((grid) => {
            const { sin, cos } = tables(v, grid)
            return [
              [`out/${name}/h${grid[0]}w${grid[1]}/sin`, sin],
              [`out/${name}/h${grid[0]}w${grid[1]}/cos`, cos],
            ] as const
          }),
        ),
      )
      // heads come before positions in the case, and after them in the model
      const rotated = transpose([0, 2, 1, 3])(rotate(tables(variants[0][1], o.grids_hw[0]))(transpose([0, 2, 1, 3])(input('q', q))))
      const all = new Map([...named, ...(c.inputs.has('in/q') ? [['out/q_rotated', rotated] as const] : [])])
      const periods = variants.map(([name, v]) => [`out/${name}/periods`, ropePeriods(ropeOptions(v), v.head_dim)] as const)
      return pipe(
        runOnce(
          device,
          trace(
            'rotary tables',
            [...all].map(([name, e]) => value(name, e)),
          ),
          new Map([['q', data]]),
        ),
        TE.map((values) => new Map<string, ArrayLike<number>>([...values, ...periods])),
      )
    }),
  )
