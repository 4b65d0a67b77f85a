/** What every experiment's settings say, whatever else they do. */
import { masked } from '../../core/text.ts'
import { distributionNames } from '../../compiler/distribute/strategy.ts'
import { targetNames } from '../../compiler/targets/names.ts'
import { precisions } from '../../compiler/targets/pjrt/writer.ts'
import type { Field, ValueOf } from './field.ts'
import { flag, oneOf, optional, real, text, whole } from './field.ts'
import type { PresetName } from './preset.ts'
import { presetNames } from './preset.ts'
import { section } from './section.ts'

export const evaluation = section('k-NN on features while training', {
  during: whole(1, 'evaluations during training, besides before and after'),
  before: flag(true, 'evaluate the untrained network, and the pixels themselves'),
  report: flag(true, 'write the page of curves and pictures when the run ends; the command report makes it later too'),
  k: whole(20, 'neighbours', { min: 1 }),
  temperature: real(0.07, 'of the votes of neighbours', { above: 0 }),
})

/** GiB of a state up to which the first rank gathers it to save it, where nothing is said. */
export const gatheredGiB = 4

export const checkpoints = section('what is saved of a run', {
  every: whole(0, 'steps between checkpoints; 0: ten in a run'),
  keepLast: whole(2, 'number of newest checkpoints retained', { min: 1 }),
  keepEvery: whole(0, 'checkpoints at multiples of this many steps are retained for ever; 0: none'),
  shards: oneOf(
    ['auto', 'whole', 'ranks'],
    `how several ranks save: whole, gathered by the first; ranks, each its share; auto: ranks where fsdp has split a state of more than ${gatheredGiB} GiB`,
  ),
  best: text(
    '',
    'a number of metrics.jsonl, such as knn or loss: the checkpoint where an evaluation found it best is retained; empty: that of runtime.stopping, if any',
  ),
})

export const stopping = section('a run ends when a number improves no more', {
  metric: text('knn', 'a number of metrics.jsonl; of those that each step has, the mean between evaluations'),
  patience: whole(3, 'evaluations in a row that find nothing better (evaluation.during is how many there are)', { min: 1 }),
  better: oneOf(['auto', 'higher', 'lower'], 'which is better; auto: knn, spread and rank higher, all others lower'),
  least: real(0, 'gains of at most this much are none', { min: 0 }),
})

export const mlflow = section(
  'a tracking server of MLflow',
  {
    uri: text(
      'http://127.0.0.1:5000',
      'its address; who logs in is in the environment, as MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD',
    ),
    experiment: text('dinograph', 'the experiment to which runs are added; made where there is none'),
  },
  [
    {
      at: 'uri',
      of: ['uri'],
      holds: ({ uri }) => masked(uri) === uri,
      allowed: () => 'an address without a user and a password, as settings are written into the folder of the run',
      remedy: 'leave them out, and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment',
    },
  ],
)

export const wandb = section('a run of Weights & Biases, as a file in the folder of the run that wandb sync sends', {
  project: text('dinograph', 'the project to which the run is added'),
  entity: text('', 'the user or team whose project it is; empty: who sends it'),
})

export const runtime = section('how a run goes', {
  checkpoints,
  nonFinite: oneOf(['stop', 'skip'], 'a loss or gradient that is no finite number: stop the run, or leave that step out'),
  skips: whole(10, 'steps in a row that may be left out before the run stops', { min: 1 }),
  collapse: oneOf(['warn', 'ignore'], 'whether signs of collapse are reported'),
  stopping: optional(stopping),
  tensorboard: flag(true, 'write events for TensorBoard'),
  mlflow: optional(mlflow),
  wandb: optional(wandb),
})

/** Seconds that ranks wait for each other where nothing else is said. */
export const usualPatience = 60

export const accelerator = section('where it is computed; may be the name of a file of its own', {
  target: oneOf(targetNames, 'the target'),
  threads: whole(0, 'threads of the native target; 0: as many as there are cores, shared by the ranks of a machine', { min: 0, max: 1024 }),
  devices: whole(0, 'devices of the targets pjrt:… that share each batch; 0: all that are there, of pjrt:cpu one', { min: 0, max: 1024 }),
  precision: oneOf(
    precisions,
    'products of f32 on the targets pjrt:…: as they are, or with operands in tf32 or bf16, for hardware that is faster with them',
  ),
  strategy: oneOf(['auto', ...distributionNames], 'how ranks under mpirun or srun, or devices of pjrt:…, share the work; auto: ddp'),
  patience: whole(usualPatience, 'seconds that a rank waits for the others before the run ends', { min: 1, max: 86400 }),
})

export type Evaluation = ValueOf<typeof evaluation>
export type Runtime = ValueOf<typeof runtime>
export type Accelerator = ValueOf<typeof accelerator>

/** Reports something. */
export type Say = (text: string) => void

/** The settings that all experiments have. */
export interface CommonSettings {
  readonly preset: 'usual' | 'none' | PresetName
  readonly seed: number
  readonly steps: number
  /** Images of one step. */
  readonly batch: number
  readonly evaluation: Evaluation
  readonly runtime: Runtime
  readonly accelerator: Accelerator
}

/** The fields that all experiments have, to be spread into a section; `d` are this experiment's defaults. */
export const common = (d: {
  readonly steps: number
  readonly batch: number
}): { readonly [K in keyof CommonSettings]: Field<CommonSettings[K]> } => ({
  seed: whole(0, 'the seed of every random draw', { min: 0 }),
  preset: oneOf(
    ['usual', 'none', ...presetNames],
    'what crops, network and schedule follow where images are named: usual, what suits them; none, the program',
  ),
  steps: whole(d.steps, 'steps of the whole run, to which schedules, and parts of them that are shares, are stretched', {
    min: 1,
    max: 1e12,
  }),
  batch: whole(d.batch, 'images of one step', { min: 1 }),
  evaluation,
  runtime,
  accelerator,
})
