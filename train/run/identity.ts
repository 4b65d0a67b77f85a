/** Whether a run that is continued is the same: what must not change, what may, and what ends equality to the bit. */
import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { join as joinPath } from '../../core/tree.ts'
import type { Json } from '../../data/formats/codec.ts'
import type { Dataset } from '../../data/readers/dataset.ts'
import type { Split } from '../../data/readers/split.ts'
import type { Device } from '../../compiler/target.ts'
import type { Accelerator } from '../config/common.ts'
import { isRecord, valueAt } from '../../data/formats/codec.ts'

/** What a run is of, beside its settings. */
export const identityCodec = t.readonly(
  t.type({
    /** The digest of the listing of its images: from where each is, and its label. */
    listing: t.string,
    /** Images to train on, and to evaluate with. */
    images: t.readonlyArray(t.number),
    /** The target, with threads, precision and shares of a batch where rounding depends on them. */
    computed: t.string,
  }),
)

export type Identity = t.TypeOf<typeof identityCodec>

/** Lines that are hashed at once. */
const lines = 4096

const listingOf = ({ train, test }: Split): string => {
  const hash = createHash('sha256')
  const add = (d: Dataset): void => {
    hash.update(`${d.length} ${d.channels} ${d.classes.join('\0')}\n`)
    for (let from = 0; from < d.length; from += lines) {
      const part: Array<string> = []
      for (let i = from; i < Math.min(d.length, from + lines); i++)
        part.push(`${d.sourceOf?.(i) ?? i}\0${O.toUndefined(d.label(i)) ?? ''}\n`)
      hash.update(part.join(''))
    }
  }
  add(train)
  add(test)
  return hash.digest('hex')
}

/** The identity of a run on a target. */
export const identityOf = (split: Split, { name, parts = 1 }: Device, { threads, precision }: Accelerator): Identity => {
  const by = name === 'native' ? [`${threads === 0 ? availableParallelism() : threads} threads`] : []
  const rounding = precision === 'highest' ? [] : [`products in ${precision}`]
  const shares = parts === 1 ? [] : [`batches in ${parts} shares`]
  const how = [...by, ...rounding, ...shares].join(' and ')
  return {
    listing: listingOf(split),
    images: [split.train.length, split.test.length],
    computed: how === '' ? name : `${name} with ${how}`,
  }
}

/** The first path at which two configurations differ. */
const difference = (was: unknown, now: unknown, at = ''): string | undefined => {
  if (changeable.includes(at)) return undefined
  if (!isRecord(was) || !isRecord(now)) return JSON.stringify(was) === JSON.stringify(now) ? undefined : at
  for (const key of new Set([...Object.keys(was), ...Object.keys(now)])) {
    const found = difference(was[key], now[key], joinPath(at, key))
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * What may change when a run is continued: how long it is, how it goes, how it is judged, where it is computed, how and from where its
 * images are read. What a step computes depends on none of these, but for the rounding of the target; and for what cannot be read, at
 * which a run ended or had another image in its place.
 */
const changeable = [
  'steps',
  'runtime',
  'evaluation',
  'accelerator',
  'data.path',
  'data.workers',
  'data.prefetch',
  'data.cache',
  'data.limits',
  'data.onError',
]

/** Why some settings cannot change. */
const reasons: ReadonlyArray<readonly [RegExp, string]> = [
  [/(^|\.)(batch|accumulate)$/, ': which images a step sees, and where the schedules stand, follow from it'],
  [/^data\./, ': which images a step sees, and what is in them, follow from it'],
  [/^(seed)$/, ': every random draw follows from it'],
]

const at = (config: unknown, path: string): unknown => valueAt(config, ...path.split('.'))

const shown = (u: unknown): string => (u === undefined ? 'nothing' : JSON.stringify(u))

/** Settings of a run when it was begun, and now. Fault: one that cannot change, with the reason. */
export const sameSettings = (out: string, began: Json, now: Json): Either<Fault, void> => {
  const path = difference(began, now)
  if (path === undefined) return E.right(undefined)
  const why = reasons.find(([of]) => of.test(path))?.[1] ?? ''
  return E.left(
    fault('checkpoint', {
      place: `${out}: ${path}`,
      found: shown(at(now, path)),
      allowed: `${shown(at(began, path))}, as the run began${why}; only ${changeable.join(', ')} may change`,
      remedy: `resume without this setting: --resume alone takes the configuration from ${join(out, 'config.yaml')}`,
    }),
  )
}

/** The images of a run when it was begun, and now; runs of earlier releases did not note them. Fault: others. */
export const sameImages = (
  out: string,
  began: Identity | undefined,
  now: Identity,
  paths: readonly [unknown, unknown],
): Either<Fault, void> => {
  if (began === undefined)
    return paths[0] === paths[1]
      ? E.right(undefined)
      : E.left(
          fault('checkpoint', {
            place: `${out}: data.path`,
            found: shown(paths[1]),
            allowed: `${shown(paths[0])}, as the run began: an earlier release did not note which images it had`,
            remedy: 'resume without --data, with the images where they were',
          }),
        )
  const counts = (i: Identity): string => `${i.images[0] ?? 0} images to train on and ${i.images[1] ?? 0} to evaluate with`
  return began.listing === now.listing
    ? E.right(undefined)
    : E.left(
        fault('checkpoint', {
          place: `${out}: data.path`,
          found: `${counts(now)}, whose names or labels are not those that the run began with`,
          allowed: `the ${counts(began)} that it began with, by the digest of their listing; their folder may have moved`,
          remedy: `restore them, or begin another run that goes on from this one's weights: --model ${out} --out NAME`,
        }),
      )
}

/** What is said where equality to the bit ends. */
export const boundary = (began: Identity | undefined, now: Identity, step: number): ReadonlyArray<string> =>
  began === undefined || began.computed === now.computed
    ? []
    : [
        `note: computed on ${now.computed} from step ${step} on, and on ${began.computed} before: sums are rounded otherwise from here on, so that the run is no longer equal to the bit to one that stays`,
      ]
