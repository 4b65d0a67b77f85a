/** The judge of runs: k-NN on features, and everything that is made of a run at its end. */
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Judge } from '../run/judge.ts'
import { extractor, knnAccuracy, pixelRows } from './evaluate/features.ts'
import { finished, finishes } from './finish.ts'
import { reportStopped } from './report/ending.ts'

export const judge: Judge = {
  accuracy: (device, program, { train, test, loading }, o) =>
    pipe(extractor(device, program, program.cls, loading), TE.map((eye) => knnAccuracy(o, train, test)(eye.rows))),
  pixels: ({ train, test }, o) => knnAccuracy(o, train, test)(pixelRows),
  finished: finished(finishes),
  stopped: reportStopped,
}
