/** Samples of a pixel, and what they are: two elements that may contradict each other. */
import { counted } from '../note.ts'

/** How pixels are laid out and what their numbers mean; photometric interpretations that are read. */
export const photometrics: ReadonlyArray<string> = [
  'MONOCHROME1',
  'MONOCHROME2',
  'RGB',
  'PALETTE COLOR',
  'YBR_FULL',
  'YBR_FULL_422',
  'YBR_ICT',
  'YBR_RCT',
]

/** Samples of a pixel by its photometric interpretation. */
export const samplesOf = (photometric: string): number => (photometric.startsWith('MONOCHROME') || photometric === 'PALETTE COLOR' ? 1 : 3)

interface Colours {
  readonly samples: number
  readonly photometric: string
}

/** Samples and photometric interpretation; where they contradict each other, as many samples as the pixels have room for. */
export const agreed = (samples: number, said: string, room: number | undefined): Colours => {
  if (said === '') return { samples, photometric: samples === 3 ? 'RGB' : 'MONOCHROME2' }
  const own = samplesOf(said)
  if (!photometrics.includes(said) || own === samples || room === undefined) return { samples, photometric: said }
  // one byte more may fill a word
  const there = [1, 3].find((n) => room >= n && room < n + 1 / 2)
  if (there === own) return { samples: own, photometric: said }
  return there === samples ? { samples, photometric: samples === 3 ? 'RGB' : 'MONOCHROME2' } : { samples, photometric: said }
}

/** What is to be said where something else was taken than was said. */
export const taken = (said: Colours, now: Colours): ReadonlyArray<string> =>
  said.samples === now.samples && (said.photometric === '' || said.photometric === now.photometric)
    ? []
    : [
        `${counted(said.samples, 'sample')} per pixel with the photometric interpretation ${said.photometric}, where the pixels have room for ${now.samples}: ${now.photometric} is taken`,
      ]
