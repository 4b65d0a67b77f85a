/** Slices of a series in the order of their places in the patient (PS3.3 C.7.6.2.1.1), and the distance between them. */

import { counted, note } from '../note.ts'
import { byText, grouped } from '../walk.ts'
import type { DicomFile } from './file.ts'
import type { FramePlane } from './header.ts'

/** A file with the distance between the slices of its series, in millimetres, where it is known. */
export interface Placed {
  readonly file: DicomFile
  readonly distance: number | undefined
}

/** Along the normal of the first slice's plane: the place of a slice, in millimetres. */
const placeAlong =
  (reference: FramePlane) =>
  (p: FramePlane): number => {
    const o = reference.orientation
    if (o === undefined || p.position === undefined) return NaN
    const normal = [o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5], o[0] * o[4] - o[1] * o[3]]
    // directions that are not of length 1 would stretch the distances
    return normal.reduce((sum, n, k) => sum + n * (p.position?.[k] ?? NaN), 0) / Math.hypot(...normal)
  }

/** NaN comes last. */
const byNumber = (a: number, b: number): number => (Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : Number.isNaN(b) ? -1 : a - b)

/** Places closer than this are one place, in millimetres. */
const samePlace = 1e-3

/** The median step between different places. */
const stepOf = (places: ReadonlyArray<number>): number | undefined => {
  const sorted = places.filter(Number.isFinite).sort((a, b) => a - b)
  const steps = sorted
    .slice(1)
    .map((p, i) => p - sorted[i])
    .filter((s) => s > samePlace)
    .sort((a, b) => a - b)
  return steps.length === 0 ? undefined : Number(steps[steps.length >> 1].toFixed(6))
}

/** The directions of rows and columns, of length 1. */
const directionsOf = (o: ReadonlyArray<number>): ReadonlyArray<number> => {
  const [row, column] = [Math.hypot(...o.slice(0, 3)), Math.hypot(...o.slice(3))]
  return o.map((v, k) => v / (k < 3 ? row : column))
}

/** Direction cosines that are distinguished, to a hundredth; images without a place are apart. */
const planeOf = (f: DicomFile): string =>
  f.header.planes[0].position === undefined
    ? 'nowhere'
    : directionsOf(f.header.planes[0].orientation ?? [])
        .map((v) => (Math.round(v * 100) / 100 + 0).toFixed(2))
        .join(' ')

/** Files of one series in one plane, in their order, with what is odd about their places. */
interface Stack {
  readonly placed: ReadonlyArray<Placed>
  /** Steps that are no whole one: between which files, and how far. */
  readonly odd: ReadonlyArray<{ readonly before: DicomFile; readonly after: DicomFile; readonly step: number }>
  readonly step: number | undefined
  /** Files at the place of another one. */
  readonly shared: ReadonlyArray<DicomFile>
}

/** Whether files have no position, and all of them a slice location, which is what older programs sort by. */
const byLocation = (files: ReadonlyArray<DicomFile>): boolean =>
  files.length > 1 && files.every(({ header: { planes, location } }) => planes[0].position === undefined && Number.isFinite(location))

const stackOf = (files: ReadonlyArray<DicomFile>): Stack => {
  const located = new Map(byLocation(files) ? files.map((f) => [f.header.planes[0], f.header.location]) : [])
  const across = placeAlong(files[0].header.planes[0])
  const along = (p: FramePlane): number => located.get(p) ?? across(p)
  const places = new Map(files.map((f) => [f, along(f.header.planes[0])]))
  const placed = [...places.values()].every(Number.isFinite)
  const place = (f: DicomFile): number => (placed ? (places.get(f) ?? NaN) : NaN)
  const sorted = [...files].sort(
    (a, b) => byNumber(place(a), place(b)) || byNumber(a.header.instance, b.header.instance) || byText(a.path, b.path),
  )
  const step = stepOf(files.flatMap((f) => f.header.planes.map(along)))
  const pairs = sorted.slice(1).map((after, i) => ({ before: sorted[i], after, step: place(after) - place(sorted[i]) }))
  return {
    placed: sorted.map((file) => ({ file, distance: step ?? file.header.planes[0].distance })),
    step,
    odd: step === undefined ? [] : pairs.filter((p) => p.step > samePlace && Math.abs(p.step - step) > step * 0.05),
    shared: pairs.filter((p) => Math.abs(p.step) <= samePlace).map((p) => p.after),
  }
}

/** Files at the same places are of several acquisitions where their numbers say so, or of several echoes where their times do. */
const stacksOf = (files: ReadonlyArray<DicomFile>): ReadonlyArray<Stack> => {
  const whole = stackOf(files)
  const acquired = grouped(files, ({ header: { acquisition, echo } }) => `${acquisition} ${echo}`)
  return whole.shared.length === 0 || acquired.size === 1 ? [whole] : [...acquired.values()].map(stackOf)
}

