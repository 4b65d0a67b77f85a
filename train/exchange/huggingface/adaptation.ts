/** Weights of one backbone for another of other channels, another position grid, other tokens; every change is said in words. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Declaration } from '../../../core/model.ts'
import { declarations } from '../../../core/model.ts'
import { equalShape, showShape, sizeOf } from '../../../core/type.ts'
import type { ChannelRule } from './imagery.ts'
import { adaptChannels, resizeGrid } from './imagery.ts'
import { gridOf } from '../../../models/options.ts'
import type { Vit } from '../../../models/vit.ts'
import { initialValues } from '../../step/initialization.ts'
import type { Weights } from './weights.ts'

export interface AdaptOptions {
  /** How patch embeddings change their channels. */
  readonly channels: ChannelRule
  /** Of what begins anew. */
  readonly seed: number
}

export interface Adapted {
  readonly weights: Weights
  readonly notes: ReadonlyArray<string>
}

/** One tensor for the new backbone, and what was done to it. */
type Step = Either<Fault, readonly [values: Float32Array, note: string]>

const onePart = (
  from: Vit,
  to: Vit,
  o: AdaptOptions,
  path: string,
  d: Declaration,
  old: Declaration | undefined,
  values: Float32Array | undefined,
): Step => {
  const [a, b] = [from.options, to.options]
  if (old === undefined || values === undefined)
    return E.right([initialValues(d.init, sizeOf(d.shape), o.seed, path), `${path} begins anew: the source has none`])
  if (equalShape(old.shape, d.shape)) return E.right([values, ''])
  if (path === 'patch_embed.proj.weight' && a.patch === b.patch && a.width === b.width)
    return E.right([
      adaptChannels(o.channels, { from: a.channels, to: b.channels, area: a.patch ** 2 })(values),
      `${path}: ${a.channels} channels became ${b.channels} by the rule "${o.channels}"`,
    ])
  if (path === 'pos_embed' && a.width === b.width)
    return E.right([
      resizeGrid({ from: gridOf(a), to: gridOf(b), width: a.width })(values),
      `${path}: interpolated from a grid of ${gridOf(a)} x ${gridOf(a)} to ${gridOf(b)} x ${gridOf(b)}`,
    ])
  return E.left(
    fault('data', {
      place: path,
      found: showShape(old.shape),
      allowed: showShape(d.shape),
      remedy: 'change channels, image size, registers or tokens alone: all else is fixed by the weights',
    }),
  )
}

/** Weights of `from` for `to`. Fault: another shape for anything but patch embeddings' channels and the position grid. */
export const adaptWeights =
  (from: Vit, to: Vit, o: AdaptOptions) =>
  (weights: Weights): Either<Fault, Adapted> => {
    const old = new Map(declarations(from.params))
    const out = new Map<string, Float32Array>()
    const notes: string[] = []
    for (const [path, d] of declarations(to.params)) {
      const step = onePart(from, to, o, path, d, old.get(path), weights.get(path))
      if (E.isLeft(step)) return step
      const [values, note] = step.right
      out.set(path, values)
      if (note !== '') notes.push(note)
    }
    for (const path of old.keys()) if (!out.has(path)) notes.push(`${path} was left out: the backbone has none`)
    return E.right({ weights: out, notes })
  }
