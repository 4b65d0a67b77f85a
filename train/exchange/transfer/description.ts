/** Networks that are described elsewhere: by a folder's configuration, by a run, by the shapes of a file. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { exitCode, fault, showFault } from '../../../core/fault.ts'
import { declarations } from '../../../core/model.ts'
import { sizeOf } from '../../../core/type.ts'
import { decodeAs } from '../../../data/formats/codec.ts'
import { optionsOf } from '../../../models/huggingface/config.ts'
import type { HuggingFaceConfig } from '../../../models/huggingface/keys.ts'
import { configCodec } from '../../../models/huggingface/keys.ts'
import type { FullOptions } from '../../../models/options.ts'
import { fullOptions } from '../../../models/options.ts'
import type { Vit } from '../../../models/vit.ts'
import type { CropView } from '../preprocess.ts'
import { localModel } from '../huggingface/hub.ts'
import { whatIs } from '../../../data/formats/file.ts'
import { readJson } from '../../../data/formats/json.ts'
import type { ModelOptions } from '../model.ts'
import { readModel } from '../model.ts'
import { isRun, readRun } from '../run.ts'
import { writeBackbone } from '../huggingface/writer.ts'
import { initialValues } from '../../step/initialization.ts'
import { usualView, viewAt, viewOf } from './view.ts'

/** A network before its weights are read: its options, and how it sees images where its folder says. */
export interface Described {
  readonly options: FullOptions
  readonly view: Option<CropView>
}

/** By a whole reading, where no configuration says all. */
const readWhole = (path: string, o: DescribeOptions): TaskEither<Fault, Described> => pipe(
  readModel(path, o),
  TE.chainEitherK((b) => pipe(b.preprocessor === undefined ? E.right(usualView(b.model.options)) : viewOf(path, b.preprocessor, b.model.options.image), E.map((view): Described => ({ options: b.model.options, view: O.some(view) })))),
)

/** By the config.json of a type that is known here. */
const readConfigured = (path: string, config: HuggingFaceConfig): TaskEither<Fault, Described> => pipe(
  TE.fromEither(pipe(optionsOf(config), E.bimap((m) => fault('data', { place: join(path, 'config.json'), found: `a ${config.model_type} that is not supported`, ...m }), fullOptions))),
  TE.chain((options) => pipe(viewAt(path, options.image), TE.map((view): Described => ({ options, view })))),
)

/** What tells of a model what it does not say itself. */
type DescribeOptions = Pick<ModelOptions, 'heads'>

/** The backbone at a path, and how it sees images; of a Hugging Face folder, from its configuration alone. */
export const describedAt = (path: string, o: DescribeOptions = {}): TaskEither<Fault, Described> => pipe(
  isRun(path),
  TE.chain((run) => (run
    ? pipe(readRun(path, { network: 'teacher', mergeLora: true }), TE.chain(({ model: { options } }) => pipe(viewAt(path, options.image), TE.map((view): Described => ({ options, view })))))
    : pipe(
        whatIs(join(path, 'config.json')),
        TE.chain((what) => (what !== 'file' ? readWhole(path, o) : pipe(
          readJson(join(path, 'config.json'), t.UnknownRecord),
          TE.chain(O.match(() => readWhole(path, o), (json) => (!t.string.is(json.model_type) ? readWhole(path, o) : pipe(
            TE.fromEither(decodeAs(configCodec, 'data', join(path, 'config.json'), 'choose another model, or correct config.json')(json)),
            TE.chain((config) => readConfigured(path, config)),
          )))),
        ))),
      ))),
)

/** The options of the backbone at a path. */
export const optionsAt = (path: string): TaskEither<Fault, FullOptions> => pipe(describedAt(path), TE.map(({ options }) => options))

/** The last value of an option on a command line; undefined where it is not given. */
const valueIn = (argv: ReadonlyArray<string>, option: string): string | undefined =>
  argv.flatMap((word, i) => (word === option ? argv.slice(i + 1, i + 2) : word.startsWith(`${option}=`) ? [word.slice(option.length + 1)] : [])).at(-1)

/** `model.heads` as `--set` gives it: what no file of weights says. */
const headsIn = (argv: ReadonlyArray<string>): number | undefined => {
  const given = argv.flatMap((word) => /^(?:--set=)?model\.heads=(\d{1,4})$/.exec(word)?.[1] ?? []).at(-1)
  return given === undefined ? undefined : Number(given)
}

/** Programs that train have settings where commands have options. */
const inSettings = (f: Fault): Fault => ({ ...f, remedy: f.remedy.replace('--heads N', '--set model.heads=N').replace(/(?:name that model with|or name the base with) --base.*$/, 'write it into adapter_config.json as base_model_name_or_path') })

/**
 * The backbone that a command line's `--model` names, for programs whose settings follow from it; undefined without one.
 * A fault is shown and ends the process, as it does in every command.
 */
export const describedBy = async (argv: ReadonlyArray<string>): Promise<Described | undefined> => {
  const path = valueIn(argv, '--model')
  if (path === undefined) return undefined
  const heads = headsIn(argv)
  const found = await pipe(
    localModel(process.env, (text) => { process.stderr.write(`${text}\n`) })(path),
    TE.chain((local) => describedAt(local, heads === undefined ? {} : { heads })),
    TE.mapLeft(inSettings),
  )()
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
