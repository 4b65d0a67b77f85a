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
import { isPicture, pictureEndings, readPicture } from './file.ts'
import type { PictureOptions } from './file.ts'
import { byText, walk } from '../walk.ts'

export { pictureEndings, readPicture } from './file.ts'

/** How pictures are decoded. */
export type FolderOptions = PictureOptions

const classOf = (path: string): string | undefined => {
  const slash = path.indexOf('/')
  return slash < 0 ? undefined : path.slice(0, slash)
}

const empty = (root: string): Fault =>
  fault('data', {
    place: root,
    found: 'no picture',
    allowed: `files that end in ${pictureEndings.join(', ')}, at any depth`,
    remedy: 'name a folder that holds pictures',
  })

/** The names of the classes of pictures: their first folders, sorted. */
export const classesOf = (paths: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...new Set(paths.map(classOf).filter((c) => c !== undefined))].sort(byText)

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

/** Pictures as a dataset. */
export const pictures = (parts: Pictures): Dataset => {
  const { name, root, paths, classes, options, stored, range } = parts
  const numbers = new Map(classes.map((c, i) => [c, i]))
  const labels = paths.map((p) => numbers.get(classOf(p) ?? ''))
  const { channels = 3, values } = options
  return {
    name,
    length: paths.length,
    channels: channels === 'stored' ? stored ?? 3 : channels,
    range: values === 'stored' ? range ?? [0, 255] : [0, 1],
    classes,
    label: (i) => O.fromNullable(labels[i]),
    origin: TE.right({ _tag: 'Pictures', parts }),
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
