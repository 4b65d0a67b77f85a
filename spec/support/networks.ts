/**
 * Random networks, as people write them: tokens with class token and registers, blocks, norms that are tied or not, heads, losses, and the
 * gradients of all parameters with what an optimizer does with them. Uniform random graphs meet too rarely what models do.
 */
import type { Expr } from '../../core/expr.ts'
import type { Output } from '../../core/graph.ts'
import { state, value } from '../../core/graph.ts'
import { resident } from '../../core/leaves.ts'
import { context, param, zeros } from '../../core/model.ts'
import { add, cast, mul, sub } from '../../ops/elementwise.ts'
import { mean } from '../../ops/reduce.ts'
import { gradOptions } from '../../compiler/grad.ts'
import { patchEmbed } from '../../models/patch.ts'
import { assembled, maskedPatches, tokenParams } from '../../models/tokens.ts'
import type { Asked, Chooser, Generator } from './generator.ts'
import { chooser } from './generator.ts'
import type { RandomGraph, Steps } from './graphs.ts'
import { layers, untied } from './layers.ts'
import { objective } from './objectives.ts'
import type { Parameters } from './parameters.ts'
import { parameters } from './parameters.ts'
import type { Sizes } from './sizes.ts'
import { sizesOf } from './sizes.ts'
import { input, tensor } from './tensor.ts'

/** Tokens `[B, 1 + R + N, D]`, of images or of what stands for embedded patches. */
const tokensOf = (c: Chooser, s: Sizes, p: Parameters): Expr => {
  const given = (path: string, shape: ReadonlyArray<number>): Expr => {
    p.give(path, shape)
    return input(path, shape)
  }
  const patch = 1 + c.nat(3)
  const channels = c.of([1, 3])
  const images = c.bit()
  const embed = patchEmbed({ patch, channels, width: s.width })
  const embedded = images
    ? embed.apply(context('train'), p.of('patch_embed', embed.params))(given('images', [s.batch, channels, patch, patch * s.patches]))
    : given('patches', [s.batch, s.patches, s.width])
  const own = p.of(
    'tokens',
    tokenParams({
      generation: 3,
      width: s.width,
      registers: s.registers,
      maskToken: true,
      positions: c.bit() ? 1 + s.patches : 0,
      positionStd: 0.02,
    }),
  )
  if (c.nat(3) > 0) return assembled(own, embedded, own.pos_embed)
  p.set(
    'mask',
    tensor(
      'bool',
      [s.batch, s.patches],
      Array.from({ length: s.batch * s.patches }, (_, i) => Number(i % 3 === 1)),
    ),
  )
  return assembled(own, maskedPatches(embedded, input('mask', [s.batch, s.patches], 'bool'), own.mask_token), own.pos_embed)
}

/** What becomes of the parameters: a step, a step with momentum, or nothing; the gradient is handed out where it is not used. */
const updated = (c: Chooser, path: string, w: Expr, g: Expr, p: Parameters): ReadonlyArray<Output> => {
  const now = (by: Expr): Expr => sub(w, mul(by, 0.05))
  switch (c.nat(4)) {
    case 0:
      return [value(`grad.${path}`, g), state(path, now(g))]
    case 1: {
      const moment = `moments.${path}`
      p.give(moment, w.type.shape)
      const m = add(mul(resident(moment, param(w.type.shape, zeros)), 0.5), g)
      return [state(moment, m), state(path, now(m))]
    }
    case 2: {
      const teacher = `teacher.${path}`
      p.give(teacher, w.type.shape)
      const t = resident(teacher, param(w.type.shape, zeros))
      const next = now(g)
      return [state(path, next), state(teacher, add(mul(t, 0.9), mul(next, 0.1)))]
    }
    default:
      return [value(`grad.${path}`, g)]
  }
}

const make = ([first = [], ...rest]: Steps, asked: Asked): RandomGraph => {
  const c = chooser(first)
  const p = parameters()
  const sizes = sizesOf(c)
  const begin = tokensOf(c, sizes, p)
  const end = rest.reduce(
    (x, [kind, ...choices], i) => layers[kind % layers.length]({ c: chooser(choices), sizes, name: `layers.${i}`, parameters: p })(x),
    begin,
  )
  const normed = untied({ c, sizes, name: 'norms', parameters: p })(end)
  const features = asked.half && c.nat(3) === 0 ? cast('f32')(cast(c.of(['f16', 'bf16'] as const))(normed)) : normed
  const { loss, outputs } = objective(chooser([...first].reverse()), sizes, p, features)
  const trained = p.all()
  const gradients = gradOptions(
    loss,
    trained.map(([, w]) => w),
  )
  return {
    graph: {
      name: 'network',
      outputs: [
        value('loss', loss),
        value('features', features),
        value('mean', mean({ axes: [1] })(features)),
        ...outputs,
        ...trained.flatMap(([path, w], i) => {
          const g = gradients[i]
          return g._tag === 'None' ? [] : updated(c, path, w, g.value, p)
        }),
      ],
    },
    floats: trained.map(([, w]) => w),
    values: p.values(),
  }
}

export const networks: Generator = { name: 'networks', steps: 5, numbers: 12, make }
