/** Everything of a run that is traced before it begins: of each phase its step and the features that it is evaluated by. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import { last } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import { plannedBytes } from '../../compiler/road.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import type { Expr } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import { join } from '../../core/tree.ts'
import type { MultiCrop } from '../../data/augment/multicrop.ts'
import { multiCrop } from '../../data/augment/multicrop.ts'
import type { Augmentation, Normalisation } from '../../data/augment/augmentation.ts'
import type { Views } from '../../models/dino.ts'
import { skipNonFinite } from '../step/finiteness.ts'
import type { AnyBackbone, Method, StepFeed } from '../step/method.ts'
import type { Resident, View } from '../step/objective.ts'
import type { CommonSettings } from '../config/common.ts'
import type { Phase, Stage } from './phases.ts'
import { checkPhases, countingFrom, keepAverages, residentsOver } from './phases.ts'
import type { Schedule } from '../step/schedule.ts'
import type { ForwardStage, Program, StepStage, UpdateOptions } from '../step/step.ts'
import { derive, rewriteForward, rewriteStep } from '../step/step.ts'
import { accumulate } from '../step/strategies/accumulate.ts'
import type { Strategy } from '../step/strategies/strategy.ts'
import { noStrategy, withinNetwork } from '../step/strategies/strategy.ts'
import { chain } from '../step/transform.ts'

/** What the images are like: their channels, and the side of the canvases that hold them. */
export interface Imagery {
  readonly channels: number
  readonly side: number
  /** The data's own statistics, in place of the augmentation's. */
  readonly normalisation?: Normalisation
}

/** What a method is made for: the images, and the crops of them that a step sees. */
export interface AtHand extends Imagery {
  readonly augmentation: Augmentation
  /** Images of one run of a step's program. */
  readonly batch: number
  /** Among how many these are shared: `Device.parts`. */
  readonly parts: number
}

/** Bytes that a graph is planned to take. */
export type Planned = (g: Graph) => Either<Fault, number>

/** What a step is traced from: crops, method, optimizer and strategies, each a function of the settings. */
export interface AssemblyOptions<S extends CommonSettings> {
  readonly augmentation: (s: S) => Augmentation
  readonly method: (s: S, seen: AtHand) => Method
  readonly update: (s: S, method: Method) => UpdateOptions
  /** The value of `hyper.NAME` at every step. */
  readonly hypers: (s: S) => Either<Fault, Readonly<Record<string, Schedule>>>
  /** Changes the objective before its gradients are derived: LoRA, freezing. Default: nothing. */
  readonly strategy?: (s: S) => Strategy
  /** Changes the derived step: recomputation, storage; `planned` says what a step takes on the target at hand. Default: nothing. */
  readonly rewrite?: (s: S, planned: Planned) => (step: StepStage) => StepStage
  /** Micro-batches of `batch` images whose gradients make one step. Default 1. */
  readonly accumulate?: (s: S) => number
  /** Other settings from some step on (phases.ts). Default: one phase. */
  readonly phases?: (s: S) => ReadonlyArray<Phase<S>>
}

/** A phase of a run, traced. */
export interface AssembledPhase extends Stage {
  readonly forward: ForwardStage
  readonly crops: MultiCrop
  readonly hypers: Readonly<Record<string, Schedule>>
  readonly feed: StepFeed
  readonly features: FeatureProgram
  /** Images of one run of a program. */
  readonly batch: number
}

/** Everything that a run needs, traced. */
export interface Assembled {
  readonly phases: readonly [AssembledPhase, ...ReadonlyArray<AssembledPhase>]
  /** All that lives on the device. */
  readonly residents: ReadonlyArray<Resident>
  /** The program that the run ends with. */
  readonly program: Program
  /** The evaluated network's features, as a plain network under the root `plain`. */
  readonly plain: FeatureProgram
  /** As the settings of the whole run make it. */
  readonly method: Method
}

/** A network on whole images. */
export interface FeatureProgram {
  readonly crops: MultiCrop
  readonly cls: Expr
  /** Where class tokens look, of a backbone that has attention. */
  readonly attention: Option<Expr>
  /** Rows of one run. */
  readonly batch: number
}

