/**
 * Recipes: whole experiments as one typed value. What a YAML file says and what a program passes are the same thing:
 *
 *     recipe({ model: { width: 64, depth: 3, heads: 4, patch: 7 }, objective: { kind: 'dinov1' }, steps: 300 })
 *     npm run train -- --config FILE.yaml
 *
 * Each objective is a method that programs have too (kinds.ts), with the same defaults.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { ValueOf } from '../config/field.ts'
import { text } from '../config/field.ts'
import type { Layer } from '../config/layers.ts'
import { stacked } from '../config/layers.ts'
import { resolve } from '../config/settings.ts'
import type { Given, Section } from '../config/section.ts'
import { section } from '../config/section.ts'
import type { Experiment, Resolved } from '../run/experiment.ts'
import { resolved } from '../run/experiment.ts'
import { firstStudent } from '../step/strategies/distil.ts'
import { optionsOf } from './experiment.ts'
import { predecessorIn } from './going-on.ts'
import { learningOf, networks, usualNetworks } from './kinds.ts'
import { crops } from './parts/crops.ts'
import { patchOf } from './parts/any-network.ts'
import { images } from './parts/images.ts'
import type { Objective } from './parts/objective.ts'
import { objective } from './parts/objective.ts'
import { standard } from './standard.ts'
import { suited } from './suited.ts'
import { isRecord } from '../../data/formats/codec.ts'

const data = images()

/** The whole configuration. */
export const config = section('a run', { name: text('train', 'of the run, and of its folder below runs/') })
  .and(standard({ steps: 1500, batch: 64 }, {}, data.settings, crops().settings))
  .and(networks)
  .and(section('what is learned', { objective }))
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
      holds: (c) =>
        c.augmentation.globalSize >= patchOf(c.model) && (c.augmentation.locals === 0 || c.augmentation.localSize >= patchOf(c.model)),
      allowed: (c) => `patches no larger than the crops: ${c.augmentation.globalSize} and ${c.augmentation.localSize} pixels`,
      remedy: 'make crops larger, or patches smaller',
    },
    {
      at: 'objective',
      of: ['objective'],
      holds: ({ objective: o }) =>
        o.kind !== 'distil' || Object.keys(o.students).every((name) => name !== firstStudent && /^[a-zA-Z]\w*$/.test(name)),
      allowed: () => `students with names of letters, digits and underscores, other than ${firstStudent}`,
      remedy: 'give them other names',
    },
    {
      at: 'strategies',
      of: ['objective', 'strategies'],
      holds: ({ objective: o, strategies: s }) => o.kind !== 'distil' || s.lora === null || Object.keys(o.students).length === 0,
      allowed: () => 'lora: null beside objective.students: adapters go with one network that was learned before',
      remedy: 'train one student with adapters, or several without',
    },
    {
      at: 'objective',
      of: ['objective'],
      holds: ({ objective: o }) => o.kind !== 'distil' || o.teacher !== '',
      allowed: () => 'objective.teacher for the kind distil',
      remedy: 'name the folder of a run or of Hugging Face',
    },
  ])

export type Config = ValueOf<typeof config>

const about =
  'Trains what a configuration says: model, objective, optimizer, schedule, data, augmentation, strategies, evaluation, runtime.'

const ofConfig = (settings: Section<Config>, c: Config): Resolved =>
  resolved(optionsOf(settings, { name: c.name, about, steps: c.steps, batch: c.batch, data, method: learningOf(c.objective) }), c)

/** LoRA of a network that begins anew makes no sense. */
const sensible = (c: Config): Either<Fault, Config> =>
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
const configFor = (kind: unknown): Section<Config> =>
  pipe(
    objective.decode(kind === undefined ? {} : { kind }),
    E.match(
      () => config,
      (o: Objective) => config.with({ ...learningOf(o).usual, ...usualNetworks[o.kind] }),
    ),
  )

/** The kind of objective that layers name. */
const kindIn = (layers: ReadonlyArray<Layer>): unknown => {
  const { tree } = stacked(layers)
  return isRecord(tree) && isRecord(tree['objective']) ? tree['objective']['kind'] : undefined
}

/** The experiment: `taken` is what the network that it goes on from makes usual, `defaults` what its program says. */
const experimentOf = (defaults: Given<Config>, taken: Given<Config>): Experiment => {
  const settingsOf = (layers: ReadonlyArray<Layer>): Section<Config> =>
    configFor(kindIn(layers) ?? defaults.objective?.kind)
      .with(taken)
      .with(defaults)
  return {
    name: defaults.name ?? 'train',
    about,
    settings: settingsOf([]),
    resolve: (layers) => {
      const settings = settingsOf(layers)
      return pipe(
        resolve(settings)(layers),
        E.chain(sensible),
        E.map((c) => ofConfig(settings, c)),
      )
    },
  }
}

/** The attention heads of a Vision Transformer, which no file of weights says. */
const headsIn = (model: Given<Config>['model']): number | undefined =>
  model !== undefined && 'heads' in model && typeof model.heads === 'number' ? model.heads : undefined

const goingOnFrom = (defaults: Given<Config>): Experiment => ({
  ...experimentOf(defaults, {}),
  adapted: (layers) =>
    pipe(
      predecessorIn(layers, { from: defaults.start?.from, base: defaults.start?.base, heads: headsIn(defaults.model) }),
      TE.map(
        O.match(
          () => experimentOf(defaults, {}),
          (p) => experimentOf(defaults, p),
        ),
      ),
    ),
})

/**
 * An experiment from a configuration: what is said here are its defaults, which files and options may change. A run that goes on from a
 * network (`start.from`) has that network's shape, and crops and statistics as it has seen, where neither says otherwise.
 * Other data than digits are followed by a preset, where the configuration says nothing of networks and crops.
 */
export const recipe = (defaults: Given<Config> = {}): Experiment => suited(goingOnFrom(defaults))
