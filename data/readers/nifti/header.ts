/**
 * Headers of Analyze 7.5 (which NIfTI-1 extends), of NIfTI-1 (nifti1.h of the NIfTI Data Format Working Group, 348 bytes) and NIfTI-2
 * (nifti2.h, 540 bytes), of either byte order.
 */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Sign } from '../sign.ts'

/** How voxels are stored: plain data, as a header goes to other threads. */
export interface VoxelType {
  readonly name: VoxelName
  readonly bytes: number
  readonly channels: number
  /** The least and largest stored value; infinite for floats. */
  readonly range: readonly [number, number]
}

const wide = (v: DataView, at: number, little: boolean, signed: boolean): number => {
  const [low, high] = little ? [at, at + 4] : [at + 4, at]
  return v.getUint32(low, little) + 4294967296 * (signed ? v.getInt32(high, little) : v.getUint32(high, little))
}

type ReadVoxel = (view: DataView, at: number, little: boolean) => number

const byte: ReadVoxel = (v, at) => v.getUint8(at)

/** One stored number of each type. */
const readers = {
  uint8: byte,
  rgb24: byte,
  rgba32: byte,
  int8: (v, at) => v.getInt8(at),
  int16: (v, at, l) => v.getInt16(at, l),
  uint16: (v, at, l) => v.getUint16(at, l),
  int32: (v, at, l) => v.getInt32(at, l),
  uint32: (v, at, l) => v.getUint32(at, l),
  int64: (v, at, l) => wide(v, at, l, true),
  uint64: (v, at, l) => wide(v, at, l, false),
  float32: (v, at, l) => v.getFloat32(at, l),
  float64: (v, at, l) => v.getFloat64(at, l),
} satisfies Readonly<Record<string, ReadVoxel>>

export type VoxelName = keyof typeof readers

export const voxelReader = (name: VoxelName): ReadVoxel => readers[name]

const number = (name: VoxelName, bytes: number, low: number, high: number): VoxelType => ({ name, bytes, channels: 1, range: [low, high] })

/** The types that are read, by their codes (NIFTI_TYPE_*). */
const types: ReadonlyMap<number, VoxelType> = new Map([
  [2, number('uint8', 1, 0, 255)],
  [4, number('int16', 2, -32768, 32767)],
  [8, number('int32', 4, -(2 ** 31), 2 ** 31 - 1)],
  [16, number('float32', 4, -Infinity, Infinity)],
  [64, number('float64', 8, -Infinity, Infinity)],
  [128, { ...number('rgb24', 3, 0, 255), channels: 3 }],
  [256, number('int8', 1, -128, 127)],
  [512, number('uint16', 2, 0, 65535)],
  [768, number('uint32', 4, 0, 2 ** 32 - 1)],
  [1024, number('int64', 8, -(2 ** 63), 2 ** 63)],
  [1280, number('uint64', 8, 0, 2 ** 64)],
  [2304, { ...number('rgba32', 4, 0, 255), channels: 4 }],
])

/** Types by how they are read where they have a sign, and where they have none. */
const signedPairs: ReadonlyArray<readonly [VoxelName, VoxelName]> = [
  ['int8', 'uint8'],
  ['int16', 'uint16'],
  ['int32', 'uint32'],
  ['int64', 'uint64'],
]

/** The type with or without a sign, whatever the header says. */
export const withSign =
  (sign: Sign) =>
  (type: VoxelType): VoxelType => {
    const pair = signedPairs.find((names) => names.includes(type.name))
    if (sign === 'said' || pair === undefined) return type
    const name = pair[sign === 'signed' ? 0 : 1]
    return [...types.values()].find((t) => t.name === name) ?? type
  }

export interface NiftiHeader {
  readonly version: 1 | 2
  readonly little: boolean
  /** Header and voxels are in two files (.hdr, .img). */
  readonly pair: boolean
  readonly type: VoxelType
  /** Voxels along x, y and z. */
  readonly size: readonly [number, number, number]
  /** Three-dimensional volumes one after the other: the product of all further dimensions. */
  readonly volumes: number
  /** Millimetres between voxels along x, y and z; none where the file gives no sensible ones. */
  readonly spacing: ReadonlyArray<number> | undefined
  /** Where the voxels begin. */
  readonly offset: number
  readonly slope: number
  readonly intercept: number
  /** The values to show (cal_min, cal_max), where the file says. */
  readonly shown: readonly [number, number] | undefined
  /** Numbers of a voxel that lie in axes of their own, one volume after the other: channels where the file says so. */
  readonly planes: number
  /** Volumes follow each other in time. */
  readonly inTime: boolean
  /** Values are numbers of regions. */
  readonly isLabels: boolean
  /** What of it contradicts the rest, and what was taken. */
  readonly odd: ReadonlyArray<string>
}

