/**
 * Plugins: parts of one's own that configurations name. A plugin is a value, the default export of a file; what is in it are the parts that
 * programs are made of, each with its settings, under the name that configurations have for it:
 *
 *     export default plugin({
 *       name: 'mine',
 *       objectives: {
 *         variance: part(section('…', { weight: field.real(0.5, '…') }), ({ weight }) => (networks) => dinov1({ ...networks, … })),
 *       },
 *     })
 */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Retouch } from '../../data/augment/augmentation.ts'
import type { Open } from '../../data/readers/threaded.ts'
import type { Backbone } from '../step/method.ts'
import type { Strategy } from '../step/strategies/strategy.ts'
import type { OwnLearning } from './kinds.ts'
import type { AnyMaker } from './part.ts'
import type { Made } from './parts/any-network.ts'
import { erased } from './parts/any-network.ts'
import type { Asked } from './parts/network.ts'

/** A part before it has defaults, as `part` makes it; of settings that are of no known type. */
type Plugged<A> = () => AnyMaker<A>

type Named<A> = Readonly<Record<string, A>>

/** The parts of a plugin by the names that configurations have for them. `B`: the types of parameters of its backbones. */
export interface PluginParts<B> {
  /** Its name in messages. */
  readonly name: string
  /** `objective.kind`: from settings and the networks of the configuration to what is learned. */
  readonly objectives?: Named<Plugged<OwnLearning>>
  /** `model.kind`: from settings and the channels of images to a backbone. Patches are hidden from it by what is blank. */
  readonly backbones?: { readonly [K in keyof B]: Plugged<(o: Asked) => Backbone<B[K]>> }
  /** `strategies.NAME`: changes the objective before its gradients are derived, and before the usual strategies do. */
  readonly strategies?: Named<Plugged<Strategy>>
  /** `data.reader`: opens a path as one dataset, on worker threads too; these import the plugin's file. */
  readonly readers?: Named<Open<string>>
  /** `augmentation.NAME`: changes crops, `[R, C, H, W]` in 0..1, before they are normalised; those of evaluations never. */
  readonly augmentations?: Named<Plugged<Retouch>>
}

export interface Plugin {
  readonly _tag: 'Plugin'
  readonly name: string
  readonly objectives: Named<AnyMaker<OwnLearning>>
  readonly backbones: Named<AnyMaker<Made>>
  readonly strategies: Named<AnyMaker<Strategy>>
  readonly readers: Named<Open<string>>
  readonly augmentations: Named<AnyMaker<Retouch>>
}

const all = <A>(parts: Named<Plugged<A>> = {}): Named<AnyMaker<A>> =>
  Object.fromEntries(Object.entries(parts).map(([name, make]) => [name, make()]))

const anyOf = <P>(make: Plugged<(o: Asked) => Backbone<P>>): AnyMaker<Made> => {
  const { settings, of } = make()
  return {
    settings,
    of: (u) =>
      pipe(
        of(u),
        E.map((made) => (o) => erased(made(o))),
      ),
  }
}

/** A plugin of such parts. */
export const plugin = <B extends Named<unknown> = Named<never>>(p: PluginParts<B>): Plugin => {
  const backbones = new Map<string, ReturnType<typeof anyOf>>()
  const makers = p.backbones
  for (const name in makers) backbones.set(name, anyOf(makers[name]))
  return {
    _tag: 'Plugin',
    name: p.name,
    objectives: all(p.objectives),
    backbones: Object.fromEntries(backbones),
    strategies: all(p.strategies),
    readers: p.readers ?? {},
    augmentations: all(p.augmentations),
  }
}

/** Whether what a file exports is a plugin. */
export const isPlugin = (u: unknown): u is Plugin => typeof u === 'object' && u !== null && '_tag' in u && u._tag === 'Plugin'
