/**
 * A folder tree of pictures. Files are found once, in an order that does not depend on the system, and decoded when they
 * are asked for. The folders right below the root are the classes, as in torchvision's ImageFolder.
 */

import { stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { codeOf, fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { outside } from '../dataset.ts'
import type { Dataset, Sides } from '../dataset.ts'
import { systemFault } from '../../formats/file.ts'
import { decodingOf, stated } from './decoding.ts'
import type { Decoding } from './decoding.ts'
import { isPicture, pictureEndings, pictureFields, readPicture } from './file.ts'
import type { Pages, PictureOptions } from './file.ts'
import { beginsAsPicture, peekPicture } from './header.ts'
import type { Peeked, PeekOptions } from './header.ts'
import { chooseKind } from '../kinds.ts'
import type { Kind } from '../kinds.ts'
import { counted, note } from '../note.ts'
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
export interface Pictures extends Decoding {
  readonly name: string
  readonly root: string
  readonly paths: ReadonlyArray<string>
  readonly classes: ReadonlyArray<string>
  /** Sides by path, of those whose headers have been seen. */
  readonly sizes?: ReadonlyArray<readonly [path: string, size: Sides]>
  /** The page of each path, where files have several; a path comes once for each of its pages. */
  readonly pages?: ReadonlyArray<number>
}

const origin = originOf<Pictures>('pictures')

/** Pictures as a dataset. */
export const pictures = (parts: Pictures): Dataset => {
  const { name, root, paths, classes, options, pages, sizes } = parts
  const numbers = new Map(classes.map((c, i) => [c, i]))
  const labels = classes.length === 0 ? [] : paths.map((p) => numbers.get(folderOf(p) ?? ''))
  const seen = new Map(sizes)
  return {
    name,
    length: paths.length,
    ...stated(parts),
    classes,
    label: (i) => O.fromNullable(labels[i]),
    origin: TE.right(origin.of(parts)),
    sourceOf: (i) => paths[i],
    ...(sizes === undefined ? {} : { sizeOf: (i: number) => seen.get(paths[i]) }),
    item: (i) => {
      if (!(i in paths)) return TE.left(outside(root, i, paths.length))
      const label = labels[i]
      return pipe(
        readPicture(join(root, paths[i]), pages === undefined ? options : { ...options, page: pages[i] }),
        TE.map((picture) => ({
          ...pictureFields(picture),
          source: paths[i],
          ...(pages === undefined ? {} : { frame: pages[i] }),
          ...(label === undefined ? {} : { label }),
        })),
      )
    },
  }
}

/**
 * The pictures below a folder, in the order of their paths; or the one picture that `root` itself is. Pictures keep
 * their own sizes. An item's label is its first folder's place among the sorted class names; files at the root have none.
 * Faults: no such folder, no picture in it; on reading an item: the file with the reason.
 */
export const folder =
  (root: string, options: FolderOptions = {}): TaskEither<Fault, Dataset> =>
  async () => {
    try {
      if ((await stat(root)).isFile()) {
        return E.right(pictures({ name: basename(root), root: join(root, '..'), paths: [basename(root)], classes: [], options }))
      }
      const paths = await walk(root, isPicture)
      return paths.length === 0
        ? E.left(empty(root))
        : E.right(pictures({ name: basename(root), root, paths, classes: classesOf(paths), options }))
    } catch (e) {
      const f = systemFault('data', root)(e)
      return E.left(
        codeOf(e) === 'ENOENT' ? { ...f, allowed: 'a folder or a picture that exists', remedy: 'check --data for a typing error' } : f,
      )
    }
  }

/** Pictures whose headers are looked at beside those that may have several pages: all of them, or this many spread over all. */
const looked = 4096

const mayHavePages = (path: string): boolean => /\.(tiff?|webp|gif|apng)$/i.test(path)

/** What is known of pictures before they are read. */
interface Probe {
  readonly seen: ReadonlyMap<string, Peeked>
}

const probe = async (root: string, paths: ReadonlyArray<string>, o: PeekOptions): Promise<Probe> => {
  const step = Math.ceil(paths.length / looked)
  const some = paths.filter((p, i) => i % step === 0 || mayHavePages(p))
  const seen = new Map<string, Peeked>()
  for (let at = 0; at < some.length; at += 8) {
    await Promise.all(
      some.slice(at, at + 8).map(async (p) => {
        const peeked = await peekPicture(join(root, p), o)
        if (peeked !== undefined) seen.set(p, peeked)
      }),
    )
  }
  return { seen }
}

const kindOf = (p: Peeked | undefined): Kind => ({
  words: p?.measured === undefined ? ['picture'] : ['measured', ...p.measured.what.split(' ')],
  claim: 1,
})

/** What is said of files whose pages are channels of one image, or could be. */
const channelNotes = (paths: ReadonlyArray<string>, { seen }: Probe, asked: Pages = 'images'): ReadonlyArray<string> => {
  const across = paths.flatMap((path) => {
    const p = seen.get(path)
    return p?.across === undefined ? [] : [{ path, images: p.pages.length, ...p.across }]
  })
  return [true, false].flatMap((described) =>
    [...new Set(across.map((a) => a.channels))].flatMap((channels) => {
      const own = across.filter((a) => a.described === described && a.channels === channels)
      const images = own.reduce((n, a) => n + a.images, 0)
      const files = own.map((a) => a.path)
      if (own.length === 0) return []
      const [have, their] = [own.length === 1 ? 'has' : 'have', own.length === 1 ? 'its' : 'their']
      return asked === 'images'
        ? note(
            `${counted(own.length, 'file')} ${have} ${channels} channels on pages of their own, as ${their} description says: the pages are read as ${images} images`,
            files,
            'data.pages=channels reads them as channels',
          )
        : note(
            `pages of ${counted(own.length, 'file')} are read as ${counted(images, 'image')} of ${channels} channels${described ? `, as ${their} description says` : ': no description says otherwise'}`,
            files,
            'data.pages=images reads each page as an image',
          )
    }),
  )
}

/** What of the pictures is to be said: pages, transparency unless it is kept, and what lies beside each other that is seen differently. */
const notesOf = (paths: ReadonlyArray<string>, { seen }: Probe, kept: boolean): ReadonlyArray<string> => {
  const among = paths.filter((p) => seen.has(p))
  const of = (f: (p: Peeked) => boolean): ReadonlyArray<string> =>
    among.filter((p) => {
      const known = seen.get(p)
      return known !== undefined && f(known)
    })
  const [gray, colour] = [of((p) => p.channels <= 2 && p.measured === undefined), of((p) => p.channels > 2 && p.measured === undefined)]
  const [deep, flat] = [of((p) => p.deep && p.measured === undefined), of((p) => !p.deep && p.measured === undefined)]
  const alpha = of((p) => (p.channels === 2 || p.channels === 4) && p.measured === undefined)
  const [stacks, others] = [of((p) => p.pages.length > 1 && p.across === undefined), of((p) => p.others > 0)]
  const pages = stacks.reduce((n, p) => n + (seen.get(p)?.pages.length ?? 0), 0)
  return [
    ...(stacks.length === 0
      ? []
      : [note(`${counted(stacks.length, 'file')} of several pages ${stacks.length === 1 ? 'is' : 'are'} read as ${pages} images`, stacks)]),
    ...(others.length === 0
      ? []
      : [note(`pages that are smaller copies or of another size are not read in ${counted(others.length, 'file')}`, others)]),
    ...(gray.length === 0 || colour.length === 0
      ? []
      : [
          note(
            `${counted(gray.length, 'gray picture')} beside ${colour.length} with colours: gray is repeated where images have colours`,
            gray.length < colour.length ? gray : colour,
            'data.channels=1 turns all gray',
          ),
        ]),
    ...(alpha.length === 0 || kept
      ? []
      : [
          note(
            `${counted(alpha.length, 'picture has', 'pictures have')} transparency, which is left out`,
            alpha,
            'data.channels=4 keeps it',
          ),
        ]),
    ...(deep.length === 0 || flat.length === 0
      ? []
      : [
          note(
            `${counted(deep.length, 'picture')} of 16 bits beside ${flat.length} of 8: each is seen in the range of its own bits`,
            deep.length < flat.length ? deep : flat,
            'data.intensity=percentiles sees each in the range of its values',
          ),
        ]),
  ]
}

export const pictureReader: Reader = {
  ...reopener(origin, (parts) => TE.right(pictures(parts))),
  files: `pictures (${pictureEndings.join(', ')})`,
  matches: (path) => isPicture(path) || (extname(path) === '' ? 'perhaps' : false),
  begins: beginsAsPicture,
  open: {
    _tag: 'Many',
    files:
      ({ name, root, paths, classes }, o) =>
      async () => {
        const probed = await probe(root, paths, o)
        const { seen } = probed
        const alike = (o.select ?? []).length === 0 && ![...seen.values()].some((p) => p.measured !== undefined)
        const chosen = alike
          ? E.right({ files: paths, notes: [] })
          : chooseKind(
              root,
              o.select,
            )(paths.map((p) => ({ file: p, path: p, kind: kindOf(seen.get(p)), images: seen.get(p)?.pages.length ?? 1 })))
        if (E.isLeft(chosen)) return chosen
        const { files, notes } = chosen.right
        const known = files.flatMap((p) => {
          const s = seen.get(p)
          return s === undefined ? [] : [s]
        })
        const paged = files.some((p) => (seen.get(p)?.pages ?? [0]).some((page) => page > 0))
        const entries = paged ? files.flatMap((p) => (seen.get(p)?.pages ?? [0]).map((page) => ({ p, page }))) : []
        const dataset = pictures({
          name,
          root,
          classes,
          ...decodingOf(known, o),
          paths: paged ? entries.map((e) => e.p) : files,
          sizes: [...seen].map(([p, s]) => [p, s.size] as const),
          ...(paged ? { pages: entries.map((e) => e.page) } : {}),
        })
        return E.right({
          dataset,
          skipped: [],
          notes: [...notes, ...channelNotes(files, probed, o.pages), ...notesOf(files, probed, o.channels === 2 || o.channels === 4)],
        })
      },
  },
}
