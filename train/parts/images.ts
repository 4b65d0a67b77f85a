/** Images as settings: the digits that a dependency ships, or whatever lies at a path. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import type { Dataset, Split } from '../../data/dataset.ts'
import { showIntensity, usualIntensity, withIntensity } from '../../data/intensity.ts'
import { mnistSplit } from '../../data/readers/mnist.ts'
import { openData, trainAndTest } from '../../data/readers/open.ts'
import type { ValueOf } from '../config/field.ts'
import { real, text, whole } from '../config/field.ts'
import { section } from '../config/section.ts'

export const images = section('what is trained on', {
  path: text('', 'a file or folder of images; empty: the digits that are shipped'),
  train: whole(8000, 'digits to train on', { min: 1, max: 10000 }),
  test: whole(2000, 'digits to evaluate with', { min: 0, max: 10000 }),
  share: real(0.2, 'of images at a path without a split: share of each class that is kept for evaluation', { above: 0, below: 1 }),
}, [
  { at: 'test', of: ['path', 'train', 'test'], holds: (d) => d.path !== '' || d.train + d.test <= 10000, allowed: (d) => `at most ${10000 - d.train} beside ${d.train} to train on: there are 10000 digits`, remedy: 'take fewer' },
])

export type Images = ValueOf<typeof images>

/** Tells a person something. */
export type Say = (text: string) => void

/** A part of a split with its values as intensities, in the way that suits what they measure. */
const seen = (d: Dataset, say: Say): TaskEither<Fault, Dataset> => {
  const intensity = usualIntensity(d)
  say(`${d.name}: ${d.length} images through ${showIntensity(intensity)}`)
  return withIntensity(intensity)(d)
}

/** The images to train on and to evaluate with. Faults: those of the readers. */
export const imagesOf = (o: Images, say: Say): TaskEither<Fault, Split> => (o.path === '' ? mnistSplit({ train: o.train, test: o.test }) : pipe(
  openData(o.path),
  TE.chainEitherK((opened) => trainAndTest(opened, o.share)),
  TE.chain(({ train, test }) => pipe(TE.Do, TE.apS('train', seen(train, say)), TE.apS('test', seen(test, say)))),
))
