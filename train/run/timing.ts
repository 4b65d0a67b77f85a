/** The programs of a run and its length, where that is said in minutes: these are measured before the first step. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { sameSteps, timed } from './length.ts'
import { clock } from './log/numbers.ts'
import type { Traced } from './opened.ts'
import { compiledPhases } from './programs.ts'
import type { RunningPhase } from './stride.ts'

/** A run whose length is decided. */
export interface Timed extends Traced {
  /** That training may take; undefined: as long as its steps do. */
  readonly seconds: number | undefined
}

/** All phases of a run, compiled. */
export type Phases = readonly [RunningPhase, ...ReadonlyArray<RunningPhase>]

/** Ends what reads images. */
export const closeLoaders = (phases: Phases): void => {
  for (const p of phases) p.loader.close()
}

export const compiledOf = ({
  options: o,
  run,
  data,
  judged,
  device,
  assembled,
  images: { side },
}: Traced): Promise<Either<Fault, Phases>> =>
  compiledPhases({
    device,
    run,
    assembled,
    data,
    judged,
    side,
    judge: o.judge,
    progress: o.progress,
    stopping: o.stopping,
    preview: o.preview,
  })

/** The run with the steps that its minutes hold. One that is continued keeps its steps, and its schedules: minutes end it alone. */
export const inTime = async (
  t: Traced,
  begunAt: number,
  phases: Phases,
): Promise<Either<Fault, { readonly t: Timed; readonly phases: Phases }>> => {
  const { options: o, run, device, assembled } = t
  if (o.length?._tag !== 'Minutes') return E.right({ t: { ...t, seconds: undefined }, phases })
  const { minutes } = o.length
  if (begunAt > 0) return E.right({ t: { ...t, seconds: 60 * minutes }, phases })
  const planned = await timed(
    run,
    minutes,
    device,
    { assembled, running: phases, settings: run.settings, clock, stopping: o.stopping },
    o.progress.say,
  )
  if (E.isLeft(planned)) return planned
  const again = planned.right.run.assemble(t.images, device.planned, device.parts)
  if (E.isLeft(again)) return again
  const next: Timed = { ...t, ...planned.right, assembled: again.right }
  if (sameSteps(assembled, again.right)) return E.right({ t: next, phases })
  closeLoaders(phases)
  return pipe(
    await compiledOf({ ...next, options: { ...o, preview: undefined } }),
    E.map((own) => ({ t: next, phases: own })),
  )
}