/**
 * The whole image, its middle square at the size of the global crops, nothing else changed. Every field is named: what an augmentation
 * learns to do is switched off here before it compiles.
 */
export const wholeImage = (r: Augmentation): Required<Augmentation> => ({
  name: `${r.name}, whole images`,
  global: { count: 1, size: r.global.size, scale: [1, 1], ratio: [1, 1], blur: [0], solarise: [0] },
  local: { count: 0, size: r.local.size, scale: r.local.scale, ratio: r.local.ratio, blur: [], solarise: [] },
  gram: undefined,
  resampling: r.resampling,
  flip: 0,
  warp: undefined,
  jitter: { ...r.jitter, probability: 0 },
  sharedJitter: false,
  grayscale: 0,
  blurKind: r.blurKind,
  sigma: r.sigma,
  normalisation: r.normalisation,
  retouch: undefined,
  notes: r.notes,
})

/** An augmentation with the statistics of the images at hand. */
const normalisedBy =
  ({ normalisation }: Imagery) =>
  (r: Augmentation): Augmentation =>
    normalisation === undefined ? r : { ...r, normalisation }

/** Rows of one evaluation run, as many for each of those that share them. */
const evaluationBatch = (parts: number): number => parts * Math.ceil(100 / parts)

/** The root of a plain network's tensors. */
export const plainRoot = 'plain'

const features = (backbone: AnyBackbone, crops: MultiCrop, root: string, view: View): Either<Fault, FeatureProgram> => {
  const f = backbone.features(root, crops.crops(crops.canvas).global)
  return pipe(
    trace('features', [value('cls', f.cls), ...(f.attention === undefined ? [] : [value('attention', f.attention)])]),
    E.chain(view),
    E.map(({ outputs: [cls, attention] }) => ({
      crops,
      cls: cls.expr,
      attention: pipe(
        O.fromNullable(attention),
        O.map((a) => a.expr),
      ),
      batch: crops.layout.batch,
    })),
  )
}

/** A backbone on the whole images of `crops`, as a plain network under a root. */
export const plainFeatures = (backbone: AnyBackbone, crops: MultiCrop, root: string): Either<Fault, FeatureProgram> =>
  features(backbone, crops, root, E.right)

/** The programs of one step: one, or those of k micro-batches. */
const turnsOf = (k: number, rewrite: (s: StepStage) => StepStage, step: StepStage): Either<Fault, Stage['turns']> => {
  if (k === 1) return E.map((p: Program): Stage['turns'] => [p])(rewrite(step).program)
  const add = rewrite(accumulate({ steps: k, half: 'add' })(step)).program
  if (E.isLeft(add)) return add
  const apply = rewrite(accumulate({ steps: k, half: 'apply' })(step)).program
  return E.isLeft(apply) ? apply : E.right([add.right, ...new Array<Program>(k - 2).fill(add.right), apply.right])
}

/** By the policy of the settings, steps without finite numbers are left out. */
const skipping = (s: CommonSettings, step: StepStage): StepStage =>
  s.runtime.nonFinite === 'skip' ? rewriteStep(skipNonFinite)(step) : step

/** Crops for batches of a number of the images. */
const cropsFor = (images: Imagery, augmentation: Augmentation, batch: number): Either<Fault, MultiCrop> =>
  multiCrop(augmentation, { batch, channels: images.channels, side: images.side })

const viewsOf = ({ crops, canvas }: MultiCrop): Views => {
  const { global, local, gram } = crops(canvas)
  return { global, ...(O.isSome(local) ? { local: local.value } : {}), ...(O.isSome(gram) ? { gram: gram.value } : {}) }
}

/** The phase in which each parameter was trained first, undefined for that from step 0. */
type Begun = ReadonlyMap<string, string | undefined>

