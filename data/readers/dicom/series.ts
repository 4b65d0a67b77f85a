/** Slices of a series in the order of their places in the patient (PS3.3 C.7.6.2.1.1), and the distance between them. */

import type { DicomFile } from './file.ts'
import type { FramePlane } from './header.ts'

/** A file with the distance between the slices of its series, in millimetres, where it is known. */
export interface Placed {
  readonly file: DicomFile
  readonly distance: number | undefined
}

/** Along the normal of the first slice's plane: the place of a slice, in millimetres. */
const placeAlong = (reference: FramePlane) => (p: FramePlane): number => {
  const o = reference.orientation
  if (o === undefined || p.position === undefined) return NaN
  const normal = [o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5], o[0] * o[4] - o[1] * o[3]]
  return normal.reduce((sum, n, k) => sum + n * (p.position?.[k] ?? NaN), 0)
}

/** NaN comes last. */
const byNumber = (a: number, b: number): number =>
  Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : Number.isNaN(b) ? -1 : a - b

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Places closer than this are one place, in millimetres. */
const samePlace = 1e-3

/** The median step between different places. */
const stepOf = (places: ReadonlyArray<number>): number | undefined => {
  const sorted = places.filter(Number.isFinite).sort((a, b) => a - b)
  const steps = sorted.slice(1).map((p, i) => p - sorted[i]).filter((s) => s > samePlace).sort((a, b) => a - b)
  return steps.length === 0 ? undefined : Number(steps[steps.length >> 1].toFixed(6))
}

const placeSeries = (files: ReadonlyArray<DicomFile>): ReadonlyArray<Placed> => {
  const reference = files[0].header.planes[0]
  const along = placeAlong(reference)
  const places = new Map(files.map((f) => [f, along(f.header.planes[0])]))
  const placed = [...places.values()].every(Number.isFinite)
  const place = (f: DicomFile): number => (placed ? places.get(f) ?? NaN : NaN)
  const sorted = [...files].sort((a, b) => byNumber(place(a), place(b)) || byNumber(a.header.instance, b.header.instance) || byText(a.path, b.path))
  const step = stepOf(files.flatMap((f) => f.header.planes.map(along)))
  return sorted.map((file) => ({ file, distance: step ?? file.header.planes[0].distance }))
}

/**
 * Files in the order of their series (by their first path), and within one by place, then instance number, then path.
 * `files` come in the order of their paths.
 */
export const orderFiles = (files: ReadonlyArray<DicomFile>): ReadonlyArray<Placed> => {
  const series = new Map<string, DicomFile[]>()
  for (const f of files) {
    const key = f.header.series === '' ? `file ${f.path}` : f.header.series
    const known = series.get(key)
    if (known === undefined) series.set(key, [f])
    else known.push(f)
  }
  return [...series.values()].flatMap(placeSeries)
}
