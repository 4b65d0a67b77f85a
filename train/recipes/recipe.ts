/**
 * Recipes: whole experiments as one typed value. What a YAML file says and what a program passes are the same thing:
 *
 *     recipe({ model: { width: 64, depth: 3, heads: 4, patch: 7 }, objective: { kind: 'dinov1' }, steps: 300 })
 *     npm run train -- --config FILE.yaml
 *
 * Each objective is an experiment made of the same parts as the examples.
 */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { concatAll } from 'fp-ts/lib/Monoid.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { spread } from '../../losses/collapse.ts'
import { dino } from '../../losses/dino.ts'
import { distilClass, distilPatches } from '../../losses/distil.ts'
import type { ClassTokens, Features, Logits } from '../../losses/features.ts'
import type { Loss } from '../../losses/loss.ts'
import { lossMonoid, weighted } from '../../losses/loss.ts'
import type { Dinov2Features } from '../../losses/sums.ts'
import * as losses from '../../losses/sums.ts'
import { relation } from '../../losses/relation.ts'
import type { Matched, SeveralMatched } from '../../models/distil.ts'
import { featurePair, severalStudents } from '../../models/distil.ts'
import { dinov1 } from '../../models/dino.ts'
import { dinov2, withMasks } from '../../models/dinov2.ts'
import { plainHead } from '../../models/head.ts'
import type { Values } from '../step/values.ts'
import type { Vit } from '../../models/vit.ts'
import type { ValueOf } from '../config/field.ts'
import { text } from '../config/field.ts'
import { resolve } from '../config/settings.ts'
import type { Given } from '../config/section.ts'
import { section } from '../config/section.ts'
import type { Beginning, Experiment, Resolved, Trained } from '../run/experiment.ts'
import type { Imagery } from '../run/assembly.ts'
import { resolved } from '../run/experiment.ts'
import { anyBackbone } from '../run/assembly.ts'
import { underRoots } from '../exchange/huggingface/reader.ts'
import { saveAdapters, writeNetwork } from '../exchange/huggingface/product.ts'
import { readRun } from '../exchange/run.ts'
import { maskFeed, maskedCrops } from '../step/masks.ts'
import { adaptersOf } from '../config/adapters.ts'
import { common } from '../config/common.ts'
import { crops, cropsOf } from './parts/crops.ts'
import { images, imagesOf } from './parts/images.ts'
import type { Hidden } from './parts/masks.ts'
import { hiddenOf } from './parts/masks.ts'
import type { Network } from './parts/network.ts'
import { backboneOf, headOf, network, prototypes } from './parts/network.ts'
import type { ObjectiveOf } from './parts/objective.ts'
import { objective } from './parts/objective.ts'
import { scalingOf, strategic, strategies, strategyOf } from './parts/strategies.ts'
import { beginningOf, start } from './parts/start.ts'
import { optimizer, optimizerOf, schedule, schedulesOf } from './parts/training.ts'
import { networkValues } from '../step/values.ts'
import { distilled, firstStudent, ofStudent, productRoot } from '../step/strategies/distil.ts'
import { all } from '../step/strategies/strategy.ts'

/** The whole configuration. */
export const config = section('a run', {
  name: text('train', 'of the run, and of its folder below runs/'),
  ...common({ steps: 1500, batch: 64 }),
  start,
  model: network.with({ patch: 7, width: 64, depth: 3, heads: 4 }),
  head: prototypes.with({ hidden: 128, bottleneck: 64, prototypes: 512 }),
  objective, optimizer, schedule, data: images, augmentation: crops, strategies,
}, [
  { at: 'name', of: ['name'], holds: (c) => /^[\w.-]+$/.test(c.name), allowed: () => 'letters, digits, dots, dashes and underscores: it names a folder', remedy: 'choose another name' },
  { at: 'model', of: ['model', 'augmentation'], holds: (c) => c.augmentation.globalSize >= c.model.patch && (c.augmentation.locals === 0 || c.augmentation.localSize >= c.model.patch), allowed: (c) => `patches no larger than the crops: ${c.augmentation.globalSize} and ${c.augmentation.localSize} pixels`, remedy: 'make crops larger, or patches smaller' },
  { at: 'objective', of: ['objective'], holds: ({ objective: o }) => o.kind !== 'distil' || Object.keys(o.students).every((name) => name !== firstStudent && /^[a-zA-Z]\w*$/.test(name)), allowed: () => `students with names of letters, digits and underscores, other than ${firstStudent}`, remedy: 'give them other names' },
  { at: 'strategies', of: ['objective', 'strategies'], holds: ({ objective: o, strategies: s }) => o.kind !== 'distil' || s.lora === null || Object.keys(o.students).length === 0, allowed: () => 'lora: null beside objective.students: adapters go with one network that was learned before', remedy: 'train one student with adapters, or several without' },
  { at: 'objective', of: ['objective'], holds: ({ objective: o }) => o.kind !== 'distil' || o.teacher !== '', allowed: () => 'objective.teacher for the kind distil', remedy: 'name the folder of a run or of Hugging Face' },
])

