/** What a study shows of where a network looks: pictures, and how well boxes that follow from attention find what is marked. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import type { Box, Image } from '../../data/readers/dataset.ts'
import { contactSheet, writePng } from '../../data/readers/pictures/picture.ts'
import { detectionNumbers, detectionScores, pointed, showDetection } from '../judge/interpret/detection.ts'
import { openEye } from '../judge/interpret/eye.ts'
import { picturesOf } from '../judge/interpret/pictures.ts'
import { firstSubjects } from '../judge/interpret/subject.ts'
import type { Finding, Shown } from './study.ts'

export interface LookOptions {
  /** Images that are judged, the first that can be read. */
  readonly judged: number
  /** Those of them that are drawn, in `looks.png`. */
  readonly drawn: number
  /** What is marked in an image, in 0..1 as the network sees it, where no image comes with a box. Default: nothing. */
  readonly truth?: (image: Image) => ReadonlyArray<Box>
}

/**
 * Attention of every head, masks, boxes and components of a study's images, as one picture, and the metrics of the boxes
 * (`detectionNumbers`).
 */
export const looks =
  ({ judged, drawn, truth = () => [] }: LookOptions) =>
  ({ device, frozen, root, images, out }: Shown): TaskEither<Fault, Finding> =>
    pipe(
      TE.Do,
      TE.bind('subjects', () => firstSubjects(frozen)(images, judged)),
      TE.bind('eye', () => openEye(device, frozen, root)),
      TE.bind('seen', ({ subjects, eye }) => eye.look(subjects.map((s) => s.image))),
      TE.bind('rows', ({ seen }) => TE.fromEither(pipe(seen.slice(0, drawn), E.traverseArray(picturesOf())))),
      TE.bind('sheet', ({ rows: [first = [], ...rest] }) =>
        TE.fromEither(contactSheet({ columns: first.length, gap: 6 })([first, ...rest].flat().map(([, picture]) => picture))),
      ),
      TE.chainFirst(({ sheet }) => writePng(join(out, 'looks.png'))(sheet)),
      TE.map(({ subjects, seen }) => {
        const isMarked = subjects.some((s) => s.boxes.length > 0)
        const found = seen.map((s, i) => ({ ...pointed(frozen)(subjects[i], s), ...(isMarked ? {} : { truth: truth(s.image) }) }))
        const scores = detectionScores(found)
        return { text: `${showDetection(scores)}\npictures in ${join(out, 'looks.png')}`, metrics: detectionNumbers(scores) }
      }),
    )
