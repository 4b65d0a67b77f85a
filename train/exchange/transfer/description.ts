/** Networks that are described elsewhere: by a folder's configuration, by a run, by the shapes of a file. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Option } from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { exitCode, fault, showFault } from '../../../core/fault.ts'
import { declarations } from '../../../core/model.ts'
import { sizeOf } from '../../../core/type.ts'
import { optionsOf } from '../../../models/huggingface/config.ts'
import { configCodec } from '../../../models/huggingface/keys.ts'
import type { FullOptions } from '../../../models/options.ts'
import { fullOptions } from '../../../models/options.ts'
import type { Vit } from '../../../models/vit.ts'
import { checkpointsIn } from '../../run/checkpoints.ts'
import type { CropView } from '../preprocess.ts'
import { localModel } from '../huggingface/hub.ts'
import { whatIs } from '../../../data/formats/file.ts'
import { readJson } from '../../../data/formats/json.ts'
import { readBackbone } from '../huggingface/reader.ts'
import { readRun } from '../run.ts'
import { writeBackbone } from '../huggingface/writer.ts'
import { initialValues } from '../../step/initialization.ts'
import { viewAt } from './view.ts'

const optionsOfFolder = (path: string): TaskEither<Fault, FullOptions> => {
  const file = join(path, 'config.json')
  return pipe(
    whatIs(file),
    TE.chain((what) => (what !== 'file' ? pipe(readBackbone(path), TE.map((b) => b.model.options)) : pipe(
      readJson(file, configCodec),
      TE.chainEitherK(E.fromOption(() => fault('io', { place: file, found: 'nothing', allowed: 'a readable file', remedy: 'check the folder' }))),
      TE.chainEitherK((config) => pipe(optionsOf(config), E.bimap((m) => fault('data', { place: file, found: `a ${config.model_type} that is not supported`, ...m }), fullOptions))),
    ))),
  )
}

/** A network before its weights are read: its options, and how it sees images where its folder says. */
export interface Described {
  readonly options: FullOptions
  readonly view: Option<CropView>
}

/** The options of the backbone at a path; of a Hugging Face folder, from its config.json alone. */
export const optionsAt = (path: string): TaskEither<Fault, FullOptions> => pipe(
  checkpointsIn(join(path, 'checkpoints')),
  TE.chain((checkpoints) => (checkpoints.length > 0 ? pipe(readRun(path, { network: 'teacher', mergeLora: true }), TE.map((b) => b.model.options)) : optionsOfFolder(path))),
)

/** What `--model` names on a command line; undefined where it is not given. */
const modelIn = (argv: ReadonlyArray<string>): string | undefined => {
  const at = argv.findIndex((word) => word === '--model' || word.startsWith('--model='))
  return at < 0 ? undefined : argv[at].startsWith('--model=') ? argv[at].slice('--model='.length) : argv[at + 1]
}

/** The backbone at a path, and how it sees images. */
export const describedAt = (path: string): TaskEither<Fault, Described> => pipe(
  optionsAt(path),
  TE.chain((options) => pipe(viewAt(path, options.image), TE.map((view): Described => ({ options, view })))),
)

/**
 * The backbone that a command line's `--model` names, for programs whose settings follow from it; undefined without one.
 * A fault is shown and ends the process, as it does in every command.
 */
export const describedBy = async (argv: ReadonlyArray<string>): Promise<Described | undefined> => {
  const path = modelIn(argv)
  if (path === undefined) return undefined
  const found = await pipe(localModel(process.env, (text) => { process.stderr.write(`${text}\n`) })(path), TE.chain(describedAt))()
  if (E.isRight(found)) return found.right
  process.stderr.write(`${showFault(found.left)}\n`)
  process.exit(exitCode(found.left))
}

/** Writes a backbone with its random first values as a Hugging Face folder; gives the folder. */
export const writeInitial = (folder: string, model: Vit, seed: number): TaskEither<Fault, string> => pipe(
  { model, weights: new Map(declarations(model.params).map(([path, d]) => [path, initialValues(d.init, sizeOf(d.shape), seed, path)])) },
  writeBackbone(folder),
  TE.map(() => folder),
)
