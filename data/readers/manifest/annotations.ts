/** Boxes and masks of rows on their images: they count stored pixels unless a setting says otherwise, and turn with pictures. */
import { resolve } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Box, Image, Item } from '../dataset.ts'
import { counted, note } from '../note.ts'
import { isPicture, readPicture } from '../pictures/file.ts'
import { isTurned } from '../pictures/header.ts'
import { storedSize, turnedBox, turnedMask } from '../pictures/orientation.ts'
import type { Row } from './row.ts'

/** What boxes and masks count: pixels as stored, or of the picture that is shown. */
export type Counts = 'stored' | 'upright'

/** How pictures are shown whose annotations count stored pixels; nothing where both are the same. */
const shownOf = (image: Image, counts: Counts): (Image & { readonly orientation: number }) | undefined => {
  const { orientation } = image
  return orientation === undefined || counts === 'upright' ? undefined : { ...image, orientation }
}

const readMask = (path: string, item: Item, counts: Counts): TaskEither<Fault, Uint8Array> =>
  pipe(
    readPicture(path, { channels: 1, values: 'stored', upright: false }),
    TE.chainEitherK(({ height, width, data }): Either<Fault, Uint8Array> => {
      const mask = Uint8Array.from(data, (v) => (v > 0 ? 1 : 0))
      const shown = shownOf(item.image, counts)
      const stored = shown === undefined ? undefined : storedSize(shown)
      if (shown !== undefined && height === stored?.height && width === stored.width) return E.right(turnedMask(shown)(mask))
      return height === item.image.height && width === item.image.width
        ? E.right(mask)
        : E.left(
            fault('data', {
              place: path,
              found: `a mask of ${height} x ${width} for an image of ${item.image.height} x ${item.image.width}`,
              allowed: 'masks as large as their images',
              remedy: 'make the mask again',
            }),
          )
    }),
  )

/** The item with what its row knows. Fault: a box outside the image, a mask of another size. */
export const annotated =
  (row: Row, file: string, root: string, counts: Counts) =>
  (item: Item): TaskEither<Fault, Item> => {
    const shown = shownOf(item.image, counts)
    const { height, width } = shown === undefined ? item.image : storedSize(shown)
    const inPixels = (b: Box): Box =>
      row.shares === true ? { x: b.x * width, y: b.y * height, width: b.width * width, height: b.height * height } : b
    const own = row.boxes?.map(inPixels)
    const stray = own?.find((b) => b.x >= width || b.y >= height || b.x + b.width <= 0 || b.y + b.height <= 0)
    if (stray !== undefined) {
      return TE.left(
        fault('data', {
          place: `${file}: line ${row.line}`,
          found: `the box ${JSON.stringify(Object.values(stray))}`,
          allowed: `boxes that meet the image of ${height} x ${width}`,
          remedy: 'correct the box: x, y, width, height in pixels',
        }),
      )
    }
    const boxes = shown === undefined ? own : own?.map(turnedBox(shown))
    const known: Item = {
      ...item,
      ...(row.label === undefined ? {} : { label: row.label }),
      ...(row.labels === undefined ? {} : { labels: row.labels }),
      ...(boxes === undefined ? {} : { box: boxes[0], boxes }),
    }
    return row.mask === undefined
      ? TE.right(known)
      : pipe(
          readMask(resolve(root, row.mask), item, counts),
          TE.map((mask): Item => ({ ...known, mask })),
        )
  }

/** Annotated pictures whose headers are looked at. */
const looked = 256

/** A note of pictures that are turned, with what then becomes of their boxes and masks. */
export const turnedNote = async (root: string, annotatedFiles: Iterable<string>, counts: Counts): Promise<ReadonlyArray<string>> => {
  const paths = [...new Set(annotatedFiles)].filter(isPicture).slice(0, looked)
  const turned: string[] = []
  for (const p of paths) if (await isTurned(resolve(root, p))) turned.push(p)
  if (turned.length === 0) return []
  return counts === 'stored'
    ? [
        note(
          `${counted(turned.length, 'picture is', 'pictures are')} turned by EXIF, and boxes and masks, which count stored pixels, with them`,
          turned,
          'data.annotations=upright leaves boxes and masks as they are',
        ),
      ]
    : [
        note(
          `${counted(turned.length, 'picture is', 'pictures are')} turned by EXIF, and boxes and masks are taken as they are`,
          turned,
          'data.annotations=stored turns them too',
        ),
      ]
}
