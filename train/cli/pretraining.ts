/** A run that comes before another: what it goes on from. */
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { given } from '../config/settings.ts'
import type { Experiment, Surroundings } from '../run/experiment.ts'
import { decided } from '../run/experiment.ts'
import { made } from '../run/origin.ts'
import { judge } from '../judge/judge.ts'
import { isBegun } from '../run/resumption.ts'
import { runExperiment } from '../run/run.ts'

/** What was asked to stop has nothing for the run after it to go on from. */
const unfinished = (out: string, step: number): Fault =>
  fault('target', {
    place: `the run before (${out})`,
    found: `a request to stop after step ${step}, at which it was saved`,
    allowed: 'a run before that is left to end',
    remedy: 'start again by the same command: it goes on from there, and then the run after it begins',
  })

/** Runs an experiment with some of its settings changed, into a folder within that of the run it comes before; gives the folder. */
export const pretrained = (e: Experiment, how: Surroundings, settings: unknown): TaskEither<Fault, string> => {
  const out = join(how.out, made.before)
  return pipe(
    decided(e, how.progress.say)([given(settings, 'the run before')]),
    // of the run that it comes before, which has its folder to itself: where that is continued this one is too
    TE.bindTo('r'),
    TE.bind('resume', () => TE.fromTask(() => isBegun(out))),
    TE.chain(({ r, resume }) =>
      runExperiment(r, { name: e.name, out, device: how.device, resume, judge, progress: how.progress, stopping: how.stopping }),
    ),
    TE.chain(({ stopped, steps }) => (stopped ? TE.left(unfinished(out, steps)) : TE.right(out))),
  )
}

/** What a run goes on from: the folder that is named, or that of an experiment which is run first, with some of its settings changed. */
export const pretrainedUnless = (named: string, e: Experiment, how: Surroundings, settings: unknown): TaskEither<Fault, string> =>
  named === '' ? pretrained(e, how, settings) : TE.right(named)
