/** The values of a tensor that is a view of a storage: `size` and `stride` over elements from `offset` on. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import { faultsOf } from '../../../core/fault.ts'
import { elements, tensorOfBytes } from '../element.ts'
import type { StoredTensor } from '../stored.ts'
import type { HostTensor } from '../tensor.ts'
import { countOf } from '../tensor.ts'
import type { TorchTensor } from './values.ts'
import { torchTypes } from './values.ts'

/** Bytes [from, from + length) of a storage, by its key. */
export type StorageBytes = (key: string, from: number, length: number) => TaskEither<Fault, Uint8Array>

const wrong = faultsOf('data')

const broken = 'the file is damaged: copy or download it again'

const isContiguous = ({ size, stride }: TorchTensor): boolean => {
  let each = 1
  for (let i = size.length - 1; i >= 0; i--) {
    if (size[i] !== 1 && stride[i] !== each) return false
    each *= size[i]
  }
  return true
}

/** Elements from the first to the last that the view touches. */
const spanOf = ({ size, stride }: TorchTensor): number => (size.includes(0) ? 0 : 1 + size.reduce((n, d, i) => n + (d - 1) * stride[i], 0))

/** The view's elements one after the other, row-major. */
const gathered = (t: TorchTensor, bytes: Uint8Array, width: number): Uint8Array<ArrayBuffer> => {
  const n = countOf(t.size)
  const out = new Uint8Array(n * width)
  const at = t.size.map(() => 0)
  for (let i = 0; i < n; i++) {
    const from = at.reduce((sum, k, axis) => sum + k * t.stride[axis], 0) * width
    out.set(bytes.subarray(from, from + width), i * width)
    for (let axis = at.length - 1; axis >= 0 && ++at[axis] === t.size[axis]; axis--) at[axis] = 0
  }
  return out
}

const read = (place: string, t: TorchTensor, storage: StorageBytes): TaskEither<Fault, HostTensor> => {
  const name = Object.hasOwn(torchTypes, t.type) ? torchTypes[t.type] : undefined
  if (name === undefined)
    return TE.left(
      wrong(
        place,
        `the element type torch.${t.type}`,
        'floats, whole numbers and bools of torch',
        'convert the tensor in Python: state[name].float()',
      ),
    )
  const { dtype, bytes: width } = elements[name]
  const [count, span, first] = [countOf(t.size), spanOf(t), t.storage.offset + t.offset]
  const contiguous = isContiguous(t)
  // a size that the file does not hold must not be allocated
  if (!Number.isSafeInteger(count) || t.offset + span > t.storage.length || (!contiguous && count > 2 ** 31 / width))
    return TE.left(
      wrong(
        place,
        `[${t.size.join(', ')}] from element ${t.offset} on, with steps of [${t.stride.join(', ')}], in a storage of ${t.storage.length}`,
        'a tensor within its storage',
        broken,
      ),
    )
  return pipe(
    span === 0 ? TE.right(new Uint8Array()) : storage(t.storage.key, first * width, span * width),
    TE.chainEitherK((bytes): Either<Fault, HostTensor> => {
      const own = contiguous ? Uint8Array.from(bytes) : gathered(t, bytes, width)
      return pipe(
        tensorOfBytes(dtype, t.size, own.buffer),
        E.mapLeft((found) => wrong(place, found, 'values that the element type holds exactly', broken)),
      )
    }),
  )
}

export const storedTensor = (file: string, name: string, t: TorchTensor, storage: StorageBytes): StoredTensor => ({
  type: Object.hasOwn(torchTypes, t.type) ? torchTypes[t.type] : t.type,
  shape: t.size,
  read: read(`${file}: ${name}`, t, storage),
})
