/** Where the network looks: a few images whole, each with its heads' attention, its mass, boxes and principal components. */
import { basename } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import type { Image } from '../../../data/readers/dataset.ts'
import { blend, heatMap, visible } from '../../../data/readers/pictures/picture.ts'
import type { DetectionScores, Pointed } from '../interpret/detection.ts'
import { detectionNumbers, detectionScores, pointed, showDetection } from '../interpret/detection.ts'
import type { Seen } from '../interpret/look.ts'
import { massMask } from '../interpret/maps.ts'
import { componentPictures, foreground } from '../interpret/pca.ts'
import type { Eye } from '../interpret/eye.ts'
import type { Html } from './html.ts'
import { fold, html, table, when } from './html.ts'
import { shrunk } from '../interpret/pictures.ts'
import { outlines, pictured, squares } from './picture.ts'
import type { Subject } from '../interpret/subject.ts'
import type { Sample } from './sample.ts'
import { byTurns } from './sample.ts'
import type { Section } from './sections.ts'
import { percent, showNumber } from '../../run/log/numbers.ts'

/** Images that are shown; those that are looked at for boxes. */
const shownImages = 6
const lookedAt = 48

/** The share of attention that masks and boxes hold. */
const mass = 0.6

const tile = (picture: TaskEither<Fault, Html>, caption: string, over?: Html): TaskEither<Fault, Html> =>
  pipe(
    picture,
    TE.map(
      (img) =>
        html`<figure>
          <div class="frame">${img}${over ?? html``}</div>
          <figcaption>${caption}</figcaption>
        </figure>`,
    ),
  )

/** A map as colours over the image: dark where nothing is looked at, each patch one square. */
const heated = (below: Image, s: Seen, map: Float32Array): Either<Fault, Image> =>
  pipe(
    heatMap({ height: below.height, width: below.width, scale: 1 })(squares(map, s.grid, below)),
    E.chain((heat) => blend(0.68, heat)(below)),
  )

/** What holds the given share of a map; all else is dimmed. */
const kept = (below: Image, s: Seen, map: Float32Array): Image => {
  const mask = squares(Float32Array.from(massMask(mass)(map)), s.grid, below)
  const n = below.height * below.width
  return { ...below, data: below.data.map((v, i) => (mask[i % n] > 0.5 ? v : 0.22 * v)) }
}

interface Looked {
  readonly subject: Subject
  readonly seen: Seen
  readonly found: Pointed
}

const nameOf = ({ label, source }: Subject): string => [label, basename(source)].filter((t) => t !== undefined).join(' · ')

const tilesOf = ({ subject, seen, found: { truth } }: Looked, [all, front]: readonly [Image, Image]): TaskEither<Fault, Html> => {
  const below = shrunk(256)(visible(seen.image))
  const heat = (map: Float32Array, name: string): TaskEither<Fault, Html> =>
    tile(
      pipe(
        TE.fromEither(heated(below, seen, map)),
        TE.chain((p) => pictured(p, name)),
      ),
      name,
    )
  const boxes = outlines(seen.image, [
    { kind: 'true', boxes: truth },
    { kind: 'found', boxes: seen.boxes },
  ])
  return pipe(
    [
      tile(pictured(below, 'the image'), nameOf(subject)),
      ...seen.heads.map((m, i) => heat(m, `head ${i + 1}`)),
      ...(seen.heads.length > 1 ? [heat(seen.mean, 'mean of heads')] : []),
      tile(pictured(kept(below, seen, seen.mean), 'the patches of most attention'), `${100 * mass} % of attention`),
      tile(pictured(below, 'boxes over the image'), truth.length > 0 ? 'boxes: found, true' : 'boxes found', boxes),
      tile(pictured(all, 'principal components'), 'PCA'),
      tile(pictured(front, 'principal components of the foreground'), 'PCA, foreground'),
    ],
    TE.sequenceSeqArray,
    TE.map((tiles) => html`<div class="look">${tiles}</div>`),
  )
}

