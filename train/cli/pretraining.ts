/** A run that comes before another: what it goes on from. */
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { given } from '../config/settings.ts'
import type { Experiment, Surroundings } from '../run/experiment.ts'
import { decided } from '../run/experiment.ts'
import { made } from '../run/origin.ts'
import { judge } from '../judge/judge.ts'
import { isBegun } from '../run/resumption.ts'
import { runExperiment } from '../run/run.ts'

/** Runs an experiment with some of its settings changed, into a folder within that of the run it comes before; gives the folder. */
export const pretrained = (e: Experiment, how: Surroundings, settings: unknown): TaskEither<Fault, string> => {
  const out = join(how.out, made.before)
  return pipe(
    decided(e, how.progress.say)([given(settings, 'the run before')]),
    // of the run that it comes before, which has its folder to itself: where that is continued this one is too
    TE.bindTo('r'),
    TE.bind('resume', () => TE.fromTask(() => isBegun(out))),
    TE.chain(({ r, resume }) =>
      runExperiment(r, { name: e.name, out, device: how.device, resume, judge, progress: how.progress, stopping: () => false }),
    ),
    TE.map(() => out),
  )
}

/** What a run goes on from: the folder that is named, or that of an experiment which is run first, with some of its settings changed. */
export const pretrainedUnless = (named: string, e: Experiment, how: Surroundings, settings: unknown): TaskEither<Fault, string> =>
  named === '' ? pretrained(e, how, settings) : TE.right(named)