export type Config = ValueOf<typeof config>

const adaptersSaved = (c: Config) => (t: Trained): TaskEither<Fault, Readonly<Record<string, number>>> => {
  const { lora } = c.strategies
  return lora === null ? TE.right({}) : pipe(saveAdapters(adaptersOf(lora), c.start.from)(t), TE.map(() => ({})))
}

/** The parts that do not depend on the objective. */
const shared = (about: string) => ({
  about, settings: config,
  data: (c: Config, say: (text: string) => void) => imagesOf(c.data, say, c.start.from),
  augmentation: (c: Config) => cropsOf(c.augmentation),
  update: (c: Config) => ({ optimizer: optimizerOf(c.optimizer, c.model.depth, c.schedule.frozenBy), ...scalingOf(c.strategies) }),
  hypers: schedulesOf,
  ...strategic,
  first: (c: Config, how: Beginning) => beginningOf(c.start, c.model.heads)(how),
  after: adaptersSaved,
})

const asDinov1 = (c: Config, o: ObjectiveOf<'dinov1'>): Resolved => resolved({
  ...shared('DINO'), name: c.name,
  networks: (s, { channels }) => {
    const backbone = backboneOf(s.model, { channels, image: s.augmentation.globalSize })
    return { backbone, pair: dinov1({ backbone, head: headOf(backbone.width, s.head) }) }
  },
  loss: (s) => concatAll(lossMonoid<Features<Logits & ClassTokens>>())([dino({ ...o, prototypes: s.head.prototypes }), spread]),
}, c)

const masksOf = (c: Config, masks: Hidden) => hiddenOf({ ...c, masks })

const asDinov2 = (c: Config, o: ObjectiveOf<'dinov2'>): Resolved => resolved({
  ...shared('DINOv2'), name: c.name,
  networks: (s, { channels }) => {
    const backbone = backboneOf(s.model, { channels, image: s.augmentation.globalSize, maskToken: true })
    const head = headOf(backbone.width, s.head)
    return { backbone, pair: withMasks(maskedCrops(masksOf(s, o.masks)).views.masks)(dinov2({ backbone, head, ...(o.patchHead === 'own' ? { patchHead: head } : {}) })) }
  },
  loss: (s) => concatAll(lossMonoid<Dinov2Features>())([losses.dinov2({ prototypes: s.head.prototypes, centring: o.centring, weights: o }), spread]),
  feed: (s) => (seed, step) => maskFeed(masksOf(s, o.masks), seed, step),
}, c)

const asDinov3 = (c: Config, o: ObjectiveOf<'dinov3'>): Resolved => resolved({
  ...shared('DINOv3'), name: c.name,
  networks: (s, { channels }) => {
    const backbone = backboneOf({ ...s.model, generation: '3' }, { channels, image: s.augmentation.globalSize, maskToken: true })
    const head = plainHead({ in: backbone.width, ...s.head })
    return { backbone, pair: withMasks(maskedCrops(masksOf(s, o.masks)).views.masks)(dinov2({ backbone, head, ...(o.patchHead === 'own' ? { patchHead: head } : {}) })) }
  },
  loss: (s) => concatAll(lossMonoid<Dinov2Features>())([losses.dinov3({ prototypes: s.head.prototypes, neighbours: o.neighbours, weights: o }), spread]),
  feed: (s) => (seed, step) => maskFeed(masksOf(s, o.masks), seed, step),
}, c)

