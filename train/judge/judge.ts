/** The judge of runs: k-NN on features, and everything that is made of a run at its end. */
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { writeJson } from '../../data/formats/json.ts'
import { preprocessorOfRun } from '../exchange/seen.ts'
import type { Judge } from '../run/judge.ts'
import { extractor, knnAccuracy, pixelRows } from './evaluate/features.ts'
import { noteBeginning } from './report/beginning.ts'

/** What a run ends with (charts, a map of features, pictures) is loaded when it ends. */
export const judge: Judge = {
  accuracy: (device, program, { train, test, loading }, o) =>
    pipe(
      extractor(device, program, program.cls, loading),
      TE.map((eye) =>
        pipe(
          TE.Do,
          TE.bind('train', () => eye.rows(train)),
          TE.bind('test', () => eye.rows(test)),
          TE.bindTo('tokens'),
          TE.bind('accuracy', ({ tokens }) =>
            knnAccuracy(device, o, train, test)((d) => TE.right(d === test ? tokens.test : tokens.train)),
          ),
        ),
      ),
    ),
  before: ({ out, data, seed, tokens }) => noteBeginning(out, data, seed, tokens),
  pixels: (device, { train, test }, o) => knnAccuracy(device, o, train, test)(pixelRows),
  begun: ({ out, assembled, images }) =>
    pipe(writeJson(join(out, 'preprocessor_config.json'), { ...preprocessorOfRun(assembled, images.channels) })),
  finished: (f) =>
    pipe(
      TE.fromTask(() => import('./finish.ts')),
      TE.chain(({ finished, finishes }) => finished(finishes)(f)),
    ),
  stopped: (o, metrics) =>
    pipe(
      TE.fromTask(() => import('./report/ending.ts')),
      TE.chain(({ reportStopped }) => reportStopped(o, metrics)),
    ),
}
