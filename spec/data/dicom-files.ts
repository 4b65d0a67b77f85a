/** Small DICOM files, made element by element: a CT slice in which any element can be another, or missing. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A value: text, 16-bit words, or bytes as they are; sequences are lists of items. */
export type Value = string | ReadonlyArray<number> | Uint8Array | { readonly items: ReadonlyArray<Elements> }

/** Elements by tag and VR: `'00280010 US'`; undefined takes one away. */
export type Elements = Readonly<Record<string, Value | undefined>>

const word = (n: number): Buffer => Buffer.from([n & 255, (n >> 8) & 255])
const long = (n: number): Buffer => Buffer.concat([word(n & 65535), word(n >>> 16)])

const bytesOf = (vr: string, v: Value): Buffer => {
  if (typeof v === 'string') return Buffer.from(v.length % 2 === 0 ? v : `${v}${vr === 'UI' ? '\0' : ' '}`, 'latin1')
  if (v instanceof Uint8Array) return Buffer.concat([Buffer.from(v), Buffer.alloc(v.length % 2)])
  if ('items' in v)
    return Buffer.concat(
      v.items.map((i) => {
        const body = elementsOf(i)
        return Buffer.concat([long(0xe000fffe), long(body.length), body])
      }),
    )
  return Buffer.concat(v.map((n) => word(n & 65535)))
}

/** One element, explicit little endian. */
export const element = (name: string, v: Value): Buffer => {
  const [tag, vr] = name.split(' ')
  const body = bytesOf(vr, v)
  const head = Buffer.concat([word(parseInt(tag.slice(0, 4), 16)), word(parseInt(tag.slice(4), 16)), Buffer.from(vr)])
  return ['OB', 'OW', 'SQ', 'UN'].includes(vr)
    ? Buffer.concat([head, word(0), long(body.length), body])
    : Buffer.concat([head, word(body.length), body])
}

const elementsOf = (e: Elements): Buffer =>
  Buffer.concat(
    Object.keys(e)
      .sort()
      .flatMap((k) => {
        const v = e[k]
        return v === undefined ? [] : [element(k, v)]
      }),
  )

/** A file of these elements, with its meta information. */
export const dicomBytes = (e: Elements, syntax = '1.2.840.10008.1.2.1'): Buffer => {
  const meta = Buffer.concat([element('00020002 UI', e['00080016 UI'] ?? ''), element('00020010 UI', syntax)])
  return Buffer.concat([
    Buffer.alloc(128),
    Buffer.from('DICM'),
    Buffer.from([2, 0, 0, 0]),
    Buffer.from('UL'),
    word(4),
    long(meta.length),
    meta,
    elementsOf(e),
  ])
}

export const storage = '1.2.840.10008.5.1.4.1.1.'

/** 16-bit words. */
export const words = (values: ArrayLike<number>): Uint8Array => new Uint8Array(Int16Array.from(values).buffer)

/** A CT slice of `side` x `side`, number k of its series, in which the pixel i is i % 500 + k after a rescale by -1000. */
export const slice = (k: number, more: Elements = {}, side = 16): Elements => ({
  '00080008 CS': 'ORIGINAL\\PRIMARY\\AXIAL',
  '00080016 UI': `${storage}2`,
  '00080018 UI': `1.2.3.${k + 1}`,
  '00080060 CS': 'CT',
  '0020000D UI': '1.2.9',
  '0020000E UI': '1.2.4',
  '00200013 IS': String(k + 1),
  '00200032 DS': `0\\0\\${5 * k}`,
  '00200037 DS': '1\\0\\0\\0\\1\\0',
  '00280002 US': [1],
  '00280004 CS': 'MONOCHROME2',
  '00280010 US': [side],
  '00280011 US': [side],
  '00280030 DS': '0.8\\0.8',
  '00280100 US': [16],
  '00280101 US': [16],
  '00280102 US': [15],
  '00280103 US': [1],
  '00281052 DS': '-1000',
  '00281053 DS': '1',
  '7FE00010 OW': words(Array.from({ length: side * side }, (_, i) => (i % 500) + k)),
  ...more,
})

/** A folder of files by name. */
export const folderOf = async (files: Readonly<Record<string, Uint8Array | string>>): Promise<string> => {
  const root = await mkdtemp(join(tmpdir(), 'dinograph-'))
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), bytes)
  }
  return root
}

/** The slices 0 to n - 1 as files. */
export const seriesFiles = (n: number, more: (k: number) => Elements = () => ({})): Readonly<Record<string, Uint8Array>> =>
  Object.fromEntries(Array.from({ length: n }, (_, k) => [`IM${String(k).padStart(3, '0')}.dcm`, dicomBytes(slice(k, more(k)))] as const))
