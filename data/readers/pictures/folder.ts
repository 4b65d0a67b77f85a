/**
 * A folder tree of pictures. Files are found once, in an order that does not depend on the system, and decoded when they
 * are asked for. The folders right below the root are the classes, as in torchvision's ImageFolder.
 */

import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { outside } from '../dataset.ts'
import type { Dataset } from '../dataset.ts'
import { codeOf, systemFault } from '../../formats/file.ts'
import { isPicture, peekPicture, pictureEndings, readPicture } from './file.ts'
import type { PictureOptions } from './file.ts'
import { originOf } from '../origin.ts'
import { reopener } from '../reader.ts'
import type { Reader } from '../reader.ts'
import { classesOf, folderOf, walk } from '../walk.ts'

export { pictureEndings, readPicture } from './file.ts'

/** How pictures are decoded. */
export type FolderOptions = PictureOptions

const empty = (root: string): Fault =>
  fault('data', {
    place: root,
    found: 'no picture',
    allowed: `files that end in ${pictureEndings.join(', ')}, at any depth`,
    remedy: 'name a folder that holds pictures',
  })

/** What a dataset of pictures is made of: paths below `root`, the classes among their first folders, values and channels. */
export interface Pictures {
  readonly name: string
  readonly root: string
  readonly paths: ReadonlyArray<string>
  readonly classes: ReadonlyArray<string>
  readonly options: FolderOptions
  /** The channels to state where `options` leaves them as stored. */
  readonly stored?: number
  /** The range to state where values are as stored. */
  readonly range?: readonly [number, number]
}

const origin = originOf<Pictures>('pictures')

/** Pictures as a dataset. */
export const pictures = (parts: Pictures): Dataset => {
  const { name, root, paths, classes, options, stored, range } = parts
  const numbers = new Map(classes.map((c, i) => [c, i]))
  const labels = paths.map((p) => numbers.get(folderOf(p) ?? ''))
  const { channels = 3, values } = options
  return {
    name,
    length: paths.length,
    channels: channels === 'stored' ? stored ?? 3 : channels,
    range: values === 'stored' ? range ?? [0, 255] : [0, 1],
    classes,
    label: (i) => O.fromNullable(labels[i]),
    origin: TE.right(origin.of(parts)),
    sourceOf: (i) => paths[i],
    item: (i) => {
      if (!(i in paths)) return TE.left(outside(root, i, paths.length))
      const label = labels[i]
      return pipe(
        readPicture(join(root, paths[i]), options),
        TE.map((image) => ({ image, source: paths[i], ...(label === undefined ? {} : { label }) })),
      )
    },
  }
}

/**
 * The pictures below a folder, in the order of their paths; or the one picture that `root` itself is. Pictures keep
 * their own sizes. An item's label is its first folder's place among the sorted class names; files at the root have none.
 * Faults: no such folder, no picture in it; on reading an item: the file with the reason.
 */
export const folder = (root: string, options: FolderOptions = {}): TaskEither<Fault, Dataset> => async () => {
  try {
    if ((await stat(root)).isFile()) {
      return E.right(pictures({ name: basename(root), root: join(root, '..'), paths: [basename(root)], classes: [], options }))
    }
    const paths = await walk(root, isPicture)
    return paths.length === 0 ? E.left(empty(root)) : E.right(pictures({ name: basename(root), root, paths, classes: classesOf(paths), options }))
  } catch (e) {
    const f = systemFault('data', root)(e)
    return E.left(codeOf(e) === 'ENOENT' ? { ...f, allowed: 'a folder or a picture that exists', remedy: 'check --data for a typing error' } : f)
  }
}

/** Pictures' channels where none are asked for, from a few of them spread over all. */
const probe = async (root: string, paths: ReadonlyArray<string>): Promise<{ readonly channels: 1 | 3; readonly stored: number; readonly deep: boolean }> => {
  const some = paths.filter((_, i) => i % Math.ceil(paths.length / 16) === 0)
  const seen = (await Promise.all(some.map((p) => peekPicture(join(root, p))))).filter((s) => s !== undefined)
  return { channels: seen.length > 0 && seen.every((s) => s.channels <= 2) ? 1 : 3, stored: seen.at(0)?.channels ?? 3, deep: seen.some((s) => s.deep) }
}

export const pictureReader: Reader = {
  ...reopener(origin, (parts) => TE.right(pictures(parts))),
  files: `pictures (${pictureEndings.join(', ')})`,
  matches: isPicture,
  open: {
    _tag: 'Many',
    files: ({ name, root, paths, classes }, o) => async () => {
      const { channels, stored, deep } = await probe(root, paths)
      const options = { channels: o.channels ?? channels, values: o.values ?? 'unit' }
      return E.right({ dataset: pictures({ name, root, paths, classes, options, stored, range: [0, deep ? 65535 : 255] }), skipped: [], notes: [] })
    },
  },
}
