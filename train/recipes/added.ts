/** What plugins add to configurations, all of them together. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import { fault, together } from '../../core/fault.ts'
import type { Retouch } from '../../data/augment/augmentation.ts'
import type { Open } from '../../data/readers/threaded.ts'
import type { Note } from '../config/plugins.ts'
import type { Strategy } from '../step/strategies/strategy.ts'
import type { OwnLearning } from './kinds.ts'
import { usualObjectives } from './kinds.ts'
import type { Own } from './part.ts'
import type { Made } from './parts/any-network.ts'
import { usualBackbones } from './parts/any-network.ts'
import { crops } from './parts/crops.ts'
import { usualReader } from './parts/images.ts'
import { strategySettings } from './parts/strategies.ts'
import type { Plugin } from './plugin.ts'

export interface Added {
  readonly objectives: Own<OwnLearning>
  readonly backbones: Own<Made>
  readonly strategies: Own<Strategy>
  readonly readers: ReadonlyMap<string, Open<string>>
  readonly augmentations: Own<Retouch>
  /** What is written down of the files that they come from. */
  readonly notes: ReadonlyArray<Note>
}

export const nothing: Added = {
  objectives: new Map(),
  backbones: new Map(),
  strategies: new Map(),
  readers: new Map(),
  augmentations: new Map(),
  notes: [],
}

/** A plugin, the file that it was read from, and what is written down of that. */
export interface Loaded {
  readonly plugin: Plugin
  readonly file: string
  readonly note: Note
}

type Kind = keyof Omit<Added, 'notes'>

/** Whether configurations, and names of files, can say it. */
export const isName = (name: string): boolean => /^[a-zA-Z][\w-]*$/.test(name)

/** Names that are taken. */
const usual: { readonly [K in Kind]: ReadonlyArray<string> } = {
  objectives: usualObjectives,
  backbones: usualBackbones,
  strategies: Object.keys(strategySettings.parts),
  readers: [usualReader],
  augmentations: Object.keys(crops().settings.parts),
}

const kinds = ['objectives', 'backbones', 'strategies', 'readers', 'augmentations'] as const satisfies ReadonlyArray<Kind>

/** What is wrong with the names of a plugin, by those that others have before it. */
const wrongNames = (kind: Kind, before: ReadonlyArray<Loaded>, { plugin, file }: Loaded): ReadonlyArray<Fault> =>
  Object.keys(plugin[kind]).flatMap((name) => {
    const other = before.find((l) => Object.hasOwn(l.plugin[kind], name))
    const found = usual[kind].includes(name)
      ? `${name}, which there is already`
      : other !== undefined
        ? `${name}, which ${other.file} has too`
        : isName(name)
          ? undefined
          : JSON.stringify(name)
    return found === undefined
      ? []
      : [
          fault('config', {
            place: `${file}: ${kind}`,
            found,
            allowed: `a name of letters, digits, dashes and underscores that no other has: not ${usual[kind].join(', ')}`,
            remedy: 'give it another name',
          }),
        ]
  })

/** All that plugins have. Faults: names that are taken, or that no configuration can say. */
export const addedBy = (loaded: ReadonlyArray<Loaded>): Either<Fault, Added> => {
  const [first, ...rest] = loaded.flatMap((l, i) => kinds.flatMap((kind) => wrongNames(kind, loaded.slice(0, i), l)))
  if (first !== undefined) return E.left(together([first, ...rest]))
  const of = <A>(parts: (p: Plugin) => Readonly<Record<string, A>>): ReadonlyMap<string, A> =>
    new Map(loaded.flatMap(({ plugin }) => Object.entries(parts(plugin))))
  return E.right({
    objectives: of((p) => p.objectives),
    backbones: of((p) => p.backbones),
    strategies: of((p) => p.strategies),
    readers: of((p) => p.readers),
    augmentations: of((p) => p.augmentations),
    notes: loaded.map((l) => l.note),
  })
}
