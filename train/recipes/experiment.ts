/**
 * Experiments, composed of parts that bring their own settings. What all experiments share is said here once: where networks begin, how an
 * objective is followed, what strategies change, what becomes of adapters.
 */
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import type { Augmentation } from '../../data/augment/augmentation.ts'
import { adaptersOf } from '../config/adapters.ts'
import { pluginsField, pluginsKey } from '../config/plugins.ts'
import type { Section } from '../config/section.ts'
import { saveAdapters } from '../exchange/huggingface/product.ts'
import type { Beginning, ExperimentOptions, Trained } from '../run/experiment.ts'
import { experimentOf } from '../run/experiment.ts'
import type { Numbers } from '../run/judge.ts'
import type { Method } from '../step/method.ts'
import type { StepStage, UpdateOptions } from '../step/step.ts'
import type { Strategy } from '../step/strategies/strategy.ts'
import { strategies } from '../step/strategies/strategy.ts'
import type { Values } from '../step/values.ts'
import type { Learning } from './learning.ts'
import type { Part } from './part.ts'
import type { Crops } from './parts/crops.ts'
import { crops, retouchedBy } from './parts/crops.ts'
import type { OpenedImages, Source } from './parts/images.ts'
import { imagesWith, readBy } from './parts/images.ts'
import { beginningOf } from './parts/start.ts'
import { ownStrategyOf, rewriteOf, strategyOf, strategySettingsWith, thawed } from './parts/strategies.ts'
import type { Standard, StandardDefaults } from './standard.ts'
import { hypersOf, standard, updateOf } from './standard.ts'
import { suited } from './suited.ts'
import { cutShort } from './parts/training.ts'
import type { Added } from './added.ts'
import type { Pluggable } from './pluggable.ts'
import { pluggable } from './pluggable.ts'

/** The parts of an experiment: `S` are all its settings, of which the method's are `L`. */
export interface Parts<D extends object, L extends object, S extends Standard<D> & L> extends StandardDefaults {
  readonly name: string
  /** One sentence for `--help`. */
  readonly about: string
  readonly data: Part<D, Source>
  /** Default: crops as they are for digits. */
  readonly augmentation?: Part<Crops, Augmentation>
  readonly method: Learning<L>
  /** Changes the objective before its gradients are derived, and before `strategies` of the settings do. Default: nothing. */
  readonly strategy?: (s: S) => Strategy
  /** Changes the derived step, before `strategies` of the settings do. Default: nothing. */
  readonly rewrite?: (s: S) => (step: StepStage) => StepStage
  /** How the objective is followed. Default: AdamW, as `optimizer` says. */
  readonly update?: (s: S, method: Method) => UpdateOptions
  /** What networks begin as: a run, a folder, a file, or the id of a model; empty: at random values. Default: `start.from`. */
  readonly from?: (s: S, how: Beginning) => TaskEither<Fault, string>
  /** What becomes of trained networks besides the usual. Default: nothing. */
  readonly after?: (s: S) => Ending
}

/** First values: of what the experiment goes on from, and of what its method reads besides. */
const firstOf =
  <D extends object, L extends object, S extends Standard<D> & L>(o: Parts<D, L, S>) =>
  (s: S, how: Beginning): TaskEither<Fault, Values> =>
    pipe(
      o.from?.(s, how) ?? TE.right(s.start.from),
      TE.chain((from) => beginningOf({ ...s.start, from }, o.method.begins)(how)),
      TE.bindTo('own'),
      TE.bind('others', () => o.method.first?.(s, how) ?? TE.right(new Map())),
      TE.map(({ own, others }) => new Map([...own, ...others])),
    )

/** What becomes of trained networks. */
type Ending = (t: Trained) => TaskEither<Fault, Numbers>