/** Bytes that a header needs at most. */
export const headerBytes = 544

/** What one version puts where. */
interface Fields {
  readonly dim: (i: number) => number
  readonly pixdim: (i: number) => number
  readonly type: number
  readonly bits: number
  readonly offset: number
  readonly slope: number
  readonly intercept: number
  readonly shown: readonly [number, number]
  readonly units: number
  readonly magic: string
  readonly least: number
  /** What the values are (intent_code). */
  readonly intent: number
}

const textAt = (v: DataView, at: number, n: number): string =>
  Array.from({ length: n }, (_, i) => String.fromCharCode(v.getUint8(at + i))).join('')

const fields1 = (v: DataView, l: boolean): Fields => ({
  dim: (i) => v.getInt16(40 + 2 * i, l),
  pixdim: (i) => v.getFloat32(76 + 4 * i, l),
  type: v.getInt16(70, l),
  bits: v.getInt16(72, l),
  offset: v.getFloat32(108, l),
  slope: v.getFloat32(112, l),
  intercept: v.getFloat32(116, l),
  shown: [v.getFloat32(128, l), v.getFloat32(124, l)],
  units: v.getUint8(123),
  magic: textAt(v, 344, 3),
  least: 352,
  intent: v.getInt16(68, l),
})

const fields2 = (v: DataView, l: boolean): Fields => ({
  dim: (i) => wide(v, 16 + 8 * i, l, true),
  pixdim: (i) => v.getFloat64(104 + 8 * i, l),
  type: v.getInt16(12, l),
  bits: v.getInt16(14, l),
  offset: wide(v, 168, l, true),
  slope: v.getFloat64(176, l),
  intercept: v.getFloat64(184, l),
  shown: [v.getFloat64(200, l), v.getFloat64(192, l)],
  units: v.getInt32(500, l),
  magic: textAt(v, 4, 3),
  least: 544,
  intent: v.getInt32(504, l),
})

/** Millimetres of the spatial units (xyzt_units, the lowest three bits): metres, millimetres, micrometres. */
const millimetres = (units: number): number => ((units & 7) === 1 ? 1000 : (units & 7) === 3 ? 0.001 : 1)

/** Intents of values that are no image (NIFTI_INTENT_*): several numbers a voxel that are a direction, a matrix, a place. */
const directions: ReadonlyMap<number, string> = new Map([
  [1004, 'matrices'],
  [1005, 'symmetric matrices'],
  [1006, 'displacements'],
  [1007, 'vectors'],
  [1008, 'points'],
  [1009, 'triangles'],
  [1010, 'quaternions'],
])

/** Intents of colours, and of numbers of regions. */
const colours: ReadonlyMap<number, number> = new Map([
  [2003, 3],
  [2004, 4],
])
const labels = 1002

/** Version and byte order: by the size of the header, else by the mark and the first dimension, which must be a small number. */
const versionOf = (v: DataView): { readonly version: 1 | 2; readonly little: boolean; readonly stated: boolean } | undefined => {
  for (const little of [true, false]) {
    if (v.getInt32(0, little) === 348) return { version: 1, little, stated: true }
    if (v.getInt32(0, little) === 540 && v.byteLength >= 540) return { version: 2, little, stated: true }
  }
  const [one, two] = [/^n[+i]1$/.test(textAt(v, 344, 3)), /^n[+i]2$/.test(textAt(v, 4, 3))]
  for (const little of [true, false]) {
    const rank = one ? v.getInt16(40, little) : two && v.byteLength >= 540 ? wide(v, 16, little, true) : 0
    if (rank >= 1 && rank <= 7) return { version: one ? 1 : 2, little, stated: false }
  }
  return undefined
}

