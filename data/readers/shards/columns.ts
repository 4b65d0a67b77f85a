/** Which columns of a Parquet table are pictures and labels: as its own description names them, by their names, or as a setting says. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { FileMetaData } from 'hyparquet'
import { fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { isRecord } from '../../formats/codec.ts'
import type { OpenOptions } from '../reader.ts'
import { boxColumn } from './boxes.ts'
import { compressors } from './compressors.ts'

const isRead = (codec: string): boolean => codec === 'UNCOMPRESSED' || codec === 'SNAPPY' || codec in compressors

/** What the columns of a table are. */
export interface Columns {
  readonly image: string
  readonly label: string | undefined
  /** Names of the classes by their numbers, where the table's description has them. */
  readonly names: ReadonlyArray<string> | undefined
  /** The column of boxes, where there is one. */
  readonly boxes: string | undefined
  readonly rest: ReadonlyArray<string>
}

const imageNames = ['image', 'img', 'jpg', 'png', 'picture', 'pixels', 'bytes', 'image_bytes', 'content', 'data']
const labelNames = ['label', 'labels', 'class', 'cls', 'target', 'fine_label', 'category', 'y', 'class_name']

/** The features that Hugging Face's description of a table names. */
const featuresOf = (m: FileMetaData): ReadonlyMap<string, Readonly<Record<string, unknown>>> => {
  try {
    const u: unknown = JSON.parse(m.key_value_metadata?.find((k) => k.key === 'huggingface')?.value ?? 'null')
    const info = isRecord(u) ? u['info'] : undefined
    const features = isRecord(info) ? info['features'] : undefined
    return new Map(isRecord(features) ? Object.entries(features).flatMap(([k, v]) => (isRecord(v) ? [[k, v] as const] : [])) : [])
  } catch {
    return new Map()
  }
}

/** Which columns are pictures and labels. Left: the columns that there are. */
export const columnsOf = (place: string, m: FileMetaData, o: OpenOptions): Either<Fault, Columns> => {
  const features = featuresOf(m)
  const paths = m.row_groups.at(0)?.columns.flatMap((c) => (c.meta_data === undefined ? [] : [c.meta_data])) ?? []
  const names = [...new Set(paths.map((c) => c.path_in_schema[0]))]
  const binary = names.filter((n) =>
    paths.some(
      (c) => c.path_in_schema[0] === n && c.type === 'BYTE_ARRAY' && (c.path_in_schema.length === 1 || c.path_in_schema[1] === 'bytes'),
    ),
  )
  const asked = o.columns?.path ?? ''
  const image =
    asked !== ''
      ? names.find((n) => n === asked)
      : (binary.find((n) => features.get(n)?.['_type'] === 'Image') ??
        imageNames.map((w) => binary.find((n) => n.toLowerCase() === w)).find((n) => n !== undefined) ??
        binary.find((n) => paths.some((c) => c.path_in_schema[0] === n && c.path_in_schema[1] === 'bytes')))
  if (image === undefined)
    return E.left(
      fault('data', {
        place,
        found: names.length === 0 ? 'a table without rows' : `no column of pictures among ${names.join(', ')}`,
        allowed: 'a column of encoded pictures: image, img, or one that the table calls an Image',
        remedy: 'name the column: --set data.columns.path=NAME',
      }),
    )
  const codec = paths.filter((c) => c.path_in_schema[0] === image).find((c) => !isRead(c.codec))?.codec
  if (codec !== undefined)
    return E.left(
      fault('data', {
        place,
        found: `columns packed by ${codec}`,
        allowed: `SNAPPY, ${Object.keys(compressors).join(', ')}, or none`,
        remedy: "write the table again with compression='snappy' (pyarrow.parquet.write_table, or datasets' to_parquet)",
      }),
    )
  const chosen = o.columns?.label ?? ''
  const label =
    chosen === 'none'
      ? undefined
      : chosen !== ''
        ? names.find((n) => n === chosen)
        : (names.find((n) => features.get(n)?.['_type'] === 'ClassLabel') ??
          labelNames.map((w) => names.find((n) => n !== image && n.toLowerCase() === w)).find((n) => n !== undefined))
  const boxes = boxColumn(paths.map((c) => c.path_in_schema).filter(([n]) => n !== image && n !== label))
  const feature = label === undefined ? undefined : features.get(label)
  // a list of classes names them in its element
  const element = feature?.['feature']
  const given = feature?.['names'] ?? (isRecord(element) ? element['names'] : undefined)
  return E.right({
    image,
    label,
    names: Array.isArray(given) ? given.map(String) : undefined,
    boxes,
    rest: names.filter((n) => n !== image && n !== label && n !== boxes),
  })
}
