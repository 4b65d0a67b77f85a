/** Images with dark and light exchanged. */
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Normalisation } from '../augment/augmentation.ts'
import { viewOrigin } from '../readers/dataset.ts'
import type { Dataset } from '../readers/dataset.ts'
import { originOf } from '../readers/origin.ts'
import type { Origin } from '../readers/origin.ts'
import { reopener } from '../readers/reader.ts'
import type { Split } from '../readers/split.ts'

const origin = originOf<{ readonly of: Origin }>('negative')

/** Every value v of a range low .. high becomes low + high - v. Law: twice is nothing, to rounding. */
export const negative = (d: Dataset): Dataset => ({
  ...d,
  ...viewOrigin(d, (of) => origin.of({ of }, of.inMemory)),
  name: `${d.name}, negative`,
  item: (i) =>
    pipe(
      d.item(i),
      TE.map((x) => ({ ...x, image: { ...x.image, data: x.image.data.map((v) => d.range[0] + d.range[1] - v) } })),
    ),
})

export const negativeView = reopener(origin, ({ of }, again) => pipe(again(of), TE.map(negative)))

/** Both parts of a split with dark and light exchanged, and the means of their channels too. */
export const negatives = <S extends Split & { readonly normalisation?: Normalisation }>(s: S): S => ({
  ...s,
  train: negative(s.train),
  test: negative(s.test),
  ...(s.normalisation === undefined ? {} : { normalisation: { ...s.normalisation, mean: s.normalisation.mean.map((m) => 1 - m) } }),
})
