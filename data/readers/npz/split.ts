/** A split of arrays as a dataset: every slice of a volume is an item, and values are as stored. */
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import { npyNumbers, npyRange } from '../../formats/npy.ts'
import type { NpyHeader } from '../../formats/npy.ts'
import { countOf } from '../../formats/tensor.ts'
import { guarded } from '../../formats/file.ts'
import { contentBytes } from '../../formats/zip.ts'
import type { Content } from '../../formats/zip.ts'
import { outside } from '../dataset.ts'
import type { Dataset, Item } from '../dataset.ts'
import { originOf } from '../origin.ts'
import { toChannels } from '../result.ts'
import type { Channels } from '../result.ts'
import type { Labels } from './labels.ts'
import { depthOf, sliceOf, sliceSize } from './layout.ts'
import type { Layout } from './layout.ts'

/** What a split is made of, beside its images' bytes. */
export interface NpzFrame {
  readonly name: string
  readonly header: NpyHeader
  readonly layout: Layout
  readonly labels: Labels | undefined
  readonly classes: ReadonlyArray<string>
  readonly axis: number
  readonly channels: Channels
}

/** What a split is made of. */
export interface NpzParts extends NpzFrame {
  readonly content: Content
}

const framed = ({ name, header, layout, labels, classes, axis, channels }: NpzFrame, content: TaskEither<Fault, Content>): Dataset => {
  const depth = depthOf(layout, axis)
  const length = layout.count * depth
  const size = sliceSize(layout, axis)
  const entryBytes = countOf(layout.sides) * layout.channels * header.bytes
  const single = labels?.perEntry === 1 ? labels : undefined
  const inRange = (i: number): boolean => Number.isSafeInteger(i) && i >= 0 && i < length
  const range = npyRange(header.type)
  const labelOf = (entry: number): number | undefined =>
    single !== undefined && single.values[entry] >= 0 ? single.values[entry] : undefined
  return {
    name,
    length,
    range,
    classes,
    channels: channels === 'stored' ? layout.channels : channels,
    // bytes are intensities; wider numbers measure something, of which their type does not know the ends
    ...(header.bytes === 1 && header.type !== 'i1' ? {} : { units: 'stored' }),
    label: (i) => (inRange(i) ? O.fromNullable(labelOf(Math.floor(i / depth))) : O.none),
    sourceOf: (i) => `${name}/${Math.floor(i / depth)}`,
    sizeOf: () => size,
    item: (i) => {
      if (!inRange(i)) return TE.left(outside(name, i, length))
      const [entry, k] = [Math.floor(i / depth), i % depth]
      const label = labelOf(entry)
      return guarded(
        'data',
        `${name}/${entry}`,
      )(
        pipe(
          content,
          TE.chain((c) => contentBytes(c)(entry * entryBytes, entryBytes)),
          TE.map((bytes): Item => ({
            image: toChannels(channels, range[1])(sliceOf(layout, axis, k, npyNumbers(header, bytes))),
            source: `${name}/${entry}`,
            frame: k,
            ...(label === undefined ? {} : { label }),
            ...(labels === undefined || labels.perEntry === 1
              ? {}
              : { labels: Array.from(labels.values.subarray(entry * labels.perEntry, (entry + 1) * labels.perEntry)) }),
          })),
        ),
      )
    },
  }
}

export const npzOrigin = originOf<NpzParts>('npz')

/** A split as a dataset. */
export const npzDataset = (parts: NpzParts): Dataset => ({
  ...framed(parts, TE.right(parts.content)),
  origin: TE.right(npzOrigin.of(parts)),
})

/** The same, its bytes not looked for before they are needed. */
export const lazily = (frame: NpzFrame, content: TaskEither<Fault, Content>): Dataset => ({
  ...framed(frame, content),
  origin: pipe(
    content,
    TE.map((c) => npzOrigin.of({ ...frame, content: c })),
  ),
})
