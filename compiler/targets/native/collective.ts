/** What ranks do together as a C function: one call, with what it moves. */
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import type { DType } from '../../../core/type.ts'
import { sizeOf } from '../../../core/type.ts'
import type { Together } from '../../kernel/kernel.ts'

const params = t.intersection([t.type({ ranks: t.number }), t.partial({ op: t.string, axis: t.number, blocks: t.readonlyArray(t.number) })])

/** Of the collectives of ops/collective.ts; of others nothing is moved. */
const paramsOf = (c: Together): t.TypeOf<typeof params> => {
  const read = params.decode(c.params)
  return E.isRight(read) ? read.right : { ranks: 1 }
}

/** How many ranks take part. */
export const ranksIn = (c: Together): number => paramsOf(c).ranks

const types: { readonly [D in DType]: string } = { f32: 'F32', f16: 'F16', bf16: 'BF16', i32: 'I32', bool: 'BOOL' }

/** `allReduce` of sums is `ALL_REDUCE_SUM`, `reduceScatter` is `REDUCE_SCATTER`. */
const kindOf = (name: string, op: string | undefined): string =>
  [name.replace(/[A-Z]/g, (c) => `_${c}`), ...(op === undefined ? [] : [op])].join('_').toUpperCase()

/** The function `name`. */
export const collectiveSource = (c: Together, name: string): ReadonlyArray<string> => {
  const { op, axis = 0, blocks = [] } = paramsOf(c)
  const { shape } = c.from
  return [
    `static void ${name}(void *const *b, int t, int T, const Runtime *rt) {`,
    `  static const long blocks[] = {${blocks.length === 0 ? '0' : blocks.join(', ')}};`,
    `  static const Collective c = {.kind = ${kindOf(c.name, op)}, .type = ${types[c.from.dtype]}, .length = ${sizeOf(shape)}, .before = ${sizeOf(shape.slice(0, axis))}, .after = ${sizeOf(shape.slice(axis + 1))}, .count = ${blocks.length}, .blocks = blocks};`,
    '  if (t == 0) rt->collective(&c, b[0], b[1]);',
    '}',
  ]
}
