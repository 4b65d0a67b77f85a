/** Position embeddings of DINOv2 at other grids; outputs are named `out/h{H}w{W}/offset{offset}_aa{0|1}`. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { value } from '../../../core/graph.ts'
import { input } from '../../../core/leaves.ts'
import { trace } from '../../../core/trace.ts'
import { positionFor } from '../../../models/position.ts'
import { configOf, floats, inputOf } from '../case.ts'
import type { Kind } from '../kind.ts'
import { runOnce } from '../kind.ts'

const config = t.type({ grid: t.number, patch_size: t.number })

export const kind: Kind = (c, device) =>
  pipe(
    TE.Do,
    TE.bind('o', () => TE.fromEither(configOf(config, c))),
    TE.bind('stored', () => TE.fromEither(inputOf(c, 'in/pos_embed'))),
    TE.bind('data', () => TE.fromEither(floats(c, 'in/pos_embed'))),
    TE.chain(({ o, stored, data }) => {
      const outputs = c.expectations.flatMap(({ name }) => {
        const parts = /^out\/h(\d+)w(\d+)\/offset([\d.]+)_aa([01])$/.exec(name)
        if (parts === null) return []
        const [h, w, offset] = parts.slice(1, 4).map(Number)
        const at = positionFor({ grid: o.grid, patch: o.patch_size, offset, antialias: parts[4] === '1' }, [
          h * o.patch_size,
          w * o.patch_size,
        ])
        return [value(name, at(input('pos_embed', stored.shape)))]
      })
      return runOnce(device, trace('positions', outputs), new Map([['pos_embed', data]]))
    }),
  )
