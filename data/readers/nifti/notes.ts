/** What is to be said of volumes: contrasts, times and channels that are read together, and headers that contradict themselves. */
import { relative, sep } from 'node:path'
import { counted, note } from '../note.ts'
import { grouped } from '../walk.ts'
import type { NiftiFile } from './file.ts'
import type { Axis } from './slice.ts'

/** What names say that a file shows: BraTS' _t1, _flair; nnU-Net's _0000, _0001; BIDS' _T1w, _bold. */
const contrast = /_(t1|t1c|t1ce|t1gd|t1n|t1w|t2|t2w|t2f|flair|pd|adc|dwi|swi|bold|asl|cbv|cbf|pet|ct|mr|\d{4})\.nii(\.gz)?$/i

/** A note where files are of several contrasts, by what they are called. */
const contrastsOf = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const kinds = grouped(names, (n) => contrast.exec(n)?.[1] ?? '')
  const named = [...kinds].filter(([k]) => k !== '')
  if (named.length < 2 || named.length > 12) return []
  return [
    note(
      `files of ${named.length} contrasts by their names are read as one kind: ${named.map(([k, own]) => `${own.length} ${k}`).join(', ')}`,
      [],
      `data.select=*_${named[0][0]}.nii* reads one of them`,
    ),
  ]
}

/** How many times as far apart voxels along an axis are as along all others, where that is how slices were acquired. */
const thick = 1.5

/** A note of files whose slices were acquired along another axis than z, so that they are cut across. */
const acrossOf = (files: ReadonlyArray<NiftiFile>, name: (f: NiftiFile) => string): ReadonlyArray<string> =>
  ([0, 1] as const).flatMap((a) => {
    const own = files.filter(({ header: { spacing = [], size } }) =>
      spacing.every((s, k) => k === a || (spacing[a] > thick * s && size[k] > size[a])),
    )
    const { spacing } = own.at(0)?.header ?? {}
    return spacing === undefined
      ? []
      : [
          note(
            `voxels lie ${spacing[a]} mm apart along axis ${a} and ${spacing.filter((_, k) => k !== a).join(' and ')} mm along the others in ${counted(own.length, 'file')}, as slices along axis ${a} do, and are cut along axis 2`,
            own.map(name),
            `data.axis=${a} takes the slices that they were acquired in`,
          ),
        ]
  })

/** What is to be said of opened files: contradictions, and volumes that are not read or that may be no time series. */
export const notesOf = (
  root: string,
  files: ReadonlyArray<NiftiFile>,
  asked: boolean,
  kept: boolean,
  axis?: Axis,
): ReadonlyArray<string> => {
  const name = (f: NiftiFile): string => relative(root, f.path).split(sep).join('/')
  const odd = grouped(
    files.flatMap((f) => f.header.odd.map((what) => ({ what, f }))),
    (o) => o.what,
  )
  const several = files.filter((f) => f.header.volumes > 1 && !asked)
  const counts = [...new Set(several.map((f) => f.header.volumes))].join(', ')
  const clear = kept ? [] : files.filter((f) => f.header.type.channels * f.header.planes === 4)
  const unsaid = files.filter((f) => f.header.planes > 1)
  return [
    ...[...odd].map(([what, own]) =>
      note(
        what,
        own.map((o) => name(o.f)),
      ),
    ),
    ...contrastsOf(files.map(name)),
    ...(axis === undefined ? acrossOf(files, name) : []),
    ...(several.length === 0
      ? []
      : [
          note(
            `${counts} volumes each in ${counted(several.length, 'file')} are all read as one kind${several.every((f) => f.header.inTime) ? ', as they follow each other in time' : ', though they may be contrasts'}`,
            several.map(name),
            'data.volume=0 reads the first alone',
          ),
        ]),
    ...(clear.length === 0
      ? []
      : [
          note(
            `${counted(clear.length, 'file has', 'files have')} transparency, which is left out`,
            clear.map(name),
            'data.channels=4 keeps it',
          ),
        ]),
    ...(unsaid.length === 0
      ? []
      : [
          note(
            `${[...new Set(unsaid.map((f) => f.header.planes))].join(', ')} numbers of a voxel are taken as channels in ${counted(unsaid.length, 'file')}`,
            unsaid.map(name),
          ),
        ]),
  ]
}
