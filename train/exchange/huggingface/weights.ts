/** Tensors of files and weights of backbones, by the plans of models/huggingface. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Shape } from '../../../core/type.ts'
import { equalShape, showShape, sizeOf } from '../../../core/type.ts'
import { guarded } from '../../../data/formats/file.ts'
import type { StoredTensor, StoredTensors } from '../../../data/formats/stored.ts'
import { readStored } from '../../../data/formats/stored.ts'
import type { HostTensor, HostTensors } from '../../../data/formats/tensor.ts'
import { floatTensor, floatsOf } from '../../../data/formats/tensor.ts'
import type { Mapping, Part, Plan } from '../../../models/huggingface/names.ts'
import { isEssential } from '../../../models/huggingface/official.ts'

/** Values by the official names that backbones flatten to. */
export type Weights = ReadonlyMap<string, Float32Array>

/** What to do with tensors of a file that have no place in the model. */
export type Unknown = 'refuse' | 'ignore'

/** At most this many names in one message. */
const named = 8

export const listOf = (names: ReadonlyArray<string>): string =>
  names.length > named ? `${names.slice(0, named).join(', ')} and ${names.length - named} more` : names.join(', ')

/** Tensors that a file lacks, and such that have no place in the model, by name. */
export const misfit = (place: string, missing: ReadonlyArray<string>, unknown: ReadonlyArray<string>): Fault =>
  fault('data', {
    place,
    found: [
      ...(missing.length > 0 ? [`${missing.length} missing tensor(s): ${listOf(missing)}`] : []),
      ...(unknown.length > 0 ? [`${unknown.length} unknown tensor(s): ${listOf(unknown)}`] : []),
    ].join('; '),
    allowed: 'every tensor that the model has, and no other',
    remedy:
      missing.length > 0
        ? 'check that the weights and the configuration are of one model'
        : unknown.some(isEssential)
          ? 'the network has more to it than is known here: choose another model, or convert it to official names'
          : 'check the model type, or leave them out with --unknown ignore',
  })

const shapeFault = (place: string, name: string, { type, shape: found }: StoredTensor, shape: Shape): Fault =>
  fault('data', {
    place: `${place}: ${name}`,
    found: `${type.toLowerCase()}[${found.join(', ')}]`,
    allowed: showShape(shape),
    remedy: 'check that the weights and the configuration are of one model',
  })

/** The same numbers of axes of more than one element: [1, D] and [1, 1, D] are one. */
export const sameButOnes = (a: Shape, b: Shape): boolean =>
  equalShape(
    a.filter((d) => d !== 1),
    b.filter((d) => d !== 1),
  )

const isNamed = (p: Part): p is Extract<Part, { readonly name: string }> => 'name' in p

/** One of our tensors; nothing is allocated before the file's own shapes fit. */
const gathered = (place: string, tensors: StoredTensors, m: Mapping): TaskEither<Fault, readonly [string, Float32Array]> =>
  guarded(
    'data',
    place,
  )(async (): Promise<E.Either<Fault, readonly [string, Float32Array]>> => {
    for (const part of m.parts.filter(isNamed)) {
      const tensor = tensors.get(part.name)
      if (tensor === undefined) return E.left(misfit(place, [part.name], []))
      if (!sameButOnes(tensor.shape, part.shape)) return E.left(shapeFault(place, part.name, tensor, part.shape))
    }
    const read = await readStored(
      tensors,
      m.parts.filter(isNamed).map((p) => p.name),
    )()
    if (E.isLeft(read)) return read
    const out = new Float32Array(sizeOf(m.shape))
    let at = 0
    for (const part of m.parts) {
      const tensor = isNamed(part) ? read.right.get(part.name) : undefined
      if (tensor !== undefined && isNamed(part)) {
        const values = floatsOf(`${place}: ${part.name}`)(tensor)
        if (E.isLeft(values)) return values
        out.set(values.right, at)
      }
      at += isNamed(part) ? sizeOf(part.shape) : part.zeros
    }
    return E.right([m.official, out])
  })

/** What was read, and what had no place. */
export interface Gathered {
  readonly weights: Weights
  readonly ignored: ReadonlyArray<string>
}

/** Which tensors are no part of a backbone, and may be passed over. */
export type Beside = (name: string) => boolean

/**
 * Weights of the tensors of a backbone. Faults, by name: missing tensors; unknown ones, unless they are to be ignored, which what belongs
 * to a block, a token, a norm or positions never is; wrong shapes; tensors that are no floats.
 */
export const gatherWeights =
  (place: string, plan: Plan, unknown: Unknown, beside: Beside) =>
  (tensors: StoredTensors): TaskEither<Fault, Gathered> => {
    // empty tensors stand for what a model has none of
    const filled = new Map([...tensors].filter(([, x]) => !x.shape.includes(0)))
    const wanted = new Set(plan.mappings.flatMap((m) => m.parts.filter(isNamed).map((p) => p.name)))
    const missing = [...wanted].filter((name) => !filled.has(name))
    const extra = [...filled.keys()].filter((name) => !wanted.has(name))
    const strange = extra.filter((name) => !beside(name))
    const refused = unknown === 'refuse' ? strange : strange.filter(isEssential)
    if (missing.length > 0 || refused.length > 0) return TE.left(misfit(place, missing, refused))
    return pipe(
      plan.mappings,
      TE.traverseSeqArray((m) => gathered(place, filled, m)),
      TE.map((entries) => ({ weights: new Map(entries), ignored: extra })),
    )
  }

/** How numbers are stored. */
export type Precision = 'f32' | 'f16' | 'bf16'

/** Numbers as a tensor of a file. */
export const storedAs = (precision: Precision, shape: Shape, data: Float32Array): HostTensor =>
  precision === 'f32' ? floatTensor(shape, data) : { dtype: precision, shape, data }

/** A folder's tensors of weights: what the type demands and the backbone has not is filled with what changes nothing. */
export const scatterWeights =
  (plan: Plan, precision: Precision) =>
  (weights: Weights): HostTensors => {
    const out = new Map<string, HostTensor>()
    for (const m of plan.mappings) {
      const values = weights.get(m.official) ?? new Float32Array(sizeOf(m.shape)).fill(m.neutral)
      let at = 0
      for (const part of m.parts) {
        const length = isNamed(part) ? sizeOf(part.shape) : part.zeros
        if (isNamed(part)) out.set(part.name, storedAs(precision, part.shape, values.slice(at, at + length)))
        at += length
      }
    }
    for (const x of plan.extras) out.set(x.name, storedAs(precision, x.shape, x.values))
    return new Map([...out].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
