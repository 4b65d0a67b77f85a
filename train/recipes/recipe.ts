/**
 * Recipes: whole experiments as one typed value. What a YAML file says and what a program passes are the same thing:
 *
 *     recipe({ model: { width: 64, depth: 3, heads: 4, patch: 7 }, objective: { kind: 'dinov1' }, steps: 300 })
 *     npm run train -- --config FILE.yaml
 *
 * Each objective is a method that programs have too (kinds.ts), with the same defaults; plugins bring further ones (plugin.ts).
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Augmentation } from '../../data/augment/augmentation.ts'
import { isRecord, valueAt } from '../../data/formats/codec.ts'
import { text } from '../config/field.ts'
import type { Layer } from '../config/layers.ts'
import { layersAt, stacked } from '../config/layers.ts'
import { chosenFor, onDigits } from '../config/preset.ts'
import { pluginsField, pluginsKey } from '../config/plugins.ts'
import { resolve, settingsOf as listed } from '../config/settings.ts'
import type { Choice, Given, Section } from '../config/section.ts'
import { section } from '../config/section.ts'
import type { Experiment, Resolved } from '../run/experiment.ts'
import { resolved } from '../run/experiment.ts'
import { firstStudent } from '../step/strategies/distil.ts'
import type { Added } from './added.ts'
import { nothing } from './added.ts'
import { optionsOf } from './experiment.ts'
import { predecessorIn } from './going-on.ts'
import type { Networks, SomeObjective } from './kinds.ts'
import { isUsual, learningOf, networksOf, usualNetworksOf } from './kinds.ts'
import type { Learning } from './learning.ts'
import type { Part } from './part.ts'
import type { Pluggable } from './pluggable.ts'
import { pluggable } from './pluggable.ts'
import type { AnyNetwork, SomeNetworks } from './parts/any-network.ts'
import { someNetworks } from './parts/any-network.ts'
import type { Crops } from './parts/crops.ts'
import { cropsWith } from './parts/crops.ts'
import type { Images } from './parts/image-settings.ts'
import type { OpenedImages } from './parts/images.ts'
import { imagesWith } from './parts/images.ts'
import { prototypes } from './parts/network.ts'
import type { Objective } from './parts/objective.ts'
import { objective as usualObjective } from './parts/objective.ts'
import { ownStrategyOf, strategySettingsWith } from './parts/strategies.ts'
import type { Standard } from './standard.ts'
import { standard } from './standard.ts'
import { suited } from './suited.ts'

/** What every configuration says. */
interface Common extends Standard<Images> {
  readonly name: string
}

/** The settings of a configuration. */
type Settings = Common & Networks & { readonly objective: SomeObjective }

/** The same as a program says it, of the usual kinds. */
export type Config = Common & Omit<Networks, 'model'> & { readonly model: AnyNetwork; readonly objective: Objective }

/** The parts that configurations are made of: the usual ones, and what plugins add to them. */
interface Words {
  readonly added: Added
  readonly data: OpenedImages
  readonly augmentation: Part<Crops, Augmentation>
  readonly model: SomeNetworks
  readonly objective: Choice<SomeObjective>
  readonly learningOf: (o: SomeObjective) => Either<Fault, Learning<Networks>>
}

const wordsOf = (added: Added): Words => {
  const model = someNetworks(added.backbones)
  return {
    added,
    data: imagesWith(added.readers),
    augmentation: cropsWith(added.augmentations),
    model,
    objective: usualObjective.beside(new Map([...added.objectives].map(([kind, m]) => [kind, m.settings]))),
    learningOf: learningOf(added.objectives, { model, head: prototypes() }),
  }
}

/** The whole configuration. */
const settingsOf = (w: Words): Section<Settings> =>
  section('a run', { name: text('train', 'of the run, and of its folder below runs/') })
    .beside(w.added.notes.length === 0 ? {} : { [pluginsKey]: pluginsField(w.added.notes) })
    .and(standard({ steps: 1500, batch: 64 }, {}, w.data.settings, w.augmentation.settings, strategySettingsWith(w.added.strategies)))
    .and(networksOf(w.model))
    .and(section('what is learned', { objective: w.objective }))
    .ruled([
      {
        at: 'name',
        of: ['name'],
        holds: (c) => /^[\w.-]+$/.test(c.name),
        allowed: () => 'letters, digits, dots, dashes and underscores: it names a folder',
        remedy: 'choose another name',
      },
      {
        at: 'model',
        of: ['model', 'augmentation'],
        holds: (c) => {
          const patch = w.model.patchOf(c.model)
          return c.augmentation.globalSize >= patch && (c.augmentation.locals === 0 || c.augmentation.localSize >= patch)
        },
        allowed: (c) => `patches no larger than the crops: ${c.augmentation.globalSize} and ${c.augmentation.localSize} pixels`,
        remedy: 'make crops larger, or patches smaller',
      },
      {
        at: 'objective',
        of: ['objective'],
        holds: ({ objective: o }) => studentsOf(o).every((name) => name !== firstStudent && /^[a-zA-Z]\w*$/.test(name)),
        allowed: () => `students with names of letters, digits and underscores, other than ${firstStudent}`,
        remedy: 'give them other names',
      },
      {
        at: 'strategies',
        of: ['objective', 'strategies'],
        holds: ({ objective: o, strategies: s }) => s.lora === null || studentsOf(o).length === 0,
        allowed: () => 'lora: null beside objective.students: adapters go with one network that was learned before',
        remedy: 'train one student with adapters, or several without',
      },
      {
        at: 'objective',
        of: ['objective'],
        holds: ({ objective: o }) => !isUsual(o) || o.kind !== 'distil' || o.teacher !== '',
        allowed: () => 'objective.teacher for the kind distil',
        remedy: 'name the folder of a run or of Hugging Face',
      },
    ])

