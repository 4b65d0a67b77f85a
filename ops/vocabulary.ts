/** Every primitive by name, derived from the records themselves: for saving and loading graphs, and for the rules in spec. */
import type { Option } from 'fp-ts/lib/Option.js'
import { none } from 'fp-ts/lib/Option.js'
import type { Op } from '../core/expr.ts'
import { attending } from './attention.ts'
import { broadcasting } from './broadcast.ts'
import { collective } from './collective.ts'
import { contracting } from './contract.ts'
import { elementwise } from './elementwise.ts'
import { gathering } from './gather.ts'
import { reducing } from './reduce.ts'
import { reshaping } from './reshape.ts'
import { windowing } from './window.ts'

export const vocabulary = {
  ...elementwise,
  ...reshaping,
  ...broadcasting,
  ...windowing,
  ...gathering,
  ...reducing,
  ...contracting,
  ...attending,
  ...collective,
}

export type PrimitiveName = keyof typeof vocabulary

const loaders: ReadonlyMap<string, (params: unknown) => Option<Op>> = new Map(Object.values(vocabulary).map((p) => [p.primitive, p.load]))

/** An op from its saved name and parameters; `none` for what this version does not know. */
export const loadOp = (name: string, params: unknown): Option<Op> => loaders.get(name)?.(params) ?? none
