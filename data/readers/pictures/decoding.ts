/** How pictures are decoded whose headers have been seen, and what a dataset of them states. */
import type { Dataset } from '../dataset.ts'
import type { OpenOptions } from '../reader.ts'
import type { PictureOptions } from './file.ts'
import type { Peeked } from './header.ts'

export interface Decoding {
  readonly options: PictureOptions
  /** The channels to state where `options` leaves them as stored. */
  readonly stored?: number
  /** The range to state where values are as stored. */
  readonly range?: readonly [number, number]
  /** Values that measure something, of which a range is not what is to be shown. */
  readonly measured?: boolean
}

/** Pictures that were looked at: measurements as stored, all others as asked, gray where all are gray. */
export const decodingOf = (seen: ReadonlyArray<Peeked>, o: OpenOptions): Decoding => {
  const measured = seen.flatMap((s) => (s.measured === undefined ? [] : [s.measured]))
  const usual = measured.length > 0 ? 'stored' : seen.length > 0 && seen.every((s) => s.channels <= 2) ? 1 : 3
  const ends = measured.map((m) => m.range)
  return {
    options: {
      channels: o.channels ?? usual,
      values: measured.length > 0 ? 'stored' : (o.values ?? 'unit'),
      ...(o.pages === undefined ? {} : { pages: o.pages }),
      ...(o.itemBytes === undefined ? {} : { itemBytes: o.itemBytes }),
      ...(o.sign === undefined ? {} : { sign: o.sign }),
    },
    stored: seen.at(0)?.channels ?? 3,
    range:
      measured.length > 0
        ? [ends.reduce((m, e) => Math.min(m, e[0]), Infinity), ends.reduce((m, e) => Math.max(m, e[1]), -Infinity)]
        : [0, seen.some((s) => s.deep) ? 65535 : 255],
    ...(measured.length > 0 ? { measured: true } : {}),
  }
}

/** What a dataset of them states. */
export const stated = ({ options, stored = 3, range = [0, 255], measured }: Decoding): Pick<Dataset, 'channels' | 'range' | 'units'> => {
  const { channels = 3, values } = options
  return {
    channels: channels === 'stored' ? stored : channels,
    range: values === 'stored' || measured === true ? range : [0, 1],
    ...(measured === true ? { units: 'stored' } : {}),
  }
}
