/** Which of the files of a folder are the data: those of the kind that most of them have, without masks and files of labels. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import { masksOf, selectingMasks } from './masks.ts'
import { counted } from './note.ts'
import type { Reader } from './reader.ts'
import type { Selection } from './select.ts'
import { byEnding, unknown } from './sorting.ts'
import type { Sorted } from './sorting.ts'
import type { Left } from './walk.ts'

/** The files that are to be read, by one reader. */
export interface Chosen {
  readonly reader: Reader
  readonly paths: ReadonlyArray<string>
  readonly left: ReadonlyArray<Left>
}

const isTable = (r: Reader): boolean => r.open._tag === 'One' && !r.open.joins

/** The kind that most files have; of equals the first reader's. A table counts only where there is nothing else. */
export const choose = (
  readers: ReadonlyArray<Reader>,
  root: string,
  found: Sorted,
  s: Selection,
  before: ReadonlyArray<Left>,
): Either<Fault, Chosen> => {
  const masks = s.everything ? new Set<string>() : masksOf(found.known.filter((k) => !isTable(k.reader)).flatMap((k) => k.paths))
  const aside = new Set(found.known.flatMap((k) => k.reader.aside?.(k.paths) ?? []))
  const images = found.known
    .map((k) => ({ ...k, paths: masks.size + aside.size === 0 ? k.paths : k.paths.filter((p) => !masks.has(p) && !aside.has(p)) }))
    .filter((k) => k.paths.length > 0)
  const tables = images.filter((k) => isTable(k.reader))
  const asked = images.filter((k) => s.tags.length === 0 || s.tags.includes(k.reader.tag))
  const among = asked.some((k) => !isTable(k.reader)) ? asked.filter((k) => !isTable(k.reader)) : asked
  const [most] = [...among].sort((a, b) => b.paths.length - a.paths.length)
  const total = found.unknown.length + found.known.reduce((n, k) => n + k.paths.length, 0)
  if (most === undefined) {
    const kinds = [...byEnding(found.unknown), ...images.map((k) => ({ what: k.reader.tag, paths: k.paths }))].map(
      (l) => `${l.paths.length} ${l.what}`,
    )
    const selected = before.length === 0 ? '' : `; not looked at: ${before.map((l) => `${l.paths.length} ${l.what}`).join(', ')}`
    return E.left(
      unknown(
        readers,
        root,
        total === 0
          ? `no file${selected}`
          : `no file of a kind that is ${s.tags.length > 0 ? 'asked for' : 'read'} among ${counted(total, 'file')}: ${kinds.join(', ')}${selected}`,
        found.unknown,
      ),
    )
  }
  if (isTable(most.reader) && most.paths.length > 1) {
    return E.left(unknown(readers, root, `${most.paths.length} tables and no images: ${most.paths.slice(0, 5).join(', ')}`))
  }
  const others = images.filter((k) => k !== most && !tables.includes(k))
  return E.right({
    reader: most.reader,
    paths: most.paths,
    left: [
      ...(masks.size === 0
        ? []
        : [
            {
              what: masks.size === 1 ? 'mask of an image' : 'masks of images',
              setting: selectingMasks(masks),
              paths: [...masks],
            },
          ]),
      ...(aside.size === 0
        ? []
        : [{ what: `${aside.size === 1 ? 'file' : 'files'} of labels, which are read with their images`, paths: [...aside] }]),
      ...others.map((k) => ({ what: k.reader.tag, setting: `data.select=${k.reader.tag} reads them`, paths: k.paths })),
      ...tables
        .filter((k) => k !== most)
        .map((k) => ({
          what: `${k.paths.length === 1 ? 'table' : 'tables'} (--data ${join(root, k.paths[0])} reads the images that it lists, with its labels)`,
          paths: k.paths,
        })),
      ...byEnding(found.unknown),
    ],
  })
}
