/** Which arrays of an archive are images and which are their labels, as different makers call them. */
import type { SplitName } from '../dataset.ts'
import { splitOf } from '../split.ts'

/** What arrays of images are called. */
const imageWords: ReadonlySet<string> = new Set([
  'images',
  'image',
  'imgs',
  'img',
  'x',
  'data',
  'inputs',
  'input',
  'pixels',
  'samples',
  'frames',
  'slices',
  'volumes',
  'vols',
  'arr_0',
  'pictures',
  'scans',
])

/** What arrays of labels are called. */
const labelWords: ReadonlySet<string> = new Set(['labels', 'label', 'labs', 'lab', 'y', 'targets', 'target', 'classes', 'class', 'arr_1'])

/** Names of one image rather than of several. */
const singular: ReadonlySet<string> = new Set(['image', 'img', 'input', 'arr_0', ''])

/** An array by its name: the split in it, and what the rest of the name says. */
export interface Named<A> {
  readonly array: A
  readonly name: string
  readonly split: SplitName
  readonly role: 'images' | 'labels' | 'other'
  /** Whether the name speaks of several images. */
  readonly several: boolean
}

/** Short words for parts, which are known beside a word for images or labels alone. */
const short: ReadonlyMap<string, SplitName> = new Map([
  ['tr', 'train'],
  ['va', 'val'],
  ['vl', 'val'],
  ['te', 'test'],
  ['ts', 'test'],
])

/** The words of a name: `trainImages`, `Xtrain`, `x-train` and `x_train` have two each. */
const wordsOf = (name: string): ReadonlyArray<string> =>
  name
    .replace(/(\p{Ll})(\p{Lu})/gu, '$1_$2')
    .toLowerCase()
    .split(/[-_. ]+/)
    .flatMap((w) => {
      const m = /^(train|valid|val|test)(.+)$/.exec(w) ?? /^(.+)(train|valid|val|test)$/.exec(w)
      return m !== null && m.slice(1).some((p) => imageWords.has(p) || labelWords.has(p)) ? m.slice(1) : [w]
    })

/** `train_images`, `x_train`, `X`, `imgs`. */
export const named = <A>(array: A, name: string): Named<A> => {
  const parts = wordsOf(name)
  const splits = parts.map((w) => splitOf(w) ?? (parts.length > 1 ? short.get(w) : undefined))
  const split = splits.find((s) => s !== undefined) ?? 'all'
  const rest = parts.filter((_, i) => splits[i] === undefined).join('_')
  const role = imageWords.has(rest) ? 'images' : labelWords.has(rest) ? 'labels' : 'other'
  return { array, name, split, role, several: !singular.has(rest) }
}

const stemOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1).replace(/\.npy$/i, '')

/** The .npy files of labels that lie beside the images that they belong to, by these: y_train.npy beside x_train.npy. */
export const labelsBeside = (paths: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  const key = (path: string): string => `${path.slice(0, path.lastIndexOf('/') + 1)} ${named(path, stemOf(path)).split}`
  const arrays = paths.filter((p) => /\.npy$/i.test(p))
  const of = (role: Named<string>['role']): ReadonlyArray<string> => arrays.filter((p) => named(p, stemOf(p)).role === role)
  const labels = new Map(of('labels').map((p) => [key(p), p]))
  return new Map(
    of('images').flatMap((p) => {
      const own = labels.get(key(p))
      return own === undefined ? [] : [[p, own] as const]
    }),
  )
}

/** Images with the labels that belong to them. */
export interface Pair<A> {
  readonly split: SplitName
  readonly images: Named<A>
  readonly labels: Named<A> | undefined
}

/** What was taken, and what was not. */
export interface Pairs<A> {
  readonly pairs: ReadonlyArray<Pair<A>>
  readonly rest: ReadonlyArray<Named<A>>
}

const order: ReadonlyArray<SplitName> = ['train', 'val', 'test', 'all']

/**
 * The images of every split, the first of a name that is known; those called by `keys` where a person names some; the only array whatever
 * it is called.
 */
export const pairsOf = <A>(all: ReadonlyArray<Named<A>>, keys: ReadonlyArray<string>): Pairs<A> => {
  const chosen = keys.length === 0 ? undefined : all.filter((a) => keys.includes(a.name))
  const pairs = order.flatMap((split): ReadonlyArray<Pair<A>> => {
    const own = all.filter((a) => a.split === split)
    const images =
      chosen !== undefined
        ? chosen.find((a) => a.split === split)
        : (own.find((a) => a.role === 'images') ??
          // an array called after its part alone
          own.find((a) => a.split !== 'all' && splitOf(a.name) === a.split) ??
          (all.length === 1 ? own.at(0) : undefined))
    return images === undefined ? [] : [{ split, images, labels: own.find((a) => a.role === 'labels' && a !== images) }]
  })
  // arrays of a split stand for the data set; what has no split is beside it
  const divided = pairs.some((p) => p.split === 'train') ? pairs.filter((p) => p.split !== 'all') : pairs
  const taken = new Set(divided.flatMap((p) => [p.images, ...(p.labels === undefined ? [] : [p.labels])]))
  return { pairs: divided, rest: all.filter((a) => !taken.has(a)) }
}
