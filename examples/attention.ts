/**
 * What a trained network looks at: attention of every head, the patches that hold most of it, boxes made of them, and principal
 * components of the patches; and how well such boxes find what is there, without a detection head and without labels. Images that come
 * with boxes are judged by these; of others, such as digits, what is brighter than half counts as the object.
 *
 *     npx tsx examples/attention.ts                                 trains DINOv2 on digits first
 *     npx tsx examples/attention.ts --model runs/dinov2             a run, a Hugging Face folder, or an official file
 *     npx tsx examples/attention.ts --model runs/ct --data examples/ct/boxes.csv --set data.intensity=windows --set data.windows=[400/800]
 */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import * as d from 'dinograph'
import digits from './dinov2.ts'

/** Images that are judged, and those of them that are shown. */
const [judged, shown] = [100, 8]

/** The box around all that is brighter than half. */
const bright = ({ height, width, data }: d.Image): ReadonlyArray<d.Box> => {
  const at = Array.from({ length: height * width }, (_, i) => i).filter((i) => data[i] > 0.5)
  const [x, y] = [at.map((i) => i % width), at.map((i) => Math.floor(i / width))]
  const [x0, y0] = [Math.min(...x), Math.min(...y)]
  return at.length === 0 ? [] : [{ x: x0, y: y0, width: Math.max(...x) + 1 - x0, height: Math.max(...y) + 1 - y0 }]
}

export default d.study(import.meta.url, {
  name: 'attention',
  about: 'Draws what a trained network looks at, and judges the boxes that follow from it: IoU, pointing game, AP50.',
  trains: digits,
  settings: { steps: 300, data: { train: 2000, test: 500 }, evaluation: { during: 0 } },
  show: ({ device, frozen, root, images, out }) =>
    pipe(
      TE.Do,
      TE.bind('subjects', () => d.firstSubjects(images, judged)),
      TE.bind('eye', () => d.openEye(device, frozen, root)),
      TE.bind('seen', ({ subjects, eye }) => eye.look(subjects.map((s) => s.image))),
      TE.bind('rows', ({ seen }) => TE.fromEither(pipe(seen.slice(0, shown), E.traverseArray(d.picturesOf())))),
      TE.bind('sheet', ({ rows: [first = [], ...rest] }) =>
        TE.fromEither(d.contactSheet({ columns: first.length, gap: 6 })([first, ...rest].flat().map(([, picture]) => picture))),
      ),
      TE.chainFirst(({ sheet }) => d.writePng(join(out, 'looks.png'))(sheet)),
      TE.map(({ subjects, seen }) => {
        const known = subjects.some((s) => s.boxes.length > 0)
        const judgedBy = seen.map((s, i) => ({ ...d.pointed(frozen)(subjects[i], s), ...(known ? {} : { truth: bright(s.image) }) }))
        const scores = d.detectionScores(judgedBy)
        const { iou, pointing, ap50 } = scores
        return { text: `${d.showDetection(scores)}\npictures in ${join(out, 'looks.png')}`, metrics: { iou, pointing, ap50 } }
      }),
    ),
})
