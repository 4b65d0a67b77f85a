/**
 * The best checkpoint of a run by one of its numbers, and whether that number still improves. Numbers are looked at when a run is
 * evaluated: of those that every step has, the mean since the last look.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { CommonSettings } from '../config/common.ts'
import { nearest } from '../config/spelling.ts'

const seenCodec = t.readonly(
  t.type({
    /** The number's name. */
    metric: t.string,
    /** Null before the first look. */
    best: t.union([t.null, t.readonly(t.type({ step: t.number, value: t.number }))]),
    /** Looks since then that found nothing better. */
    stale: t.number,
    /** Of the values since the last look. */
    sum: t.number,
    count: t.number,
  }),
)

/** What is known of a number by now. */
export type Seen = t.TypeOf<typeof seenCodec>

/** What a checkpoint keeps: the best one by then, and how long there was no better one. */
export const trackingCodec = t.readonly(t.partial({ best: seenCodec, stopping: seenCodec }))

export type Tracking = t.TypeOf<typeof trackingCodec>

/** What a number is to become. */
export interface Aim {
  readonly metric: string
  readonly better: 'higher' | 'lower'
  /** What less than counts as nothing. */
  readonly least: number
}

/** What a run asks of its numbers. */
export interface Aims {
  readonly best?: Aim
  readonly stopping?: Aim & { readonly patience: number }
}

/** Accuracies, the spread and the rank of features are to rise, losses and all others to fall. */
const betterOf = (metric: string): Aim['better'] => (/^(knn|spread|rank|guided)/.test(metric) ? 'higher' : 'lower')

export const aimsOf = ({ runtime: { stopping, checkpoints } }: Pick<CommonSettings, 'runtime'>): Aims => {
  const better = stopping === null || stopping.better === 'auto' ? undefined : stopping.better
  const metric = checkpoints.best === '' ? (stopping?.metric ?? '') : checkpoints.best
  return {
    ...(metric === ''
      ? {}
      : { best: { metric, better: (metric === stopping?.metric ? better : undefined) ?? betterOf(metric), least: 0 } }),
    ...(stopping === null
      ? {}
      : {
          stopping: {
            metric: stopping.metric,
            better: better ?? betterOf(stopping.metric),
            least: stopping.least,
            patience: stopping.patience,
          },
        }),
  }
}

const unseen = (metric: string): Seen => ({ metric, best: null, stale: 0, sum: 0, count: 0 })

/** What is known at the beginning of a run, or of what is left of one: of another number nothing is. */
export const begunWith = (aims: Aims, known: Tracking): Tracking => {
  const of = (name: 'best' | 'stopping'): Tracking => {
    const [aim, seen] = [aims[name], known[name]]
    return aim === undefined ? {} : { [name]: seen?.metric === aim.metric ? seen : unseen(aim.metric) }
  }
  return { ...of('best'), ...of('stopping') }
}

/** After the values of one more step. */
const heard =
  (values: ReadonlyMap<string, number>) =>
  (s: Seen): Seen => {
    const v = values.get(s.metric)
    return v === undefined || !Number.isFinite(v) ? s : { ...s, sum: s.sum + v, count: s.count + 1 }
  }

/** After a look at a step. Law, tested: `best` is the best of all means that were looked at, but for what is less than `least`. */
export const looked =
  ({ better, least }: Aim, step: number) =>
  (s: Seen): Seen => {
    if (s.count === 0) return s
    const value = s.sum / s.count
    const gain = s.best === null ? Infinity : better === 'higher' ? value - s.best.value : s.best.value - value
    const next = { metric: s.metric, sum: 0, count: 0 }
    return gain > least ? { ...next, best: { step, value }, stale: 0 } : { ...next, best: s.best, stale: s.stale + 1 }
  }

/** What a step says of both, `look` where they are looked at after it. */
export const tracked =
  (aims: Aims, step: number, values: ReadonlyMap<string, number>, look: boolean) =>
  (known: Tracking): Tracking => {
    const of = (name: 'best' | 'stopping'): Tracking => {
      const [aim, seen] = [aims[name], known[name]]
      if (aim === undefined || seen === undefined) return {}
      const now = heard(values)(seen)
      return { [name]: look ? looked(aim, step)(now) : now }
    }
    return { ...of('best'), ...of('stopping') }
  }

/** Whether there was nothing better for as long as the settings wait. */
export const isStale = ({ stopping }: Aims, known: Tracking): boolean =>
  stopping !== undefined && (known.stopping?.stale ?? 0) >= stopping.patience

const wrong = (place: string, found: string, allowed: string, remedy: string): Fault => fault('config', { place, found, allowed, remedy })

/** Where the settings name an aim's number. */
const placeOf = ({ runtime: { checkpoints } }: Pick<CommonSettings, 'runtime'>, metric: string): string =>
  checkpoints.best === metric ? 'runtime.checkpoints.best' : 'runtime.stopping.metric'

/** Faults: k-NN of images without labels; a patience that no run of so few evaluations can lose. */
export const checkAims = (s: Pick<CommonSettings, 'runtime' | 'evaluation'>, labelled: boolean): Either<Fault, void> => {
  const aims = aimsOf(s)
  const { during } = s.evaluation
  const unlabelled = [aims.stopping, aims.best].find((a) => a?.metric === 'knn' && !labelled)
  if (unlabelled !== undefined)
    return E.left(
      wrong(
        placeOf(s, 'knn'),
        'knn, of images without labels',
        'a number that the steps of this run have, such as loss',
        `set ${placeOf(s, 'knn')}=loss, or name labelled images`,
      ),
    )
  return aims.stopping !== undefined && during <= aims.stopping.patience
    ? E.left(
        wrong(
          'runtime.stopping.patience',
          `${aims.stopping.patience} evaluations without anything better, in a run that has ${during} on its way (evaluation.during)`,
          `fewer than evaluation.during, so that the run can end before its last step`,
          `set evaluation.during=${Math.max(8, 2 * aims.stopping.patience)}`,
        ),
      )
    : E.right(undefined)
}

/** Fault: a number that no step has. `values`: those of the first step. */
export const checkMetrics = (s: Pick<CommonSettings, 'runtime'>, aims: Aims, values: ReadonlyMap<string, number>): Either<Fault, void> => {
  const names = ['knn', ...values.keys()]
  const bad = [aims.stopping, aims.best].find((a) => a !== undefined && !names.includes(a.metric))
  if (bad === undefined) return E.right(undefined)
  const near = nearest(bad.metric, names)
  return pipe(
    wrong(
      placeOf(s, bad.metric),
      JSON.stringify(bad.metric),
      names.join(', '),
      near === undefined ? 'name one of these' : `did you mean ${near}?`,
    ),
    E.left,
  )
}