/** The step of a phase before its gradients, with the strategy of its settings. */
const forwardOf = <S extends CommonSettings>(
  o: AssemblyOptions<S>,
  method: Method,
  { name, from, settings: s }: Phase<S>,
  views: Views,
  begun: Begun,
): ForwardStage => {
  const update = o.update(s, method)
  const since = (path: string): string | undefined => (begun.has(path) ? begun.get(path) : from === 0 ? undefined : name)
  const optimizer = chain([countingFrom(since), update.optimizer])
  const plain: ForwardStage = {
    stage: 'forward',
    objective: method.objective({ images: s.batch, views }),
    update: { ...update, optimizer },
  }
  const trainedBefore = new Set([...begun.keys()].map((path) => join('student', path)))
  return pipe(plain, rewriteForward(o.strategy?.(s) ?? noStrategy), rewriteForward(keepAverages(trainedBefore)))
}

/** What the settings of a phase make of images: each once. */
interface Made {
  readonly augmentation: Augmentation
  readonly method: Method
}

const madeOf = <S extends CommonSettings>(o: AssemblyOptions<S>, images: Imagery, s: S, parts: number): Made => {
  const augmentation = normalisedBy(images)(o.augmentation(s))
  return { augmentation, method: o.method(s, { ...images, augmentation, batch: s.batch, parts }) }
}

const assembledPhase = <S extends CommonSettings>(
  o: AssemblyOptions<S>,
  images: Imagery,
  planned: Planned,
  phase: Phase<S>,
  { augmentation, method }: Made,
  begun: Begun,
  parts: number,
): Either<Fault, AssembledPhase> => {
  const { name, from, settings: s } = phase
  const crops = cropsFor(images, augmentation, s.batch)
  if (E.isLeft(crops)) return crops
  const whole = cropsFor(images, wholeImage(augmentation), evaluationBatch(parts))
  if (E.isLeft(whole)) return whole
  const hypers = o.hypers(s)
  if (E.isLeft(hypers)) return hypers
  const forward = forwardOf(o, method, phase, viewsOf(crops.right), begun)
  const turns = turnsOf(o.accumulate?.(s) ?? 1, (step) => skipping(s, o.rewrite?.(s, planned)(step) ?? step), derive(forward))
  if (E.isLeft(turns)) return turns
  const seen = features(method.evaluated, whole.right, method.evaluated.root, turns.right[0].view)
  if (E.isLeft(seen)) return seen
  return E.right({
    name,
    from,
    crops: crops.right,
    hypers: hypers.right,
    forward,
    turns: turns.right,
    feed: method.feed,
    features: seen.right,
    batch: s.batch,
  })
}

const trainedPaths = ({ turns: [{ residents }] }: Stage): ReadonlyArray<string> =>
  residents.filter((r) => r.role === 'trained').map((r) => withinNetwork(r.path))

/** Traces all phases of a run. Faults: whatever is wrong in them. */
export const assembled =
  <S extends CommonSettings>(o: AssemblyOptions<S>, s: S) =>
  (images: Imagery, planned: Planned = plannedBytes(nativeRoad()), parts = 1): Either<Fault, Assembled> => {
    const checked = checkPhases(s.steps, o.phases?.(s) ?? [{ name: 'training', from: 0, settings: s }])
    if (E.isLeft(checked)) return checked
    const whole = madeOf(o, images, s, parts)
    const phases: Array<AssembledPhase> = []
    /** The phase in which each parameter was trained first, undefined for that from step 0. */
    const begun = new Map<string, string | undefined>()
    for (const p of checked.right) {
      const next = assembledPhase(o, images, planned, p, p.settings === s ? whole : madeOf(o, images, p.settings, parts), begun, parts)
      if (E.isLeft(next)) return next
      phases.push(next.right)
      for (const path of trainedPaths(next.right)) if (!begun.has(path)) begun.set(path, p.from === 0 ? undefined : p.name)
    }
    const [first, ...others] = phases
    const residents = residentsOver(phases.flatMap((p) => p.turns))
    if (E.isLeft(residents)) return residents
    const crops = cropsFor(images, wholeImage(whole.augmentation), evaluationBatch(parts))
    if (E.isLeft(crops)) return crops
    const plain = plainFeatures(whole.method.evaluated, crops.right, plainRoot)
    if (E.isLeft(plain)) return plain
    return E.right({
      phases: [first, ...others],
      residents: residents.right,
      plain: plain.right,
      method: whole.method,
      program: last(last([first, ...others]).turns),
    })
  }