/** How the axes after z are taken: channels of one image, or volumes. */
const furtherAxes = (dims: ReadonlyArray<number>, intent: number): { readonly planes: number; readonly volumes: number } => {
  const [t, u, ...more] = dims.slice(3)
  const rest = more.reduce((a, b) => a * b, 1)
  const wanted = colours.get(intent)
  if (wanted !== undefined && u === wanted) return { planes: u, volumes: t * rest }
  if (wanted !== undefined && t === wanted && u === 1) return { planes: t, volumes: rest }
  // the fifth axis holds the numbers of a voxel, by the standard
  return t === 1 && (u === 3 || u === 4) ? { planes: u, volumes: rest } : { planes: 1, volumes: t * u * rest }
}

/**
 * Decodes a header. Left: what was found, for a file that is no NIfTI, a type that is not read, contradictions that the data cannot decide.
 */
export const niftiHeader = (bytes: Uint8Array): Either<string, NiftiHeader> => {
  if (bytes.length < 348) return E.left(`${bytes.length} bytes, less than a header`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const begins = versionOf(view)
  if (begins === undefined) return E.left('a file that does not begin as NIfTI')
  const { version, little } = begins
  const f = version === 1 ? fields1(view, little) : fields2(view, little)
  const marks = version === 1 ? ['ni1', 'n+1'] : ['ni2', 'n+2']
  // Analyze has the same header without a mark, and its voxels in a file of their own
  const analyze = version === 1 && !marks.includes(f.magic)
  if (!analyze && !marks.includes(f.magic)) return E.left('a file without the mark of NIfTI')
  const pair = analyze || f.magic === marks[0]
  const type = types.get(f.type)
  if (type === undefined) return E.left(`voxels of type ${f.type}, which is not read`)
  const rank = f.dim(0)
  if (!(rank >= 1 && rank <= 7)) return E.left(`${rank} dimensions`)
  const said = [1, 2, 3, 4, 5, 6, 7].map((i) => (i <= rank ? f.dim(i) : 1))
  const dims = said.map((d, i) => (d === 0 && i >= 3 ? 1 : d))
  const voxels = dims.reduce((a, b) => a * b, 1)
  if (dims.some((d) => !(d >= 1)) || !(voxels * type.bytes <= Number.MAX_SAFE_INTEGER))
    return E.left(`the dimensions ${dims.slice(0, rank).join(' x ')}`)
  const direction = directions.get(f.intent)
  if (direction !== undefined) return E.left(`${direction} (intent ${f.intent}), which are no image`)
  const offset = pair ? Math.floor(f.offset) : f.offset === 0 ? f.least : Math.floor(f.offset)
  if (!Number.isSafeInteger(offset) || offset < (pair ? 0 : f.least - 4)) return E.left(`voxels at byte ${f.offset}`)
  const { planes, volumes } = furtherAxes(dims, f.intent)
  const scale = millimetres(f.units)
  const spacing = [1, 2, 3].map((i) => Number((Math.abs(f.pixdim(i)) * scale).toPrecision(7)))
  const scaled = Number.isFinite(f.slope) && f.slope !== 0 && type.channels === 1 && planes === 1
  const shown = Number.isFinite(f.shown[0]) && f.shown[1] > f.shown[0] ? f.shown : undefined
  return E.right({
    version,
    little,
    pair,
    type,
    offset,
    shown,
    planes,
    volumes,
    size: [dims[0], dims[1], dims[2]],
    inTime: [8, 16, 24].includes(f.units & 56),
    isLabels: f.intent === labels,
    spacing: spacing.every((s) => Number.isFinite(s) && s > 0) ? spacing : undefined,
    slope: scaled ? f.slope : 1,
    intercept: scaled && !analyze && Number.isFinite(f.intercept) ? f.intercept : 0,
    odd: [
      ...(begins.stated ? [] : [`the size of the header is said to be ${view.getInt32(0, little)}: ${version === 1 ? 348 : 540} is taken`]),
      ...(f.bits === type.bytes * 8 || analyze
        ? []
        : [`${f.bits} bits per voxel are said of type ${type.name}: ${type.bytes * 8} are taken`]),
      ...(offset === f.offset || f.offset === 0 ? [] : [`voxels are said to begin at byte ${f.offset}: ${offset} is taken`]),
      ...(said.every((d, i) => d === dims[i]) ? [] : [`the dimensions are said to be ${said.slice(0, rank).join(' x ')}: 0 is taken as 1`]),
    ],
  })
}
