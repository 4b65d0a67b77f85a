/**
 * What a dataset is made of, as plain data: another thread opens the same dataset from it (`loading/reopen.ts`). Large arrays
 * lie in shared memory, so that threads see one copy.
 */
import type { ImageArray } from './dataset.ts'
import type { Intensity } from '../loading/intensity.ts'
import type { DicomParts } from './dicom/dicom.ts'
import type { Pictures } from './pictures/folder.ts'
import type { ManifestParts } from './manifest/manifest.ts'
import type { NiftiParts } from './nifti/nifti.ts'
import type { NpzParts } from './npz.ts'

export type Origin =
  | { readonly _tag: 'Array'; readonly parts: ImageArray }
  | { readonly _tag: 'Pictures'; readonly parts: Pictures }
  | { readonly _tag: 'Dicom'; readonly parts: DicomParts }
  | { readonly _tag: 'Nifti'; readonly parts: NiftiParts }
  | { readonly _tag: 'Npz'; readonly parts: NpzParts }
  | { readonly _tag: 'Manifest'; readonly of: Origin; readonly parts: ManifestParts }
  | { readonly _tag: 'Subset'; readonly of: Origin; readonly indices: Int32Array; readonly name: string }
  | { readonly _tag: 'Negative'; readonly of: Origin }
  | { readonly _tag: 'Intensity'; readonly of: Origin; readonly intensity: Intensity }

/** The same bytes in memory that threads share. */
export const sharedBytes = (bytes: Uint8Array): Uint8Array => {
  if (bytes.buffer instanceof SharedArrayBuffer) return bytes
  const out = new Uint8Array(new SharedArrayBuffer(bytes.length))
  out.set(bytes)
  return out
}

/** The same numbers in memory that threads share. */
export const sharedFloats = (x: Float32Array): Float32Array => {
  if (x.buffer instanceof SharedArrayBuffer) return x
  const out = new Float32Array(new SharedArrayBuffer(4 * x.length))
  out.set(x)
  return out
}
