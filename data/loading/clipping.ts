/** What display windows leave of values: a window that was made for others shows flat images, and no number of a run tells why. */
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Dataset, Window } from '../readers/dataset.ts'
import type { Intensity, WindowName } from './intensity.ts'
import { showWindow, throughWindow, windowFor, windowPresets } from './intensity.ts'
import { isNumber, measured } from './missing.ts'

type Windows = Intensity & { readonly kind: 'windows' }

/** Images that are looked at, spread over the dataset. */
const looked = 8

const percent = (n: number, of: number): string => `${Math.round((100 * n) / of)} %`

/** What some images have: how many values lie below, within and above each window, and the lowest and highest of all. */
interface Counted {
  readonly counts: ReadonlyArray<readonly [number, number, number]>
  readonly lowest: number
  readonly highest: number
}

/** Of some images; those that cannot be read are told where they are read. */
const counted = async (d: Dataset, i: Windows): Promise<Counted> => {
  const counts = i.windows.map((): [number, number, number] => [0, 0, 0])
  let [lowest, highest] = [Infinity, -Infinity]
  const n = Math.min(looked, d.length)
  for (let k = 0; k < n; k++) {
    const read = await d.item(Math.floor((k * d.length) / n))()
    if (E.isLeft(read)) continue
    const values = measured(read.right).filter(isNumber)
    for (const x of values) [lowest, highest] = [Math.min(lowest, x), Math.max(highest, x)]
    i.windows.forEach((w, c) => {
      const window = windowFor(w, read.right)
      if (window === undefined) return
      for (const x of values) {
        const y = throughWindow(window, i.shape)(x)
        counts[c][y <= 0 ? 0 : y >= 1 ? 2 : 1]++
      }
    })
  }
  return { counts, lowest, highest }
}

/** Fat is about -100 HU, lungs and air are below: images of a body in HU reach there, those of MR and of counts do not. */
const fat = -100

/** A window as a setting says it, by numbers alone. */
const inNumbers = (w: WindowName | 'file' | Window): string => {
  const numbers = typeof w === 'string' && w !== 'file' ? windowPresets[w] : w
  return numbers === 'file' ? numbers : `${numbers.centre}/${numbers.width}`
}

const noHounsfield = (d: Dataset, all: Windows['windows'], named: ReadonlyArray<WindowName>, { lowest, highest }: Counted): Fault =>
  fault('data', {
    place: `${d.name}: data.windows`,
    found: `values of no known unit, ${Number(lowest.toPrecision(4))} to ${Number(highest.toPrecision(4))}, where the ${named.length === 1 ? 'window' : 'windows'} ${named.join(', ')} ${named.length === 1 ? 'is' : 'are'} in HU`,
    allowed: `windows with names for values in HU, of which fat and air are at ${fat} and below`,
    remedy: `--set data.intensity=percentiles needs no unit; where they are in HU all the same, or these numbers are meant, --set data.windows=[${all.map(inNumbers).join(',')}]`,
  })

/**
 * What a person should know of windows: those that clip more than half of the values; names of HU for values of no known unit. Fault:
 * such names for values that are not in HU, as files that say their unit have it for each image.
 */
export const windowNotes =
  (i: Intensity, d: Dataset): TaskEither<Fault, ReadonlyArray<string>> =>
  async () => {
    if (i.kind !== 'windows') return E.right([])
    const named = i.windows.flatMap((w) => (typeof w === 'string' && w !== 'file' ? [w] : []))
    const seen = await counted(d, i)
    const isUnknown = d.units === 'stored' && named.length > 0
    if (isUnknown && seen.lowest > fat && seen.lowest <= seen.highest) return E.left(noHounsfield(d, i.windows, named, seen))
    const unknown = isUnknown
      ? [
          `values of no known unit are taken for Hounsfield units by the ${named.length === 1 ? 'window' : 'windows'} ${named.map(showWindow).join(', ')} (--set data.intensity=percentiles needs no unit)`,
        ]
      : []
    const clipped = seen.counts.flatMap(([below, within, above], c) => {
      const all = below + within + above
      return all > 0 && within < all / 2
        ? [
            `the window ${showWindow(i.windows[c])} clips more than half of the values: ${percent(below, all)} are below it, ${percent(above, all)} above (--set data.windows=[CENTRE/WIDTH] chooses another, data.intensity=percentiles needs none)`,
          ]
        : []
    })
    return E.right([...unknown, ...clipped])
  }