/** What distillation into one or several students has in common. `root`: the one that is evaluated. */
const distilling = (o: ObjectiveOf<'distil'>, root: string) => ({
  ...shared('Distillation'),
  strategy: (s: Config) => all([distilled, strategyOf(s.strategies)]),
  evaluated: root.replace('student', productRoot),
  first: (s: Config, how: Beginning): TaskEither<Fault, Values> => pipe(
    beginningOf(s.start, s.model.heads, [root])(how),
    TE.bindTo('own'),
    TE.bind('teacher', () => readRun(o.teacher, { network: 'teacher', mergeLora: true })),
    TE.map(({ own, teacher }) => new Map([...own, ...underRoots(teacher, ['teacher.backbone'])])),
  ),
  after: (s: Config) => (t: Trained): TaskEither<Fault, Readonly<Record<string, number>>> => pipe(
    adaptersSaved(s)(t),
    TE.chain(() => t.accuracyOf('knn_teacher', networkValues('teacher')(t.state), anyBackbone(globally(s, o.network, t.images)))),
    TE.chain((teacher) => pipe(
      Object.entries(o.students),
      TE.traverseSeqArray(([name, n]) => otherStudent(name, globally(s, n, t.images))(t)),
      TE.map((students) => students.reduce((all, x) => ({ ...all, ...x }), teacher)),
    )),
  ),
})

/** A backbone that sees the global crops. */
const globally = (s: Config, n: Network, { channels }: Imagery): Vit => backboneOf(n, { channels, image: s.augmentation.globalSize })

/** A further student's average: its folder for Hugging Face, and its k-NN. */
const otherStudent = (name: string, model: Vit) => (t: Trained): TaskEither<Fault, Readonly<Record<string, number>>> => pipe(
  writeNetwork(join(t.out, `huggingface-${name}`), `${productRoot}.${name}`, model)(t),
  TE.chain(() => t.accuracyOf(`knn_${name}`, networkValues(`${productRoot}.${name}`)(t.state), anyBackbone(model))),
)

const matched = (o: ObjectiveOf<'distil'>): Loss<Matched> =>
  concatAll(lossMonoid<Matched>())([weighted(o.cls)(distilClass(o)), weighted(o.patches)(distilPatches(o)), weighted(o.relation)(relation())])

const asDistil = (c: Config, o: ObjectiveOf<'distil'>): Resolved => resolved({
  ...distilling(o, 'student'), name: c.name,
  networks: (s, images) => {
    const [backbone, teacher] = [s.model, o.network].map((n) => globally(s, n, images))
    return { backbone, pair: featurePair({ student: backbone, teacher }) }
  },
  loss: () => matched(o),
}, c)

/** Several students of one teacher in one step (Siméoni et al. 2025, section 5.2). */
const asSeveral = (c: Config, o: ObjectiveOf<'distil'>): Resolved => resolved({
  ...distilling(o, `student.${firstStudent}`), name: c.name,
  networks: (s, images) => {
    const [backbone, teacher] = [s.model, o.network].map((n) => globally(s, n, images))
    const pairs = Object.entries({ [firstStudent]: s.model, ...o.students }).map(([name, n]) => [name, featurePair({ student: globally(s, n, images), teacher })] as const)
    return { backbone, pair: severalStudents(Object.fromEntries(pairs.map(([name, p]) => [name, p.student])), featurePair({ student: backbone, teacher }).teacher) }
  },
  loss: () => concatAll(lossMonoid<SeveralMatched>())([firstStudent, ...Object.keys(o.students)].map((name) => ofStudent(name)(matched(o)))),
}, c)

const ofConfig = (c: Config): Resolved => {
  const { objective: o } = c
  switch (o.kind) {
    case 'dinov1': return asDinov1(c, o)
    case 'dinov2': return asDinov2(c, o)
    case 'dinov3': return asDinov3(c, o)
    case 'distil': return Object.keys(o.students).length === 0 ? asDistil(c, o) : asSeveral(c, o)
  }
}

/** Centres and Sinkhorn's balance are within micro-batches; LoRA of a network that begins anew makes no sense. */
const sensible = (c: Config): Either<Fault, Config> => (c.strategies.lora !== null && c.start.from === ''
  ? E.left(fault('config', { place: 'strategies.lora', found: 'adapters on weights that nothing was learned into', allowed: 'adapters with "start.from": a run, a folder or a model', remedy: 'name in "start.from" what to adapt, or set strategies.lora to null' }))
  : E.right(c))

/** An experiment from a configuration: what is said here are its defaults, which files and options may change. */
export const recipe = (defaults: Given<Config> = {}): Experiment => {
  const settings = config.with(defaults)
  return {
    name: defaults.name ?? 'train',
    about: 'Trains what a configuration says: model, objective, optimizer, schedule, data, augmentation, strategies, evaluation, runtime.',
    settings,
    resolve: (layers) => pipe(resolve(settings)(layers), E.chain(sensible), E.map(ofConfig)),
  }
}
