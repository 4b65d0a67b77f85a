/**
 * What must not be parted: slices of a volume, images of a patient. A test on neighbours of the training slices measures memory, so that
 * parts are cut between groups, in shares of each class.
 */
import * as O from 'fp-ts/lib/Option.js'
import type { Dataset } from './dataset.ts'
import { grouped } from './walk.ts'

/** Folders that are called as patients are: CheXpert's patient00001, BIDS' sub-01, MIMIC's p10000032. */
const patient = /^(?:patient|pat|subject|sub|subj|case|participant|pt)[-_ ]?\d\w*$|^p\d{6,}$/i

/** Whether a folder is called as a patient's is. */
export const isPatient = (folder: string): boolean => patient.test(folder)

/** nnU-Net's contrasts of one case: la_003_0000.nii.gz. */
const contrast = /_\d{4}\.nii(\.gz)?$/i

/** Files that are called after a patient, and have more in their names: patient001_frame01.nii.gz, person12_bacteria_3.jpeg. */
const patientFile = /^((?:patient|person|subject|sub|subj|case|participant|pt)[-_ ]?\d+)[-_ .]/i

/** Slices of a volume and frames of a film in files of their own: volume_1_slice_23.png, walk_frame0007.jpg. */
const sliceFile = /^(.*[^-_ .])[-_ .]+(?:slice|slc|frame|z)[-_ ]?\d+\.[^/]*$/i

const patientOf = (source: string): string | undefined => {
  const folders = source.split('/')
  const name = folders.pop() ?? ''
  const volume = sliceFile.exec(name)?.[1]
  return (
    folders.find(isPatient) ??
    (contrast.test(source) ? source.replace(contrast, '') : undefined) ??
    patientFile.exec(name)?.[1].toLowerCase() ??
    (volume === undefined ? undefined : [...folders, volume].join('/'))
  )
}

/** The group of each item: what the data say, else a patient's folder, else the file or volume that it comes from. */
const groupNames = (d: Dataset): ReadonlyArray<string> =>
  Array.from({ length: d.length }, (_, i) => {
    const source = d.sourceOf?.(i)
    return d.group?.(i) ?? (source === undefined ? `item ${i}` : (patientOf(source) ?? source))
  })

const upTo = (n: number): ReadonlyArray<number> => Array.from({ length: n }, (_, i) => i)

const labelOf =
  (d: Dataset) =>
  (i: number): number =>
    O.getOrElse(() => -1)(d.label(i))

/** The most frequent label of some items, of equals the first. */
const usualLabel = (d: Dataset, items: ReadonlyArray<number>): string => {
  let [best, most] = ['', 0]
  for (const [label, own] of grouped(items, (i) => String(labelOf(d)(i)))) if (own.length > most) [best, most] = [label, own.length]
  return best
}

export interface Held {
  readonly test: ReadonlySet<number>
  /** How it was cut, where items were not cut one by one. */
  readonly said: ReadonlyArray<string>
}

/** The last groups of a class that come nearest to a number of items; one at least of several, never all of them. */
const lastGroups = (groups: ReadonlyArray<ReadonlyArray<number>>, wanted: number): ReadonlyArray<number> => {
  const out: number[] = []
  for (let g = groups.length - 1; g > 0; g--) {
    const n = groups[g].length
    if (out.length > 0 && out.length + n / 2 > wanted) break
    out.push(...groups[g])
  }
  return out
}

/** Items of which none belongs to another: of a million, no list for each is made. */
const heldSingly = (d: Dataset, share: number): Held => {
  const classes = [...grouped(upTo(d.length), (i) => String(labelOf(d)(i))).values()]
  const cut = (least: number): ReadonlySet<number> => {
    const test = new Set<number>()
    for (const own of classes) {
      const held = Math.max(own.length > 1 ? least : 0, Math.round(own.length * share))
      for (const i of own.slice(own.length - held)) test.add(i)
    }
    return test
  }
  const fair = cut(0)
  if (fair.size > 0) return { test: fair, said: [] }
  const few = cut(1)
  return {
    test: few,
    said:
      few.size === 0
        ? []
        : [`classes have so few images that one of each with at least two is kept for the test: ${few.size} of ${d.length}`],
  }
}

/** The items that are held for a test: of every class the share nearest to `share`, and whole groups. */
export const heldOut = (d: Dataset, share: number): Held => {
  if (share === 0) return { test: new Set(), said: [] }
  const names = groupNames(d)
  if (new Set(names).size === d.length) return heldSingly(d, share)
  const items = upTo(d.length)
  const groups = [...grouped(items, (i) => names[i]).values()]
  const fair = new Set<number>()
  for (const own of grouped(groups, (of) => usualLabel(d, of)).values()) {
    const wanted = own.reduce((n, of) => n + of.length, 0) * share
    for (const i of lastGroups(own, wanted)) fair.add(i)
  }
  if (fair.size > 0) {
    const held = groups.filter((of) => fair.has(of[0])).length
    return {
      test: fair,
      said: [
        `${held} of ${groups.length} patients, series or volumes (${fair.size} of ${d.length} images) are kept for the test, so that no image is tested whose neighbours were trained on`,
      ],
    }
  }
  // nothing else to test on than the end of what there is
  const test = new Set(
    [...grouped(items, (i) => String(labelOf(d)(i))).values()].flatMap((own) => own.slice(own.length - Math.round(own.length * share))),
  )
  return {
    test,
    said:
      test.size === 0
        ? []
        : [
            `no class has two patients, series or volumes: the last ${test.size} of ${d.length} images are kept for the test, which are neighbours of those that are trained on`,
          ],
  }
}

/** The items that have a label; the same dataset where all have one. */
export const labelledItems = (d: Dataset): ReadonlyArray<number> => upTo(d.length).filter((i) => O.isSome(d.label(i)))
