/**
 * An experiment is a value: settings, data, augmentation, networks, loss, optimizer and schedules, each a function of the
 * settings. Assembling it traces everything and runs nothing, so every mistake in it is found before training starts.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import type { TrainingSplit } from '../../data/loading/training.ts'
import type { Opener } from '../../data/readers/opener.ts'
import type { Json } from '../../data/formats/codec.ts'
import { JsonValue } from '../../data/formats/codec.ts'
import type { Values } from '../step/values.ts'
import type { AnyField, Field } from '../config/field.ts'
import type { Layer } from '../config/layers.ts'
import { layerAt } from '../config/layers.ts'
import { given, resolve } from '../config/settings.ts'
import type { Progress } from './log/progress.ts'
import type { Resident } from '../step/objective.ts'
import type { AnyBackbone, Method } from '../step/method.ts'
import type { Assembled, AssemblyOptions, Imagery, Planned } from './assembly.ts'
import { assembled } from './assembly.ts'
import type { CommonSettings, Say } from '../config/common.ts'

export interface ExperimentOptions<S extends CommonSettings> extends AssemblyOptions<S> {
  readonly name: string
  /** One sentence for `--help`. */
  readonly about: string
  /** Fields with ranges and defaults, `common` among them (config/common.ts). */
  readonly settings: Field<S>
  readonly data: (s: S, say: Say) => TaskEither<Fault, TrainingSplit>
  /** What opens paths of data in a way of the program's own. Default: the readers. */
  readonly opens?: (s: S) => Opener | undefined
  /** Values to begin with in place of the initial ones, by path: `student.backbone.…`. */
  readonly first?: (s: S, how: Beginning) => TaskEither<Fault, Values>
  /**
   * Called before every step, with what is on the device: what moves between steps and not in them, such as the refresh of a Gram teacher.
   */
  readonly between?: (s: S) => (run: Ongoing) => (step: number) => TaskEither<Fault, void>
  /** What of these settings does not quite fit together, for a person to read before the first step. Default: nothing. */
  readonly foreseen?: (s: S) => ReadonlyArray<string>
  /** What becomes of trained networks: exports, further evaluations. Its numbers join the report. */
  readonly after?: (s: S) => (t: Trained) => TaskEither<Fault, Readonly<Record<string, number>>>
}

/** Where a run happens: what its experiment may need to make something before it. */
export interface Surroundings {
  readonly out: string
  readonly device: TaskEither<Fault, Device>
  readonly progress: Progress
  /** Whether it was asked to stop. */
  readonly stopping: () => boolean
}

/** A run that is about to begin: where, and the tensors that need first values. */
export interface Beginning extends Surroundings {
  readonly method: Method
  readonly residents: ReadonlyArray<Resident>
  readonly say: Say
}

/** A run between two steps. */
export interface Ongoing {
  readonly device: Device
  readonly assembled: Assembled
  readonly say: Say
}

/** `backbone`: of a network that is not the one that is evaluated anyway. */
export type AccuracyOf = (name: string, network: Values, backbone?: AnyBackbone) => TaskEither<Fault, Readonly<Record<string, number>>>

/** A run that has come to its end, with its networks still on the device. */
export interface Trained extends Surroundings {
  readonly assembled: Assembled
  /** All resident tensors by path. */
  readonly state: Values
  /**
   * k-NN of a plain network, its values by path: `backbone.…`, as a number of the report of this name; none where images have no labels.
   */
  readonly accuracyOf: AccuracyOf
  readonly images: Imagery
}

/** An experiment whose settings are resolved. */
export interface Resolved {
  readonly name: string
  readonly settings: CommonSettings
  /** The same as plain JSON: what `config.yaml` and checkpoints hold. */
  readonly config: Json
  /** Runs of programs that make one step: micro-batches whose gradients are accumulated. */
  readonly turns: number
  /** The same with another number of steps, as `place` says. Fault: settings that do not go with it. */
  readonly withSteps: (steps: number, place: string) => Either<Fault, Resolved>
  /** A configuration of an earlier release of this experiment, with what it does not say yet. */
  readonly completed: (config: Json) => Json
  readonly data: (say: Say) => TaskEither<Fault, TrainingSplit>
  readonly opens: Opener | undefined
  /** What of the settings does not quite fit together. */
  readonly foreseen: ReadonlyArray<string>
  /**
   * `planned`: bytes that a step takes on the target (`Device.planned`), by default as planned for `native`; `parts`: among how many the
   * images are shared, one by default.
   */
  readonly assemble: (images: Imagery, planned?: Planned, parts?: number) => Either<Fault, Assembled>
  readonly first: (how: Beginning) => TaskEither<Fault, Values>
  readonly between: (run: Ongoing) => (step: number) => TaskEither<Fault, void>
  readonly after: (t: Trained) => TaskEither<Fault, Readonly<Record<string, number>>>
}

export interface Experiment {
  readonly name: string
  readonly about: string
  readonly settings: AnyField
  /** Layers of a configuration over the defaults (config/layers.ts). Fault: all that is wrong in them. */
  readonly resolve: (layers: ReadonlyArray<Layer>) => Either<Fault, Resolved>
  /** The same where defaults follow from what the layers name, such as the network that is gone on from. Default: itself. */
  readonly adapted?: (layers: ReadonlyArray<Layer>, say: Say) => TaskEither<Fault, Experiment>
}

const asJson = (u: unknown): Json => (JsonValue.is(u) ? u : null)

/** An experiment of such parts with its settings decided. */
export const resolved = <S extends CommonSettings>(o: ExperimentOptions<S>, s: S): Resolved => ({
  name: o.name,
  settings: s,
  config: asJson(s),
  turns: o.accumulate?.(s) ?? 1,
  withSteps: (steps, place) =>
    pipe(
      resolve(o.settings)([given(s), layerAt('steps', steps, place)]),
      E.map((other) => resolved(o, other)),
    ),
  data: (say) => o.data(s, say),
  opens: o.opens?.(s),
  foreseen: o.foreseen?.(s) ?? [],
  assemble: assembled(o, s),
  completed: (config) =>
    pipe(
      o.settings.decode(config),
      E.match(() => config, asJson),
    ),
  first: (how) => o.first?.(s, how) ?? TE.right(new Map()),
  between: o.between?.(s) ?? (() => () => TE.right(undefined)),
  after: (t) => o.after?.(s)(t) ?? TE.right({}),
})

/** An experiment of functions of its settings. Those of the usual parts: recipes/experiment.ts. */
export const experimentOf = <S extends CommonSettings>(o: ExperimentOptions<S>): Experiment => ({
  name: o.name,
  about: o.about,
  settings: o.settings,
  resolve: (layers) =>
    pipe(
      resolve(o.settings)(layers),
      E.map((s) => resolved(o, s)),
    ),
})

/**
 * What layers decide of an experiment, its defaults adapted to them where it does so. Faults: all that is wrong; a network that cannot be
 * read.
 */
export const decided =
  (e: Experiment, say: Say) =>
  (layers: ReadonlyArray<Layer>): TaskEither<Fault, Resolved> =>
    pipe(
      e.adapted === undefined ? TE.right(e) : e.adapted(layers, say),
      TE.chainEitherK((own) => own.resolve(layers)),
    )