/** One after the other; gives all numbers. */
const endings =
  (all: ReadonlyArray<Ending | undefined>) =>
  (t: Trained): TaskEither<Fault, Numbers> =>
    pipe(
      all.flatMap((f) => (f === undefined ? [] : [f])),
      TE.traverseSeqArray((f) => f(t)),
      TE.map((numbers) => numbers.reduce<Numbers>((whole, x) => ({ ...whole, ...x }), {})),
    )

const adaptersSaved =
  ({ strategies: { lora }, start }: Standard<unknown>): Ending =>
  (t) =>
    lora === null
      ? TE.right({})
      : pipe(
          saveAdapters(adaptersOf(lora), start)(t),
          TE.map(() => ({})),
        )

/** The settings of such parts, and of what plugins add to them. */
const settingsOf = <D extends object, L extends object, S extends Standard<D> & L>(o: Parts<D, L, S>, a: Added): Section<Standard<D> & L> =>
  standard(o, o.method.usual ?? {}, o.data.settings, (o.augmentation ?? crops()).settings, strategySettingsWith(a.strategies))
    .beside(a.notes.length === 0 ? {} : { [pluginsKey]: pluginsField(a.notes) })
    .and(o.method.settings)

/** Such parts with what plugins add: readers, augmentations and strategies. What is learned, and of which network, the program says. */
const partsWith = <D extends object, L extends object, S extends Standard<D> & L>(
  o: Parts<D, L, S>,
  a: Added,
  { sharing }: Pick<OpenedImages, 'sharing'>,
): Parts<D, L, S> => ({
  ...o,
  data: sharing(readBy(a.readers)(o.data)),
  augmentation: retouchedBy(a.augmentations)(o.augmentation ?? crops()),
  strategy: (s) => strategies([...(o.strategy === undefined ? [] : [o.strategy(s)]), ownStrategyOf(a.strategies)(s.strategies)]),
})

/** What such parts make of settings, which are theirs and maybe more. */
export const optionsOf = <D extends object, L extends object, S extends Standard<D> & L>(
  settings: Section<S>,
  o: Parts<D, L, S>,
): ExperimentOptions<S> => ({
  name: o.name,
  about: o.about,
  settings,
  data: (s, say) => o.data.make(s.data)(say, s.start.from, s.start.base === '' ? undefined : s.start.base),
  opens: (s) => o.data.make(s.data).opens,
  augmentation: (s) => pipe((o.augmentation ?? crops()).make(s.augmentation), o.method.views?.(s) ?? ((a) => a)),
  method: o.method.method,
  update: o.update ?? updateOf,
  hypers: (s) => hypersOf(s, o.method.hypers?.(s)),
  strategy: (s) => strategies([...(o.strategy === undefined ? [] : [o.strategy(s)]), strategyOf(s.strategies)]),
  rewrite: (s, planned) => (step) => rewriteOf(s.strategies, planned)(o.rewrite?.(s)(step) ?? step),
  accumulate: (s) => s.strategies.accumulate,
  phases: (s) => thawed(s, o.method.phases?.(s)),
  first: firstOf(o),
  foreseen: cutShort,
  between: (s) => o.method.between?.(s) ?? (() => () => TE.right(undefined)),
  after: (s) => endings([adaptersSaved(s), o.method.after?.(s), o.after?.(s)]),
})

/** Makes an experiment of its parts. Written for the shipped digits, it follows other data by presets (config/preset.ts). */
export const experiment = <D extends object, L extends object>(o: Parts<D, L, Standard<D> & L>): Pluggable =>
  pluggable((a) => {
    const found = imagesWith(a.readers)
    const parts = partsWith(o, a, found)
    return suited(experimentOf(optionsOf(settingsOf(parts, a), parts)), found)
  })

/** The same with further settings that its functions read. */
export const experimentWith = <D extends object, L extends object, X extends object>(
  own: Section<X>,
  o: Parts<D, L, Standard<D> & L & X>,
): Pluggable =>
  pluggable((a) => {
    const found = imagesWith(a.readers)
    const parts = partsWith(o, a, found)
    return suited(experimentOf(optionsOf(settingsOf(parts, a).and(own), parts)), found)
  })
