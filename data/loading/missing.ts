/** Pixels without a measurement: NaN, infinities, fill values, and what a file says is padding. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { viewOrigin } from '../readers/dataset.ts'
import type { Dataset, Item } from '../readers/dataset.ts'
import { originOf } from '../readers/origin.ts'
import type { Origin } from '../readers/origin.ts'
import { reopener } from '../readers/reader.ts'

/** What values that are no numbers are: a fault, padding, or the value 0 in the data's units. */
export type Nan = 'air' | 'stop' | 'zero'

/** Beyond this floats are what programs write where nothing was measured: -3.4e38 of GeoTIFF, 9.97e36 of netCDF. */
const beyond = 1e30

/** Whether a value is a number that something can have been measured as. */
export const isNumber = (v: number): boolean => Math.abs(v) < beyond

const countMissing = (data: Float32Array): number => {
  let n = 0
  for (let i = 0; i < data.length; i++) if (!isNumber(data[i])) n++
  return n
}

/** The item with padding where any of its channels has no number. */
const asPadding = (item: Item): Item => {
  const { image } = item
  const n = image.height * image.width
  const padding = Uint8Array.from(item.padding ?? new Uint8Array(n))
  for (let i = 0; i < image.data.length; i++) if (!isNumber(image.data[i])) padding[i % n] = 1
  return { ...item, padding }
}

/** An item whose values that are no numbers are what is wanted of them. Fault, where they are to stop: how many there are. */
export const settledItem =
  (nan: Nan) =>
  (item: Item): Either<Fault, Item> => {
    const n = countMissing(item.image.data)
    if (n === 0) return E.right(item)
    if (nan === 'air') return E.right(asPadding(item))
    if (nan === 'zero') return E.right({ ...item, image: { ...item.image, data: item.image.data.map((v) => (isNumber(v) ? v : 0)) } })
    return E.left(
      fault('data', {
        place: item.source,
        found: `${n} of ${item.image.data.length} values are NaN or infinite, or beyond 1e30 as fill values are`,
        allowed: 'values that can be measured, where data.nan is stop',
        remedy: 'take them as air (--set data.nan=air) or as the value 0 (--set data.nan=zero)',
      }),
    )
  }

const origin = originOf<{ readonly of: Origin; readonly nan: Nan }>('settled')

/** The dataset with values that are no numbers as `nan` says. */
export const settled =
  (nan: Nan) =>
  (d: Dataset): Dataset => ({
    ...d,
    ...viewOrigin(d, (of) => origin.of({ of, nan }, of.inMemory)),
    item: (i) => pipe(d.item(i), TE.chainEitherK(settledItem(nan))),
  })

export const settledView = reopener(origin, ({ of, nan }, again) => pipe(again(of), TE.map(settled(nan))))

/** The values of a channel's plane that measure something. */
export const measured = (item: Item): Float32Array => {
  const {
    image: { data, height, width },
    padding,
  } = item
  if (padding === undefined) return data
  const n = height * width
  return data.filter((_, i) => padding[i % n] === 0)
}
