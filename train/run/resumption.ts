/** Where a run begins: at first values, or where an earlier one of the same configuration was left. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Json } from '../../data/formats/codec.ts'
import { isRecord } from '../../data/formats/codec.ts'
import type { Tracking } from './best.ts'
import { trackingCodec } from './best.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { Found } from './checkpoints.ts'
import { checkpointName, latest, load } from './checkpoints.ts'
import { asThen } from '../config/older.ts'
import type { Resolved, Surroundings } from './experiment.ts'
import type { Assembled } from './assembly.ts'
import type { Identity } from './identity.ts'
import { boundary, identityCodec, sameImages, sameSettings } from './identity.ts'
import { initialize } from '../step/initialization.ts'
import { stateValues } from './state.ts'
import { startAdapters } from '../step/strategies/adapters.ts'

/** What the step alone does not say of a run. */
const positionCodec = t.intersection([
  t.type({
    /** Evaluations before training. */
    before: t.readonly(t.record(t.string, t.number)),
    /** Steps in a row that were left out, up to here. */
    skipped: t.number,
    /** What the last step said. */
    values: t.readonly(t.record(t.string, t.number)),
  }),
  /** What it is of; and how its numbers went. */
  t.partial({ identity: identityCodec, tracking: trackingCodec }),
])

export type Position = t.TypeOf<typeof positionCodec>

/** Of a run that is at its beginning. */
const beginning: Position = { before: {}, skipped: 0, values: {} }

export interface Start {
  readonly step: number
  readonly values: ReadonlyMap<string, Float32Array>
  readonly position: Position
  /** Whether it was begun by a release that shrank large images, and knew no setting of it. */
  readonly shrank: boolean
}

export interface StartOptions extends Surroundings {
  readonly resume: boolean
  /** What the run is of, now. */
  readonly identity: Identity
}

const pathOf = (config: Json): unknown =>
  pipe(
    pathCodec.decode(config),
    E.match(
      () => undefined,
      (c) => c.data.path,
    ),
  )

const pathCodec = t.type({ data: t.type({ path: t.unknown }) })

const canvasCodec = t.type({ data: t.type({ canvas: t.union([t.null, t.number]) }) })

/** A configuration of a release that knew no `data.canvas`, with what is said of it now: both readings go on from there. */
const withCanvas =
  (began: Json, now: Json) =>
  (completed: Json): Json =>
    canvasCodec.is(began) || !canvasCodec.is(now) || !isRecord(completed) || !isRecord(completed['data'])
      ? completed
      : { ...completed, data: { ...completed['data'], canvas: now.data.canvas } }

/** A run may only be continued as it was begun, on the same images. */
const checkResume = ({ out, identity }: StartOptions, r: Resolved, c: Checkpoint, position: Position): Either<Fault, Checkpoint> => {
  // what an earlier release did not know yet is as it was then
  const began = withCanvas(c.config, r.config)(r.completed(asThen(c.config)))
  const settings = sameSettings(out, began, r.config)
  if (E.isLeft(settings)) return settings
  const images = sameImages(out, position.identity, identity, [pathOf(began), pathOf(r.config)])
  if (E.isLeft(images)) return images
  return c.step <= r.settings.steps
    ? E.right(c)
    : E.left(
        fault('usage', {
          place: out,
          found: `a run at step ${c.step} of ${r.settings.steps}`,
          allowed: 'at least as many steps as the run has taken',
          remedy: 'give more --steps, or begin another run with --out',
        }),
      )
}

/** Whether a run was begun in a folder. */
export const isBegun = async (out: string): Promise<boolean> => {
  try {
    return (await stat(join(out, 'config.yaml'))).isFile()
  } catch {
    return false
  }
}

const fresh = (o: StartOptions, a: Assembled, r: Resolved): TaskEither<Fault, Start> =>
  pipe(
    r.first({ ...o, method: a.method, residents: a.residents, say: o.progress.say }),
    TE.chainEitherK((given) =>
      startAdapters(a.phases.flatMap((p) => p.turns[0].adapters))(new Map([...initialize(r.settings.seed)(a.residents), ...given])),
    ),
    TE.map((values) => ({ step: 0, values, position: { ...beginning, identity: o.identity }, shrank: false })),
  )