/** Files in their order, and what is to be said of their places. */
export interface Ordered {
  readonly placed: ReadonlyArray<Placed>
  readonly notes: ReadonlyArray<string>
}

/** The first file of each object: copies of one are one image. */
const distinct = (
  files: ReadonlyArray<DicomFile>,
): { readonly own: ReadonlyArray<DicomFile>; readonly copies: ReadonlyArray<DicomFile> } => {
  const seen = new Set<string>()
  const copies = files.filter((f) => {
    const known = f.header.uid !== '' && seen.has(f.header.uid)
    seen.add(f.header.uid)
    return known
  })
  const again = new Set(copies)
  return { own: files.filter((f) => !again.has(f)), copies }
}

/**
 * Files in the order of their series (by their first path), and within one by plane, place, instance number, then path. Copies of an
 * object are taken once. `files` come in the order of their paths; `name` shows a path to a person.
 */
export const orderFiles = (files: ReadonlyArray<DicomFile>, name: (path: string) => string = (p) => p): Ordered => {
  const { own, copies } = distinct(files)
  const series = [...grouped(own, (f) => (f.header.series === '' ? `file ${f.path}` : f.header.series)).values()]
  const names = (fs: ReadonlyArray<DicomFile>): ReadonlyArray<string> => fs.map((f) => name(f.path))
  const stacks: Stack[] = []
  const notes: string[] = [...sharedFrames(own, names)]
  if (copies.length > 0)
    notes.push(
      note(
        `${counted(copies.length, 'file is a copy', 'files are copies')} of an object that is read already, and ${copies.length === 1 ? 'is' : 'are'} left out`,
        names(copies),
      ),
    )
  for (const all of series) {
    const planes = [...grouped(all, planeOf).values()].sort((a, b) => b.length - a.length)
    if (planes.length > 1)
      notes.push(
        note(
          `${counted(planes.slice(1).flat().length, 'image')} of a series lie${planes.slice(1).flat().length === 1 ? 's' : ''} in another plane than its other ${planes[0].length}, or nowhere`,
          names(planes.slice(1).flat()),
          'data.select=PATTERN reads some files alone',
        ),
      )
    for (const plane of planes) {
      const parts = stacksOf(plane)
      stacks.push(...parts)
      if (byLocation(plane))
        notes.push(
          note(
            `${counted(plane.length, 'image')} of a series without positions are sorted by their slice locations (0020,1041)`,
            names(plane),
          ),
        )
      if (parts.length > 1)
        notes.push(
          note(
            `${parts.length} acquisitions or echoes of a series lie at the same places: each is read as a stack of its own`,
            names(parts.slice(1).flatMap((x) => x.placed.map((p) => p.file))),
          ),
        )
      for (const { shared, odd, step } of parts) {
        if (shared.length > 0)
          notes.push(note(`${counted(shared.length, 'image lies', 'images lie')} at the place of another one of its series`, names(shared)))
        if (odd.length > 0)
          notes.push(
            note(
              `slices are ${step ?? 0} mm apart, but ${odd.length} of the steps ${odd.length === 1 ? 'is' : 'are'} ${[...new Set(odd.map((o) => Number(o.step.toFixed(3))))].slice(0, 3).join(', ')} mm: slices are missing, or steps are uneven`,
              odd.flatMap((o) => names([o.before, o.after])),
            ),
          )
      }
    }
  }
  return { placed: stacks.flatMap((s) => s.placed), notes }
}

/** Where the frames of a file lie, where all say so, and how many places these are. */
const framePlaces = ({ header: { planes } }: DicomFile): { readonly places: ReadonlyArray<number>; readonly different: number } => {
  const places = planes.length < 2 ? [] : planes.map(placeAlong(planes[0]))
  return places.every(Number.isFinite)
    ? { places, different: new Set(places.map((p) => Math.round(p / samePlace))).size }
    : { places: [], different: 0 }
}

/** The frames of a file by their places, where each has one of its own; else as they are stored. */
export const frameOrder = (f: DicomFile): ReadonlyArray<number> => {
  const { frames } = f.header
  const { places, different } = framePlaces(f)
  const stored = Array.from({ length: frames }, (_, k) => k)
  return different === frames && places.length === frames ? stored.sort((a, b) => places[a] - places[b]) : stored
}

/** A note of files whose frames share places, as those of several times or contrasts do. */
const sharedFrames = (
  files: ReadonlyArray<DicomFile>,
  names: (fs: ReadonlyArray<DicomFile>) => ReadonlyArray<string>,
): ReadonlyArray<string> => {
  const shared = files.filter((f) => {
    const { places, different } = framePlaces(f)
    return different > 1 && different < places.length
  })
  return shared.length === 0
    ? []
    : [
        note(
          `several frames lie at one place, in time or contrast, and are read in the order in which they are stored, in ${counted(shared.length, 'file')}`,
          names(shared),
        ),
      ]
}
