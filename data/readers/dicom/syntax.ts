/** Transfer syntaxes (PS3.5 section 10, PS3.6 Annex A): how a data set is written and how its pixels are compressed. */

import type { Encoding } from './element.ts'

/** How the pixels of a frame are coded. */
export type PixelCoding = 'native' | 'rle' | 'jpeg8' | 'jpeg12' | 'jpeg lossless' | 'jpeg-ls' | 'jpeg 2000'

/** A transfer syntax that is read. */
export interface Syntax {
  readonly uid: string
  readonly name: string
  readonly encoding: Encoding
  readonly deflated: boolean
  readonly coding: PixelCoding
}

const explicitLittle: Encoding = { explicit: true, little: true }

const coded = (uid: string, name: string, coding: PixelCoding): Syntax => ({ uid, name, encoding: explicitLittle, deflated: false, coding })

/** Implicit little endian, DICOM's default. */
export const implicitLittle: Syntax = {
  uid: '1.2.840.10008.1.2',
  name: 'implicit VR, little endian',
  encoding: { explicit: false, little: true },
  deflated: false,
  coding: 'native',
}

/** Every syntax that is read. */
export const syntaxes: ReadonlyArray<Syntax> = [
  implicitLittle,
  coded('1.2.840.10008.1.2.1', 'explicit VR, little endian', 'native'),
  { ...coded('1.2.840.10008.1.2.2', 'explicit VR, big endian', 'native'), encoding: { explicit: true, little: false } },
  { ...coded('1.2.840.10008.1.2.1.99', 'deflated', 'native'), deflated: true },
  coded('1.2.840.10008.1.2.1.98', 'encapsulated uncompressed', 'native'),
  coded('1.2.840.10008.1.2.5', 'RLE', 'rle'),
  coded('1.2.840.10008.1.2.4.50', 'JPEG baseline', 'jpeg8'),
  coded('1.2.840.10008.1.2.4.51', 'JPEG extended', 'jpeg12'),
  coded('1.2.840.10008.1.2.4.57', 'JPEG lossless', 'jpeg lossless'),
  coded('1.2.840.10008.1.2.4.70', 'JPEG lossless, first-order prediction', 'jpeg lossless'),
  coded('1.2.840.10008.1.2.4.80', 'JPEG-LS lossless', 'jpeg-ls'),
  coded('1.2.840.10008.1.2.4.81', 'JPEG-LS near lossless', 'jpeg-ls'),
  coded('1.2.840.10008.1.2.4.90', 'JPEG 2000 lossless', 'jpeg 2000'),
  coded('1.2.840.10008.1.2.4.91', 'JPEG 2000', 'jpeg 2000'),
]

/** The syntax with this identifier; none for those that are not read (video, JPIP, high-throughput JPEG 2000). */
export const syntaxOf = (uid: string): Syntax | undefined => syntaxes.find((s) => s.uid === uid)
