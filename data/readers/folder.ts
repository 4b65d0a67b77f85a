/**
 * A folder tree of pictures. Files are found once, in an order that does not depend on the system, and decoded when they
 * are asked for. The folders right below the root are the classes, as in torchvision's ImageFolder.
 */

import { readFile, readdir, realpath, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import sharp from 'sharp'
import { fault, messageOf } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { outside } from '../dataset.ts'
import type { Dataset, Image } from '../dataset.ts'
import { codeOf, guarded, systemFault } from '../file.ts'

/** How pictures are decoded. */
export interface FolderOptions {
  /** 3: RGB, gray ones repeated. 1: gray, colours by luma .299 R + .587 G + .114 B (ITU-R 601, as Pillow). Default 3. */
  readonly channels?: 1 | 3
  /** Turn pictures upright as their EXIF orientation says. Default true. */
  readonly upright?: boolean
}

/** The endings of files that are read, in any case. */
export const pictureEndings: ReadonlyArray<string> = ['.jpg', '.jpeg', '.png', '.webp', '.tif', '.tiff']

/** Compares by code units: the same order on every system and in every language. */
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Paths of pictures below `root`, with `/`, sorted. Hidden files and folders are passed over; links are followed once. */
const walk = async (root: string): Promise<ReadonlyArray<string>> => {
  const found: string[] = []
  const seen = new Set<string>()
  const open: string[] = ['']
  for (let below = open.pop(); below !== undefined; below = open.pop()) {
    const folder = join(root, below)
    const real = await realpath(folder)
    if (seen.has(real)) continue
    seen.add(real)
    const entries = await readdir(folder, { withFileTypes: true })
    const folders: string[] = []
    for (const entry of entries.sort((a, b) => byText(a.name, b.name))) {
      if (entry.name.startsWith('.') || entry.name === '__MACOSX') continue
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      const isPicture = pictureEndings.includes(extname(entry.name).toLowerCase())
      if (entry.isSymbolicLink()) {
        const target = await stat(join(root, path)).catch(() => undefined)
        if (target?.isDirectory() === true) folders.push(path)
        else if (isPicture) found.push(path)
      } else if (entry.isDirectory()) folders.push(path)
      else if (isPicture) found.push(path)
    }
    open.push(...folders.reverse())
  }
  return found.sort(byText)
}

/** Interleaved pixels to [channels, height, width] in 0..1. */
const toPlanes = (pixels: ArrayLike<number>, from: number, info: { readonly width: number; readonly height: number }, channels: 1 | 3, top: number): Image => {
  const { width, height } = info
  const n = width * height
  const data = new Float32Array(channels * n)
  if (channels === 1 && from === 1) for (let i = 0; i < n; i++) data[i] = pixels[i] / top
  else if (channels === 1) for (let i = 0; i < n; i++) data[i] = (0.299 * pixels[3 * i] + 0.587 * pixels[3 * i + 1] + 0.114 * pixels[3 * i + 2]) / top
  else for (let c = 0; c < 3; c++) for (let i = 0; i < n; i++) data[c * n + i] = pixels[from === 1 ? i : 3 * i + c] / top
  return { channels, height, width, data }
}

const unreadable = (path: string, reason: string): Fault =>
  fault('data', {
    place: path,
    found: reason.trim().split(/\s*\n\s*/).join('; '),
    allowed: 'a whole JPEG, PNG, WebP or TIFF picture with 8 or 16 bits',
    remedy: 'replace or remove the file',
  })

/**
 * Decodes one picture file to 0..1: 8-bit values / 255, 16-bit values / 65535, the values as stored (colour profiles are
 * not applied, as in Pillow), transparency dropped; of several pages the first.
 * Faults name the file: missing, truncated, another format, floats.
 */
export const readPicture = (path: string, options: FolderOptions = {}): TaskEither<Fault, Image> => {
  const { channels = 3, upright = true } = options
  return pipe(
    guarded('data', path)(async () => E.right(await readFile(path))),
    TE.chain((bytes) => async (): Promise<Either<Fault, Image>> => {
      try {
        const picture = sharp(bytes, { failOn: 'error', ignoreIcc: true, autoOrient: upright })
        const { depth, channels: stored } = await picture.metadata()
        if (depth !== 'uchar' && depth !== 'ushort') return E.left(unreadable(path, `pixels of type ${depth}`))
        const deep = depth === 'ushort'
        const gray = stored <= 2
        const { data, info } = await picture
          .removeAlpha()
          .toColourspace(gray ? (deep ? 'grey16' : 'b-w') : deep ? 'rgb16' : 'srgb')
          .raw({ depth: deep ? 'ushort' : 'uchar' })
          .toBuffer({ resolveWithObject: true })
        const pixels = deep ? new Uint16Array(Uint8Array.from(data).buffer) : data
        if (info.channels !== (gray ? 1 : 3)) return E.left(unreadable(path, `${info.channels} channels`))
        return E.right(toPlanes(pixels, info.channels, info, channels, deep ? 65535 : 255))
      } catch (e) {
        return E.left(unreadable(path, messageOf(e)))
      }
    }),
  )
}

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

const datasetOf = (root: string, paths: ReadonlyArray<string>, options: FolderOptions): Dataset => {
  const classes = [...new Set(paths.map(classOf).filter((c) => c !== undefined))].sort(byText)
  const numbers = new Map(classes.map((c, i) => [c, i]))
  const labels = paths.map((p) => numbers.get(classOf(p) ?? ''))
  const name = basename(root)
  return {
    name,
    length: paths.length,
    channels: options.channels ?? 3,
    range: [0, 1],
    classes,
    label: (i) => O.fromNullable(labels[i]),
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
      return E.right({ ...datasetOf(join(root, '..'), [basename(root)], options), name: basename(root) })
    }
    const paths = await walk(root)
    return paths.length === 0 ? E.left(empty(root)) : E.right(datasetOf(root, paths, options))
  } catch (e) {
    const f = systemFault('data', root)(e)
    return E.left(codeOf(e) === 'ENOENT' ? { ...f, allowed: 'a folder or a picture that exists', remedy: 'check --data for a typing error' } : f)
  }
}
