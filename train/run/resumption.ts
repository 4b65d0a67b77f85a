/** Where a run begins: at first values, or where an earlier one of the same configuration was left. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { join as joinPath } from '../../core/tree.ts'
import type { Json } from '../../data/formats/codec.ts'
import type { Checkpoint } from './checkpoint.ts'
import { latest } from './checkpoints.ts'
import type { Resolved, Surroundings } from './experiment.ts'
import type { Assembled } from './assembly.ts'
import { initialize } from '../step/initialization.ts'
import { stateValues } from './state.ts'
import { startAdapters } from '../step/strategies/adapters.ts'

/** What the step alone does not say of a run. */
const positionCodec = t.type({
  /** Evaluations before training. */
  before: t.readonly(t.record(t.string, t.number)),
  /** Steps in a row that were left out, up to here. */
  skipped: t.number,
  /** What the last step said. */
  values: t.readonly(t.record(t.string, t.number)),
})

export type Position = t.TypeOf<typeof positionCodec>

/** Of a run that is at its beginning. */
const beginning: Position = { before: {}, skipped: 0, values: {} }

export interface Start {
  readonly step: number
  readonly values: ReadonlyMap<string, Float32Array>
  readonly position: Position
}

export interface StartOptions extends Surroundings {
  readonly resume: boolean
}

const isTree = (u: unknown): u is Readonly<Record<string, unknown>> => typeof u === 'object' && u !== null && !Array.isArray(u)

/** The first path at which two configurations differ. */
const difference = (was: unknown, now: unknown, at = ''): string | undefined => {
  if (!isTree(was) || !isTree(now)) return JSON.stringify(was) === JSON.stringify(now) ? undefined : at
  for (const key of new Set([...Object.keys(was), ...Object.keys(now)])) {
    const found = difference(was[key], now[key], joinPath(at, key))
    if (found !== undefined) return found
  }
  return undefined
}

/** What may change when a run is continued: how long it is, how it goes, and where it is computed. */
const changeable = ['steps', 'runtime', 'accelerator']

const fixedPart = (config: Json): unknown =>
  isTree(config) ? Object.fromEntries(Object.entries(config).filter(([k]) => !changeable.includes(k))) : config

const at = (config: unknown, path: string): unknown => path.split('.').reduce((u: unknown, k) => (isTree(u) ? u[k] : undefined), config)

const shown = (u: unknown): string => (u === undefined ? 'nothing' : JSON.stringify(u))

/** A run may only be continued as it was begun. */
const checkResume = (out: string, r: Resolved, c: Checkpoint): Either<Fault, Checkpoint> => {
  // what an earlier release did not know yet is as it was then
  const began = r.completed(c.config)
  const path = difference(fixedPart(began), fixedPart(r.config))
  if (path !== undefined)
    return E.left(
      fault('checkpoint', {
        place: `${out}: ${path}`,
        found: shown(at(r.config, path)),
        allowed: `${shown(at(began, path))}, as the run began; only ${changeable.join(', ')} may change`,
        remedy: `resume without this setting: --resume alone takes the configuration from ${join(out, 'config.yaml')}`,
      }),
    )
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
    TE.map((values) => ({ step: 0, values, position: beginning })),
  )

const nothing = (out: string): Fault =>
  fault('checkpoint', {
    place: out,
    found: 'no run',
    allowed: 'the folder of a run that was interrupted',
    remedy: 'start without --resume, or name the run with --out',
  })

const continued = (
  o: StartOptions,
  a: Assembled,
  r: Resolved,
  found: { readonly path: string; readonly checkpoint: Checkpoint },
): Either<Fault, Start> =>
  pipe(
    checkResume(o.out, r, found.checkpoint),
    E.chain((c) => stateValues(a.residents)(c.state)),
    E.map((values): Start => {
      o.progress.say(`continuing from ${found.path} at step ${found.checkpoint.step}`)
      const position = positionCodec.decode(found.checkpoint.position)
      return { step: found.checkpoint.step, values, position: E.isRight(position) ? position.right : beginning }
    }),
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
        TE.chain(({ found, rejected }) => {
          for (const bad of rejected) o.progress.say(`passed over ${bad.place}: ${bad.found}`)
          if (O.isSome(found)) return TE.fromEither(continued(o, a, r, found.value))
          o.progress.say('the run was interrupted before its first checkpoint: it begins again')
          return fresh(o, a, r)
        }),
      )

/** Refuses to continue what was never begun; to be asked before anything is written. */
export const checkBegun =
  (out: string, resume: boolean): TaskEither<Fault, void> =>
  async () =>
    !resume || (await isBegun(out)) ? E.right(undefined) : E.left(nothing(out))
