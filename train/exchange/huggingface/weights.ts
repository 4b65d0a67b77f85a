/** Tensors of files and weights of backbones, by the plans of models/huggingface. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Shape } from '../../../core/type.ts'
import { equalShape, showShape, sizeOf } from '../../../core/type.ts'
import type { HostTensor, HostTensors } from '../../../data/formats/tensor.ts'
import { floatTensor, floatsOf, showTensor } from '../../../data/formats/tensor.ts'
import type { Mapping, Part, Plan } from '../../../models/huggingface/names.ts'
import { isBesideModel, plainName } from '../../../models/huggingface/names.ts'

/** Values by the official names that backbones flatten to. */
export type Weights = ReadonlyMap<string, Float32Array>

/** What to do with tensors of a file that have no place in the model. */
export type Unknown = 'refuse' | 'ignore'

/** At most so many names in one message. */
const named = 8

const listOf = (names: ReadonlyArray<string>): string =>
  names.length > named ? `${names.slice(0, named).join(', ')} and ${names.length - named} more` : names.join(', ')

/** Tensors that a file lacks, and such that have no place in the model, by name. */
export const misfit = (place: string, missing: ReadonlyArray<string>, unknown: ReadonlyArray<string>): Fault => fault('data', {
  place,
  found: [
    ...(missing.length > 0 ? [`${missing.length} missing tensor(s): ${listOf(missing)}`] : []),
    ...(unknown.length > 0 ? [`${unknown.length} unknown tensor(s): ${listOf(unknown)}`] : []),
  ].join('; '),
  allowed: 'every tensor that the model has, and no other',
  remedy: missing.length > 0 ? 'check that the weights and the configuration are of one model' : 'check the model type, or leave them out with --unknown ignore',
})

const shapeFault = (place: string, name: string, found: HostTensor, shape: Shape): Fault =>
  fault('data', { place: `${place}: ${name}`, found: showTensor(found), allowed: showShape(shape), remedy: 'check that the weights and the configuration are of one model' })

/** The same numbers of axes of more than one element: [1, D] and [1, 1, D] are one. */
const sameButOnes = (a: Shape, b: Shape): boolean => equalShape(a.filter((d) => d !== 1), b.filter((d) => d !== 1))

const isNamed = (p: Part): p is Extract<Part, { readonly name: string }> => 'name' in p

const gathered = (place: string, tensors: HostTensors, m: Mapping): Either<Fault, readonly [string, Float32Array]> => {
  const out = new Float32Array(sizeOf(m.shape))
  const row = sizeOf(m.shape.slice(1))
  let at = 0
  for (const part of m.parts) {
    if (!isNamed(part)) {
      at += part.zeros * row
      continue
    }
    const tensor = tensors.get(part.name)
    if (tensor === undefined) return E.left(misfit(place, [part.name], []))
    if (!sameButOnes(tensor.shape, part.shape)) return E.left(shapeFault(place, part.name, tensor, part.shape))
    const values = floatsOf(`${place}: ${part.name}`)(tensor)
    if (E.isLeft(values)) return values
    out.set(values.right, at)
    at += values.right.length
  }
  return E.right([m.official, out])
}

/** What was read, and what had no place. */
export interface Gathered {
  readonly weights: Weights
  readonly ignored: ReadonlyArray<string>
}

/**
 * Weights of a folder's tensors; names may have the prefixes of task classes. Faults, by name: missing tensors; unknown ones, unless they
 * are to be ignored; wrong shapes; tensors that are no floats.
 */
export const gatherWeights = (place: string, plan: Plan, unknown: Unknown) => (tensors: HostTensors): Either<Fault, Gathered> => {
  // empty tensors stand for what a model has none of
  const plain = new Map([...tensors].filter(([, x]) => x.data.length > 0).map(([name, x]) => [plainName(name), x]))
  const wanted = new Set(plan.mappings.flatMap((m) => m.parts.filter(isNamed).map((p) => p.name)))
  const missing = [...wanted].filter((name) => !plain.has(name))
  const extra = [...plain.keys()].filter((name) => !wanted.has(name))
  const strange = extra.filter((name) => !isBesideModel(name))
  if (missing.length > 0 || (strange.length > 0 && unknown === 'refuse')) return E.left(misfit(place, missing, strange))
  return pipe(
    plan.mappings,
    E.traverseArray((m) => gathered(place, plain, m)),
    E.map((entries) => ({ weights: new Map(entries), ignored: extra })),
  )
}

/** How numbers are stored. */
export type Precision = 'f32' | 'f16' | 'bf16'

const stored = (precision: Precision, shape: Shape, data: Float32Array): HostTensor =>
  precision === 'f32' ? floatTensor(shape, data) : { dtype: precision, shape, data }

/** A folder's tensors of weights: what the type demands and the backbone has not is filled with what changes nothing. */
export const scatterWeights = (plan: Plan, precision: Precision) => (weights: Weights): HostTensors => {
  const out = new Map<string, HostTensor>()
  for (const m of plan.mappings) {
    const values = weights.get(m.official) ?? new Float32Array(sizeOf(m.shape)).fill(m.neutral)
    const row = sizeOf(m.shape.slice(1))
    let at = 0
    for (const part of m.parts) {
      const length = isNamed(part) ? sizeOf(part.shape) : part.zeros * row
      if (isNamed(part)) out.set(part.name, stored(precision, part.shape, values.slice(at, at + length)))
      at += length
    }
  }
  for (const x of plan.extras) out.set(x.name, stored(precision, x.shape, x.values))
  return new Map([...out].sort(([a], [b]) => (a < b ? -1 : 1)))
}