/** Students beside the first one. */
const studentsOf = (o: SomeObjective): ReadonlyArray<string> => (isUsual(o) && o.kind === 'distil' ? Object.keys(o.students) : [])

/** The settings of configurations without plugins. */
export const config = settingsOf(wordsOf(nothing))

const about =
  'Trains what a configuration says: model, objective, optimizer, schedule, data, augmentation, strategies, evaluation, runtime.'

const ofConfig = (w: Words, settings: Section<Settings>, c: Settings, method: Learning<Networks>): Resolved => {
  const { data, augmentation } = w
  const strategy = ({ strategies }: Settings) => ownStrategyOf(w.added.strategies)(strategies)
  return resolved(optionsOf(settings, { name: c.name, about, steps: c.steps, batch: c.batch, data, augmentation, method, strategy }), c)
}

/** LoRA of a network that begins anew makes no sense. */
const sensible = (c: Settings): Either<Fault, Settings> =>
  c.strategies.lora !== null && c.start.from === ''
    ? E.left(
        fault('config', {
          place: 'strategies.lora',
          found: 'adapters on weights that nothing was learned into',
          allowed: 'adapters with "start.from": a run, a folder or a model',
          remedy: 'name in "start.from" what to adapt, or set strategies.lora to null',
        }),
      )
    : E.right(c)

/** The configuration by what is usual for a kind of objective; an unknown kind is reported when all settings are. */
const settingsFor =
  (w: Words, whole: Section<Settings>) =>
  (kind: unknown): Section<Settings> =>
    pipe(
      w.objective.decode(kind === undefined ? {} : { kind }),
      E.match(
        () => whole,
        (o) =>
          pipe(
            w.learningOf(o),
            E.match(
              () => whole,
              ({ usual }) => whole.with({ ...usual, ...usualNetworksOf(o) }),
            ),
          ),
      ),
    )

/** The section as it begins on the shipped digits, where nothing else says what a configuration is for. */
const begunOnDigits = (s: Section<Settings>, kind: unknown): Section<Settings> => {
  const choice = { ...(kind === undefined ? {} : { 'objective.kind': kind }), ...chosenFor(listed(s), kind)(onDigits) }
  return pipe(
    resolve(s)(layersAt(choice, 'what suits digits')),
    E.match(
      () => s,
      (values) => s.with(values),
    ),
  )
}

/** Whether something is said of which images, of what network to go on from, or of another kind of network. */
const saysMore = (u: unknown): boolean =>
  ['path', 'reader'].some((name) => valueAt(u, 'data', name) !== undefined) ||
  valueAt(u, 'start') !== undefined ||
  valueAt(u, 'preset') !== undefined ||
  (valueAt(u, 'model', 'kind') ?? 'vit') !== 'vit'

/** The kind of objective that layers name. */
const kindIn = (layers: ReadonlyArray<Layer>): unknown => {
  const { tree } = stacked(layers)
  return isRecord(tree) && isRecord(tree['objective']) ? tree['objective']['kind'] : undefined
}

/** The experiment: `taken` is what the network that it goes on from makes usual, `defaults` what its program says. */
type Made = (taken: Given<Config>) => Experiment

const experimentOf = (w: Words, whole: Section<Settings>, defaults: Given<Config>): Made => {
  const settingsBy = settingsFor(w, whole)
  return (taken) => {
    const settingsIn = (layers: ReadonlyArray<Layer>): Section<Settings> => {
      const kind = kindIn(layers) ?? defaults.objective?.kind
      const plain = settingsBy(kind)
      const isOnDigits = ![stacked(layers).tree, taken, defaults].some(saysMore)
      return (isOnDigits ? begunOnDigits(plain, kind) : plain).with(taken).with(defaults)
    }
    return {
      name: defaults.name ?? 'train',
      about,
      settings: settingsIn([]),
      resolve: (layers) => {
        const settings = settingsIn(layers)
        return pipe(
          resolve(settings)(layers),
          E.chain(sensible),
          E.bindTo('c'),
          E.bind('method', ({ c }) => w.learningOf(c.objective)),
          E.map(({ c, method }) => ofConfig(w, settings, c, method)),
        )
      },
    }
  }
}

/** The attention heads of a Vision Transformer, which no file of weights says. */
const headsIn = (model: Given<Config>['model']): number | undefined =>
  model !== undefined && 'heads' in model && typeof model.heads === 'number' ? model.heads : undefined

const goingOnFrom = (made: Made, defaults: Given<Config>): Experiment => ({
  ...made({}),
  adapted: (layers, say) =>
    pipe(
      predecessorIn(layers, say, { from: defaults.start?.from, base: defaults.start?.base, heads: headsIn(defaults.model) }),
      TE.map(
        O.match(
          () => made({}),
          (p) => made(p),
        ),
      ),
    ),
})

/** The same with what plugins add: `recipeWith(added)(defaults)`. */
export const recipeWith =
  (added: Added) =>
  (defaults: Given<Config> = {}): Experiment => {
    const words = wordsOf(added)
    return suited(goingOnFrom(experimentOf(words, settingsOf(words), defaults), defaults), words.data)
  }

/**
 * An experiment from a configuration: what is said here are its defaults, which files and options may change. A run that goes on from a
 * network (`start.from`) has that network's shape, and crops and statistics as it has seen, where neither says otherwise.
 * Other data than digits are followed by a preset, where the configuration says nothing of networks and crops.
 */
export const recipe = (defaults: Given<Config> = {}): Pluggable => pluggable((added) => recipeWith(added)(defaults))
