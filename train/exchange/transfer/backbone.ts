/**
 * A backbone's tensors for another generation of it. What both have is taken over; what only one has is made so that the function
 * stays the same wherever there is such a way:
 *
 *     LayerScale begins at 1 where the source has none, and is multiplied into the layers before it where the network has none
 *     class token and registers begin with the norm of all tokens where they have norms of their own
 *     positions are interpolated to another grid, the patch embedding is adapted to other channels
 *
 * Tokens that the source lacks (mask, registers, learned positions) and biases begin anew.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../../core/fault.ts'
import type { Declaration } from '../../../core/model.ts'
import type { Shape } from '../../../core/type.ts'
import { equalShape, showShape, sizeOf } from '../../../core/type.ts'
import { families } from '../../../models/huggingface/families.ts'
import type { ChannelRule } from '../huggingface/imagery.ts'
import { adaptChannels, resizeGrid } from '../huggingface/imagery.ts'
import type { Carried, Tensor, Tensors, Wanted } from './tensors.ts'
import { noteOf, unfit } from './tensors.ts'

/** DINOv2's and DINOv3's names of the same tokens. */
const twins: ReadonlyMap<string, string> = new Map([
  ['register_tokens', 'storage_tokens'],
  ['storage_tokens', 'register_tokens'],
])

const renamed = (source: Tensors, wanted: Wanted): Tensors =>
  new Map([...source].map(([path, x]) => [!wanted.has(path) && wanted.has(twins.get(path) ?? '') ? (twins.get(path) ?? path) : path, x]))

/** The last layer of each half of a block, whose outputs LayerScale multiplies. */
const scaledLayers: Readonly<Record<string, ReadonlyArray<string>>> = { ls1: ['attn.proj'], ls2: ['mlp.fc2', 'mlp.w3'] }

const timesRows = (x: Tensor, gamma: Float32Array): Tensor => {
  const row = sizeOf(x.shape) / gamma.length
  return { shape: x.shape, values: x.values.map((v, i) => v * gamma[Math.floor(i / row)]) }
}

/** `gamma * (W x + b)` as `(gamma W) x + gamma b`. */
const folded = (source: Tensors): Tensors => {
  const out = new Map(source)
  for (const [path, gamma] of source) {
    const found = /^(.*\.)(ls[12])\.gamma$/.exec(path)
    if (found === null) continue
    out.delete(path)
    for (const layer of scaledLayers[found[2]])
      for (const part of ['weight', 'bias']) {
        const x = source.get(`${found[1]}${layer}.${part}`)
        if (x !== undefined) out.set(`${found[1]}${layer}.${part}`, timesRows(x, gamma.values))
      }
  }
  return out
}

const isGamma = (path: string): boolean => path.endsWith('.gamma')

/** What may begin anew in a backbone that is otherwise taken over. */
const mayBeNew = (path: string): boolean =>
  /(^|\.)(cls_token|mask_token|register_tokens|storage_tokens|pos_embed)$|\.bias$|\.lora_/.test(path)

/** The weights whose second axis are the channels of images. */
const stems: ReadonlyArray<string> = ['patch_embed.proj.weight', ...families.map(({ stem }) => stem)]

const side = (shape: Shape): number => Math.round(Math.sqrt((shape[1] ?? 1) - 1))

/** A tensor of another shape made to fit, and how; none where there is no way. */
const adapted = (path: string, x: Tensor, d: Declaration, rule: ChannelRule): readonly [Float32Array, string] | undefined => {
  const [a, b] = [x.shape, d.shape]
  if (
    equalShape(
      a.filter((n) => n !== 1),
      b.filter((n) => n !== 1),
    )
  )
    return [x.values, '']
  if (stems.includes(path) && a.length === 4 && a[0] === b[0] && a[2] === b[2] && a[3] === b[3])
    return [
      adaptChannels(rule, { from: a[1], to: b[1], area: a[2] * a[3] })(x.values),
      `${a[1]} channels became ${b[1]} by the rule "${rule}"`,
    ]
  if (path === 'pos_embed' && a[2] === b[2] && side(a) ** 2 + 1 === a[1] && side(b) ** 2 + 1 === b[1])
    return [
      resizeGrid({ from: side(a), to: side(b), width: a[2] })(x.values),
      `interpolated from a grid of ${side(a)} x ${side(a)} to ${side(b)} x ${side(b)}`,
    ]
  return undefined
}

/** Where the value of a tensor that the source lacks comes from: another of its tensors that makes the function the same, or ones. */
const standIn = (source: Tensors, path: string, d: Declaration): readonly [Float32Array, string] | undefined => {
  if (isGamma(path)) return [new Float32Array(sizeOf(d.shape)).fill(1), 'begins at 1, as the source has no LayerScale: the function stays']
  const norm = /^(?:local_)?cls_norm\.(\w+)$/.exec(path)
  const common =
    norm === null
      ? undefined
      : (source.get(path.startsWith('local_') ? `cls_norm.${norm[1]}` : `norm.${norm[1]}`) ?? source.get(`norm.${norm?.[1] ?? ''}`))
  return common === undefined ? undefined : [common.values, 'begins as the norm of all tokens: the function stays']
}

/** Faults: a layer of another shape, one that the source does not have, and blocks of the source that the network does not have. */
export const carryBackbone = (wanted: Wanted, from: Tensors, rule: ChannelRule): Either<Fault, Carried> => {
  const unscaled = ![...wanted.keys()].some(isGamma) && [...from.keys()].some(isGamma)
  const source = renamed(unscaled ? folded(from) : from, wanted)
  const values = new Map<string, Float32Array>()
  const notes = new Map<string, Array<string>>()
  const say = (path: string, what: string): void => {
    if (what !== '') notes.set(what, [...(notes.get(what) ?? []), path])
  }
  for (const [path, d] of wanted) {
    const x = source.get(path)
    const made = x === undefined ? standIn(source, path, d) : adapted(path, x, d, rule)
    if (made !== undefined) {
      values.set(path, made[0])
      say(path, made[1])
    } else if (mayBeNew(path))
      say(path, x === undefined ? 'begins anew: the source has none' : `begins anew: ${showShape(x.shape)} became ${showShape(d.shape)}`)
    else return E.left(unfit(path, x === undefined ? 'no such tensor' : showShape(x.shape), d))
  }
  const extra = [...source.keys()].filter((path) => !wanted.has(path))
  const layer = extra.find((path) => /^(blocks|layers|stages|downsample_layers)\./.test(path) && !mayBeNew(path) && !/norm/.test(path))
  if (layer !== undefined) return E.left(unfit(layer, 'a layer that the network does not have', undefined))
  return E.right({
    values,
    notes: [
      ...(unscaled ? ['LayerScale was multiplied into the layers before it: the function stays'] : []),
      ...[...notes].flatMap(([what, paths]) => noteOf(paths, what)),
      ...noteOf(extra, 'left out: the network has none'),
    ],
  })
}