/** Components of all patches, and of the foreground alone, of all images together: one colour means the same in each of them. */
const componentsOf = (looked: ReadonlyArray<Looked>): ReadonlyArray<readonly [Image, Image]> => {
  const [
    {
      seen: { dim, grid },
    },
  ] = looked
  const each = grid[0] * grid[1] * dim
  const rows = new Float32Array(looked.length * each)
  looked.forEach(({ seen }, i) => {
    rows.set(seen.patches, i * each)
  })
  const patches = { rows, dim, grid }
  const [all, front] = [componentPictures(patches), componentPictures(patches, foreground(patches))]
  return all.map((p, i) => [p, front[i]] as const)
}

const scored = (s: DetectionScores, looked: ReadonlyArray<Looked>): Html =>
  when(
    s.images > 0,
    () =>
      html`<h3>Boxes of attention and true boxes</h3>
        <p class="note">
          Without a detection head: connected regions of the patches that hold ${100 * mass} % of the mean attention, over the ${s.images}
          of ${looked.length} images looked at that have true boxes.
        </p>
        ${table([
          {
            images: s.images,
            'true boxes': s.boxes,
            'patches of a box': showNumber(Number(s.patches.toPrecision(2))),
            'mean best IoU': s.iou.toFixed(3),
            'pointing game': percent(s.pointing),
            AP50: s.ap50.toFixed(3),
          },
        ])}`,
  )

/** Those with boxes first, up to half of what is shown; then in turn of their classes. */
const chosen = (looked: ReadonlyArray<Looked>): ReadonlyArray<Looked> => {
  const marked = looked.filter((l) => l.found.truth.length > 0).slice(0, shownImages / 2)
  return [...marked, ...looked.filter((l) => !marked.includes(l))].slice(0, shownImages)
}

/** The section; empty where no image can be read. */
export const gallerySection = (eye: Eye, sample: Sample): TaskEither<Fault, ReadonlyArray<Section>> =>
  pipe(
    TE.Do,
    TE.bind('first', () => eye.subjects(sample.shown, byTurns(sample.shown).slice(0, lookedAt))),
    TE.bind('more', ({ first }) =>
      sample.of === 'train' || first.length >= lookedAt
        ? TE.right([])
        : eye.subjects(sample.train, byTurns(sample.train).slice(0, lookedAt - first.length)),
    ),
    TE.let('all', ({ first, more }) => {
      const known = new Set(first.map((s) => s.source))
      const both = [...first, ...more.filter((s) => !known.has(s.source))]
      // where no image has boxes, none is looked at for them
      return both.some((s) => s.boxes.length > 0) ? both : both.slice(0, shownImages)
    }),
    TE.bind('seen', ({ all }) => eye.look(all.map((s) => s.image))),
    TE.let('looked', ({ all, seen }) => seen.map((s, i): Looked => ({ subject: all[i], seen: s, found: pointed(eye.frozen)(all[i], s) }))),
    TE.chain(({ looked }) => {
      const some = chosen(looked)
      if (some.length === 0) return TE.right([])
      const components = componentsOf(some)
      const scores = detectionScores(looked.map((l) => l.found))
      const [
        {
          seen: { image, grid },
        },
      ] = some
      return pipe(
        some.map((l, i) => tilesOf(l, components[i])),
        TE.sequenceSeqArray,
        TE.map((rows): ReadonlyArray<Section> => [
          {
            id: 'attention',
            title: 'Where the network looks',
            body: html`<p class="note">
                What the class token of the last block attends to, by head, each patch one square (${grid.join(' x ')} of them, the image
                ${image.height} x ${image.width}
                pixels${when(image.channels !== 1 && image.channels !== 3, () => html`, the first of ${image.channels} channels shown`)}).
                Every map has its own scale, from the least to the largest. Colours of PCA mean the same in all images.
              </p>
              ${rows.map((row, i) => fold(`${nameOf(some[i].subject)}: attention of ${some[i].seen.heads.length} heads, boxes, components`, row, i === 0))}${scored(scores, looked)}`,
            ...(scores.boxes === 0 ? {} : { found: { text: showDetection(scores), metrics: detectionNumbers(scores) } }),
          },
        ]),
      )
    }),
  )
