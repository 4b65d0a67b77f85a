/** How long a run is, where that is not said in steps: in passes over its images, or in minutes. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Device } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Assembled } from './assembly.ts'
import type { Resolved } from './experiment.ts'
import { showDuration, showNumber } from './log/numbers.ts'
import { readValues, writeResidents } from './state.ts'
import type { Steps } from './stride.ts'
import { nowAt, oneStep } from './stride.ts'

/** What is asked for in place of `steps`. */
export type Length =
  | { readonly _tag: 'Epochs'; readonly epochs: number }
  /** Of training: what comes before the first step and after the last is not counted. */
  | { readonly _tag: 'Minutes'; readonly minutes: number }

/** A number as a person reads it: `12,345`. */
export const counted = (n: number): string => n.toLocaleString('en-US', { maximumFractionDigits: 2 })

/** Steps of passes over images, at least 1: a pass leaves out what does not fill a batch. */
export const stepsOfEpochs = (epochs: number, images: number, batch: number, turns: number): number =>
  Math.max(1, Math.round((epochs * Math.max(1, Math.floor(images / batch))) / turns))

/** `3 epochs of 8,000 images are 375 steps of 64`. */
export const epochsText = (epochs: number, images: number, steps: number, batch: number): string =>
  `${counted(epochs)} epoch${epochs === 1 ? '' : 's'} of ${counted(images)} images are ${counted(steps)} steps of ${counted(batch)}`

/** The run with other steps; what was changed of it since it was resolved stays: its name, its data, where it logs. */
const withSteps = (run: Resolved, steps: number, place: string): Either<Fault, Resolved> =>
  pipe(
    run.withSteps(steps, place),
    E.map((r) => ({ ...r, name: run.name, data: run.data, settings: { ...run.settings, steps } })),
  )

/** The run with as many steps as its epochs have; any other run as it is. Fault: settings that do not go with so many steps. */
export const fitted = (run: Resolved, length: Length | undefined, images: number, say: (text: string) => void): Either<Fault, Resolved> => {
  if (length?._tag !== 'Epochs') return E.right(run)
  const { batch } = run.settings
  const steps = stepsOfEpochs(length.epochs, images, batch, run.turns)
  say(epochsText(length.epochs, images, steps, batch * run.turns))
  return withSteps(run, steps, '--epochs')
}

/** Fault: minutes of a run whose ranks would each count their own. */
export const checkLength = (length: Length | undefined, { share }: Device): Either<Fault, void> =>
  length?._tag === 'Minutes' && share !== undefined
    ? E.left(
        fault('usage', {
          place: '--minutes',
          found: `minutes of a run of ${share.ranks} ranks, whose clocks differ`,
          allowed: '--steps or --epochs under mpirun',
          remedy: 'write --epochs 1, for example',
        }),
      )
    : E.right(undefined)

/** Of the minutes: the rest is for what a step does not show, such as evaluations, checkpoints and logs, and for what gets slower. */
const planned = 0.9

/** Of the minutes, and seconds, that measuring takes where steps are short; the fewest steps that are measured, within a larger share. */
const measuring = { share: 0.03, seconds: 10, steps: 3, most: 0.1 }

/** Steps that fit into seconds at a pace. Law, tested: they take less than all seconds, but for a single one. */
export const stepsWithin = (seconds: number, stepSeconds: number): number =>
  Math.max(1, Math.floor((seconds * planned) / Math.max(stepSeconds, 1e-6)))

/** Seconds of a step, by steps that are forgotten: the state is what it was. The first one warms up, and is not counted. */
const paceOf = async (
  device: Device,
  o: Steps & { readonly stopping: () => boolean },
  seconds: number,
  most: number,
): Promise<Either<Fault, number>> => {
  const before = await readValues(device, o.assembled.residents)()
  if (E.isLeft(before)) return before
  const first = o.clock()
  let [begun, done] = [first, -1]
  // one step is measured in any case; where steps are long, or a stop is asked for, no more than that
  const goesOn = (): boolean => done < measuring.steps || o.clock() - begun < seconds
  while (done < 1 || (goesOn() && !o.stopping() && o.clock() - first < most)) {
    const step = await oneStep(o, nowAt(o, 0), done + 1, { whole: undefined })()
    if (E.isLeft(step)) return step
    done++
    if (done === 0) begun = o.clock()
  }
  const pace = (o.clock() - begun) / done
  return pipe(
    await writeResidents(device, o.assembled.residents)(before.right)(),
    E.map(() => pace),
  )
}

/** The run with as many steps as its minutes hold, by the pace of first steps that are taken back; and the seconds that are left. */
export const timed = async (
  run: Resolved,
  minutes: number,
  device: Device,
  o: Steps & { readonly stopping: () => boolean },
  say: (text: string) => void,
): Promise<Either<Fault, { readonly run: Resolved; readonly seconds: number }>> => {
  const [begun, seconds] = [o.clock(), 60 * minutes]
  const pace = await paceOf(device, o, Math.min(measuring.share * seconds, measuring.seconds), measuring.most * seconds)
  if (E.isLeft(pace)) return pace
  const left = seconds - (o.clock() - begun)
  const steps = stepsWithin(left, pace.right)
  say(
    `${counted(minutes)} minute${minutes === 1 ? '' : 's'} are ${counted(steps)} steps of ${pace.right < 1 ? `${showNumber(1000 * pace.right)} ms` : showDuration(pace.right)}, as the first ones took: schedules follow them (--steps ${steps} gives the same run again)`,
  )
  return pipe(
    withSteps(run, steps, '--minutes'),
    E.map((r) => ({ run: r, seconds: left })),
  )
}

/** Whether two tracings of a run are of the same programs, so that what was compiled of one serves the other. */
export const sameSteps = (a: Assembled, b: Assembled): boolean =>
  a.phases.length === b.phases.length &&
  a.phases.every(
    ({ turns, features }, i) =>
      b.phases[i].features.cls === features.cls &&
      turns.length === b.phases[i].turns.length &&
      turns.every(({ graph }, k) => {
        const { outputs } = b.phases[i].turns[k].graph
        return (
          outputs.length === graph.outputs.length && graph.outputs.every((x, n) => x.expr === outputs[n].expr && x.path === outputs[n].path)
        )
      }),
  )
