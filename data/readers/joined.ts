/** Several datasets as one: the items of the first, then those of the second, and so on. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { isIndex, outside } from './dataset.ts'
import type { Dataset, Item } from './dataset.ts'
import { originOf } from './origin.ts'
import type { Origin } from './origin.ts'
import { reopener } from './reader.ts'

/**
 * A dataset of several. `labels`: the class of all items of one, -1 where its own count; `folders`: where each lies, since files of one
 * name in several folders are several sources.
 */
interface Joining {
  readonly name: string
  readonly labels: ReadonlyArray<number>
  readonly folders: ReadonlyArray<string>
  readonly classes: ReadonlyArray<string>
}

const origin = originOf<Joining & { readonly of: ReadonlyArray<Origin> }>('joined')

const common = <A>(xs: ReadonlyArray<A>): A | undefined => (xs.every((x) => x === xs[0]) ? xs[0] : undefined)

/** All items of the datasets. Fault: they have different numbers of channels. */
export const joined =
  (j: Joining) =>
  (all: ReadonlyArray<Dataset>): Either<Fault, Dataset> => {
    const odd = all.find((d) => d.channels !== all[0].channels)
    if (odd !== undefined) {
      return E.left(
        fault('data', {
          place: j.name,
          found: `${all[0].name} of ${all[0].channels} channels and ${odd.name} of ${odd.channels}`,
          allowed: 'one number of channels',
          remedy: 'name one of the files, or choose with data.select',
        }),
      )
    }
    const starts = new Int32Array(all.length + 1)
    all.forEach((d, i) => {
      starts[i + 1] = starts[i] + d.length
    })
    const length = starts[all.length]
    /** The number of the dataset that has item i. */
    const owner = (i: number): number => {
      let [low, high] = [0, all.length]
      while (high - low > 1) {
        const middle = (low + high) >> 1
        if (starts[middle] <= i) low = middle
        else high = middle
      }
      return low
    }
    const within = (k: number, source: string): string => (j.folders[k] === '.' ? source : `${j.folders[k]}/${source}`)
    const sourceOf = (i: number): string => {
      const k = owner(i)
      return within(k, all[k].sourceOf?.(i - starts[k]) ?? all[k].name)
    }
    const [units, modality] = [common(all.map((d) => d.units)), common(all.map((d) => d.modality))]
    const origins = all.flatMap((d) => (d.origin === undefined ? [] : [d.origin]))
    return E.right({
      name: j.name,
      length,
      channels: all[0].channels,
      classes: j.classes,
      range: [all.reduce((m, d) => Math.min(m, d.range[0]), Infinity), all.reduce((m, d) => Math.max(m, d.range[1]), -Infinity)],
      ...(units === undefined ? {} : { units }),
      ...(modality === undefined ? {} : { modality }),
      ...(origins.length < all.length
        ? {}
        : {
            origin: pipe(
              origins,
              TE.sequenceArray,
              TE.map((of) => origin.of({ ...j, of })),
            ),
          }),
      label: (i) => {
        if (!isIndex(i, length)) return O.none
        const k = owner(i)
        return j.labels[k] >= 0 ? O.some(j.labels[k]) : all[k].label(i - starts[k])
      },
      group: (i) => {
        const k = owner(i)
        return all[k].group?.(i - starts[k]) ?? sourceOf(i)
      },
      ...(all.every((d) => d.sizeOf === undefined)
        ? {}
        : {
            sizeOf: (i: number) => {
              const k = owner(i)
              return all[k].sizeOf?.(i - starts[k])
            },
          }),
      sourceOf,
      item: (i) => {
        if (!isIndex(i, length)) return TE.left(outside(j.name, i, length))
        const k = owner(i)
        return pipe(
          all[k].item(i - starts[k]),
          TE.map((item): Item => ({
            ...item,
            source: within(k, item.source),
            ...(j.labels[k] >= 0 ? { label: j.labels[k] } : {}),
          })),
        )
      },
    })
  }

export const joinedView = reopener(origin, ({ of, ...j }, again) => pipe(of, TE.traverseArray(again), TE.chainEitherK(joined(j))))
