/** What of the values that were read is to be said: by `inspect`, and in a run's first lines. */
import { counted, note } from '../readers/note.ts'
import type { Summary } from './summary.ts'

/** A number as a person reads it: whole, or four digits. */
export const short = (x: number): number => (Number.isInteger(x) ? x : Number(x.toPrecision(4)))

/** Of pictures that use less than an eighth of their range (12 bits in 16, for one), how much they use. */
const darkness = ({ values, range: [low, high], units }: Summary): number | undefined => {
  if (units !== undefined || values === undefined || low === null || high === null) return undefined
  const share = (values[1] - low) / (high - low)
  return share > 0 && share < 1 / 8 ? share : undefined
}

/** Where most values of pictures lie that use an eighth of their range, not at its lower end: Hounsfield units with an offset, for one. */
const flatness = (s: Summary): string | undefined => {
  const { bulk, range, constant, read } = s
  const [low, high] = range
  return bulk === undefined ||
    low === null ||
    high === null ||
    constant === read ||
    darkness(s) !== undefined ||
    (bulk[1] - bulk[0]) / (high - low) >= 1 / 8
    ? undefined
    : `from ${short(bulk[0])} to ${short(bulk[1])}, where ${low} to ${high} are possible`
}

/** Beyond metal, in the widest scale that scanners write. */
const mostHounsfield = 32767

/** What of the values is to be said: by `inspect`, and in a run's first lines. */
export const oddValues = (s: Summary): ReadonlyArray<string> => {
  const [dark, flat] = [darkness(s), flatness(s)]
  return [
    ...(s.padding === 0 ? [] : [note(`${s.padding} of ${s.pixels} values are padding: they are air, and in no statistics`)]),
    ...(s.missing === 0
      ? []
      : [
          note(
            `${s.missing} of ${s.pixels} values are NaN or infinite, or beyond 1e30 as fill values are: they are taken as data.nan says, as air where it says nothing`,
            [],
            'data.nan=stop refuses them, data.nan=zero takes them as 0',
          ),
        ]),
    ...(dark === undefined
      ? []
      : [
          note(
            `the largest value is at ${(100 * dark).toPrecision(2)} % of the range: through all of it the images are dark`,
            [],
            'data.intensity=percentiles sees them in the range of their values',
          ),
        ]),
    ...(flat === undefined
      ? []
      : [
          note(
            `99 % of the values lie ${flat}: the images have hardly any contrast`,
            [],
            'data.intensity=percentiles sees them in the range of their values',
          ),
        ]),
    ...(s.wrapped.length === 0
      ? []
      : [
          note(
            `${counted(s.wrapped.length, 'file has', 'files have')} numbers at the top of their range beside small ones and none between, as numbers below 0 that are called unsigned`,
            s.wrapped,
            'data.sign=signed reads them so',
          ),
        ]),
    ...(s.units === 'HU' && s.wrapped.length === 0 && s.values !== undefined && s.values[1] > mostHounsfield
      ? [
          note(
            `values up to ${s.values[1]} HU, which nothing in a body has: numbers below 0 that the files call unsigned, or padding that they do not name`,
            [],
            'data.sign=signed reads them as signed',
          ),
        ]
      : []),
    ...(s.constant === 0
      ? []
      : [note(`${s.constant} of ${counted(s.read, 'image')} ${s.constant === 1 ? 'has' : 'have'} one value alone`)]),
  ]
}
