/**
 * What a trained network looks at: attention of every head, the patches that hold most of it, boxes made of them, and principal
 * components of the patches; and how well such boxes find what is there, without a detection head and without labels. Images that come
 * with boxes are judged by these; of others, such as digits, what is brighter than half counts as the object.
 *
 *     npx tsx examples/attention.ts                                 trains DINOv2 on digits first
 *     npx tsx examples/attention.ts --model runs/dinov2             a run, a Hugging Face folder, or an official file
 *     npx tsx examples/attention.ts --model runs/ct --data examples/ct/boxes.csv --set data.intensity=windows --set data.windows=[400/800]
 */
import { looks, study, type Box, type Image } from 'dinograph'
import digits from './dinov2.ts'

/** The box around all that is brighter than half. */
const bright = ({ height, width, data }: Image): ReadonlyArray<Box> => {
  const at = Array.from({ length: height * width }, (_, i) => i).filter((i) => data[i] > 0.5)
  const [x, y] = [at.map((i) => i % width), at.map((i) => Math.floor(i / width))]
  const [x0, y0] = [Math.min(...x), Math.min(...y)]
  return at.length === 0 ? [] : [{ x: x0, y: y0, width: Math.max(...x) + 1 - x0, height: Math.max(...y) + 1 - y0 }]
}

export default study(import.meta.url, {
  name: 'attention',
  about: 'Draws what a trained network looks at, and judges the boxes that follow from it: IoU, pointing game, AP50.',
  trains: digits,
  settings: { steps: 300, schedule: { warmup: 0.333 }, data: { train: 2000, test: 500 }, evaluation: { during: 0 } },
  show: looks({ judged: 100, drawn: 8, truth: bright }),
})