const nothing = (out: string): Fault =>
  fault('checkpoint', {
    place: out,
    found: 'no run',
    allowed: 'the folder of a run that was interrupted',
    remedy: 'start without --resume, or name the run with --out',
  })

/** The best checkpoint is known as long as its file is there: one that was removed cannot be beaten. */
const stillThere = (o: StartOptions, { tracking = {} }: Position, steps: ReadonlySet<number>): Tracking => {
  const { best } = tracking
  if (best === undefined || best.best === null || steps.has(best.best.step)) return tracking
  o.progress.say(`note: the best checkpoint by ${best.metric}, of step ${best.best.step}, is no longer there: the best is looked for anew`)
  return { ...tracking, best: { ...best, best: null } }
}

const continued = (
  o: StartOptions,
  a: Assembled,
  r: Resolved,
  found: { readonly path: string; readonly checkpoint: Checkpoint },
  steps: ReadonlySet<number>,
): Either<Fault, Start> =>
  pipe(
    positionCodec.decode(found.checkpoint.position),
    E.match(
      () => beginning,
      (position) => position,
    ),
    (position) =>
      pipe(
        checkResume(o, r, found.checkpoint, position),
        E.chain((c) => stateValues(a.residents)(c.state)),
        E.map((values): Start => {
          const { step } = found.checkpoint
          o.progress.say(`continuing from ${found.path} at step ${step}`)
          for (const note of boundary(position.identity, o.identity, step)) o.progress.say(note)
          return {
            step,
            values,
            position: { ...position, identity: o.identity, tracking: stillThere(o, position, steps) },
            shrank: !canvasCodec.is(found.checkpoint.config),
          }
        }),
      ),
  )

/**
 * The first values, or those of the newest whole checkpoint. A run that was interrupted before its first checkpoint begins again.
 * Faults: no run where one is to be continued; no whole checkpoint among several; another configuration.
 */
export const startOf = (o: StartOptions, a: Assembled, r: Resolved): TaskEither<Fault, Start> =>
  !o.resume
    ? fresh(o, a, r)
    : pipe(
        latest(join(o.out, 'checkpoints')),
        TE.chain(({ found, rejected, steps }) => {
          for (const bad of rejected) o.progress.say(`note: passed over ${bad.place}: ${bad.found}`)
          if (O.isSome(found)) return TE.fromEither(continued(o, a, r, found.value, steps))
          o.progress.say('note: the run was interrupted before its first checkpoint: it begins again')
          return fresh(o, a, r)
        }),
      )

/** Which of a run's checkpoints is taken: the newest, or where its settings look for it the best. */
export type Which = 'newest' | 'best'

const noBest = (dir: string, found: string): Fault =>
  fault('checkpoint', {
    place: dir,
    found,
    allowed: 'a run that retains its best checkpoint (runtime.checkpoints.best, runtime.stopping)',
    remedy: 'take the newest, or train with --set runtime.checkpoints.best=knn',
  })

/** A run's checkpoint, from the folder of its checkpoints. Faults: those of `latest`; no best one, or one that is damaged. */
export const checkpointOf = (dir: string, which: Which = 'newest'): TaskEither<Fault, Option<Found>> =>
  pipe(
    latest(dir),
    TE.chain(({ found }): TaskEither<Fault, Option<Found>> => {
      if (which === 'newest' || O.isNone(found)) return TE.right(found)
      const position = positionCodec.decode(found.value.checkpoint.position)
      const best = E.isRight(position) ? position.right.tracking?.best?.best : undefined
      if (best === undefined || best === null) return TE.left(noBest(dir, 'a run that has not looked for its best checkpoint'))
      const path = join(dir, checkpointName(best.step))
      return pipe(
        load(path),
        TE.map((checkpoint) => O.some({ path, checkpoint })),
      )
    }),
  )

/** Refuses to continue what was never begun; to be asked before anything is written. */
export const checkBegun =
  (out: string, resume: boolean): TaskEither<Fault, void> =>
  async () =>
    !resume || (await isBegun(out)) ? E.right(undefined) : E.left(nothing(out))
