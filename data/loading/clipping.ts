/** What display windows leave of values: a window that was made for others shows flat images, and no number of a run tells why. */
import * as E from 'fp-ts/lib/Either.js'
import type { Dataset } from '../readers/dataset.ts'
import type { Intensity } from './intensity.ts'
import { showWindow, throughWindow, windowFor } from './intensity.ts'
import { isNumber, measured } from './missing.ts'

/** Images that are looked at, spread over the dataset. */
const looked = 8

const percent = (n: number, of: number): string => `${Math.round((100 * n) / of)} %`

/** How many values lie below, within and above a window, of some images; those that cannot be read are told where they are read. */
const counted = async (
  d: Dataset,
  i: Intensity & { readonly kind: 'windows' },
): Promise<ReadonlyArray<readonly [number, number, number]>> => {
  const counts = i.windows.map((): [number, number, number] => [0, 0, 0])
  const n = Math.min(looked, d.length)
  for (let k = 0; k < n; k++) {
    const read = await d.item(Math.floor((k * d.length) / n))()
    if (E.isLeft(read)) continue
    const values = measured(read.right).filter(isNumber)
    i.windows.forEach((w, c) => {
      const window = windowFor(w, read.right)
      if (window === undefined) return
      for (const x of values) {
        const y = throughWindow(window, i.shape)(x)
        counts[c][y <= 0 ? 0 : y >= 1 ? 2 : 1]++
      }
    })
  }
  return counts
}

/** What a person should know of windows: those that clip more than half of the values; names of HU for values of no known unit. */
export const windowNotes = async (i: Intensity, d: Dataset): Promise<ReadonlyArray<string>> => {
  if (i.kind !== 'windows') return []
  const named = i.windows.filter((w) => typeof w === 'string' && w !== 'file')
  const unknown =
    d.units === 'stored' && named.length > 0
      ? [
          `values of no known unit are taken for Hounsfield units by the ${named.length === 1 ? 'window' : 'windows'} ${named.map(showWindow).join(', ')} (--set data.intensity=percentiles needs no unit)`,
        ]
      : []
  const clipped = (await counted(d, i)).flatMap(([below, within, above], c) => {
    const all = below + within + above
    return all > 0 && within < all / 2
      ? [
          `the window ${showWindow(i.windows[c])} clips more than half of the values: ${percent(below, all)} are below it, ${percent(above, all)} above (--set data.windows=[CENTRE/WIDTH] chooses another, data.intensity=percentiles needs none)`,
        ]
      : []
  })
  return [...unknown, ...clipped]
}
