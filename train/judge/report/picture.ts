/** Pictures within the page, as small as they can be: where few pixels suffice, the browser repeats them. */
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import { resizeImage } from '../../../data/augment/canvas.ts'
import type { Box, Image } from '../../../data/readers/dataset.ts'
import { encodePng, visible } from '../../../data/readers/pictures/picture.ts'
import { shrunk } from '../interpret/pictures.ts'
import type { Html } from './html.ts'
import { html, raw } from './html.ts'

/** Larger pictures are shrunk to this side, which is twice a tile's. */
const largest = 256

/** Up to this side pictures are PNG, without loss; above, WebP. */
const small = 64

const nearest = { filter: 'nearest', antialias: false } as const

/** A map over patches at an image's size, each patch one square. */
export const squares = (
  map: Float32Array,
  grid: readonly [number, number],
  size: { readonly height: number; readonly width: number },
): Float32Array => resizeImage({ channels: 1, height: grid[0], width: grid[1], data: map }, size, [-Infinity, Infinity], nearest).data

const encoded = (image: Image): TaskEither<Fault, string> =>
  pipe(
    encodePng(image, 'a picture of the report'),
    TE.chain((png) =>
      Math.max(image.height, image.width) <= small
        ? TE.right(`data:image/png;base64,${Buffer.from(png).toString('base64')}`)
        : TE.tryCatch(
            async () =>
              `data:image/webp;base64,${(await (await import('sharp')).default(png).webp({ quality: 88, effort: 2 }).toBuffer()).toString('base64')}`,
            (e) =>
              fault('data', {
                place: 'a picture of the report',
                found: messageOf(e),
                allowed: 'a picture that can be encoded',
                remedy: 'report this as a mistake of this program',
              }),
          ),
    ),
  )

/** A picture's element. Values in 0..1. */
export const pictured = (image: Image, alt: string): TaskEither<Fault, Html> =>
  pipe(
    encoded(shrunk(largest)(visible(image))),
    TE.map((src) => html`<img src="${src}" alt="${alt}" />`),
  )

/** Boxes over a picture of a size in pixels, sharp at any size. */
export const outlines = (
  size: { readonly height: number; readonly width: number },
  groups: ReadonlyArray<{ readonly kind: 'found' | 'true'; readonly boxes: ReadonlyArray<Box> }>,
): Html =>
  html`<svg class="over" viewBox="0 0 ${size.width} ${size.height}" aria-hidden="true">
    ${groups.flatMap((g) => g.boxes.map((b) => raw(`<rect class="${g.kind}" x="${b.x.toFixed(1)}" y="${b.y.toFixed(1)}" width="${b.width.toFixed(1)}" height="${b.height.toFixed(1)}"/>`)))}
  </svg>`
