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
import { fault } from '../../../core/fault.ts'
import { declarations } from '../../../core/model.ts'
import { sizeOf } from '../../../core/type.ts'
import { decodeAs } from '../../../data/formats/codec.ts'
import { optionsOf } from '../../../models/huggingface/options.ts'
import type { HuggingFaceConfig } from '../../../models/huggingface/keys.ts'
import { configCodec } from '../../../models/huggingface/keys.ts'
import type { Pyramid } from '../../../models/huggingface/family.ts'
import type { FullOptions } from '../../../models/options.ts'
import { fullOptions } from '../../../models/options.ts'
import type { Vit } from '../../../models/vit.ts'
import type { Say } from '../../config/common.ts'
import type { CropView } from '../preprocess.ts'
import { localModel } from '../huggingface/hub.ts'
import { whatIs } from '../../../data/formats/file.ts'
import { readJson } from '../../../data/formats/json.ts'
import type { ModelOptions } from '../model.ts'
import type { PyramidBackbone } from '../huggingface/pyramid.ts'
import { describedPyramid } from '../huggingface/pyramid.ts'
import { readModel, readPyramid } from '../model.ts'
import { isRun, readRun } from '../run.ts'
import { writeBackbone } from '../huggingface/writer.ts'
import { initialValues } from '../../step/initialization.ts'
import { usualView, viewAt, viewOf } from './view.ts'

/** What it is: by the options of a Vision Transformer, or as a backbone with stages. */
export type DescribedNetwork =
  { readonly kind: 'vit'; readonly options: FullOptions } | { readonly kind: 'pyramid'; readonly pyramid: Pyramid }

const vitOf = (options: FullOptions): Pick<Described, 'network' | 'image'> => ({ network: { kind: 'vit', options }, image: options.image })

/** A network before its weights are read: its options, and how it sees images where its folder says. */
export interface Described {
  readonly network: DescribedNetwork
  /** Pixels along the side of the images that it was made for. */
  readonly image: number
  readonly view: Option<CropView>
}

/** By a whole reading, where no configuration says all. */
const readWhole = (path: string, o: DescribeOptions): TaskEither<Fault, Described> =>
  pipe(
    readModel(path, o),
    TE.chainEitherK((b) =>
      pipe(
        b.preprocessor === undefined ? E.right(usualView(b.model.options)) : viewOf(path, b.preprocessor, b.model.options.image),
        E.map((view): Described => ({ ...vitOf(b.model.options), view: O.some(view) })),
      ),
    ),
  )

/** By the config.json of a type that is known here. */
const readConfigured = (path: string, config: HuggingFaceConfig): TaskEither<Fault, Described> =>
  pipe(
    TE.fromEither(
      pipe(
        optionsOf(config),
        E.bimap(
          (m) => fault('data', { place: join(path, 'config.json'), found: `a ${config.model_type} that is not supported`, ...m }),
          fullOptions,
        ),
      ),
    ),
    TE.chain((options) =>
      pipe(
        viewAt(path, options.image),
        TE.map((view): Described => ({ ...vitOf(options), view })),
      ),
    ),
  )

/** What says of a model what its files do not. */
type DescribeOptions = Pick<ModelOptions, 'heads' | 'base'>

/** A backbone with stages, and how it sees pictures where that was read with it. */
type Stages = Pick<PyramidBackbone, 'model' | 'preprocessor'>

/** A backbone with stages at a path; none where it is another one. */
const describedStages = (path: string, base?: string): TaskEither<Fault, Option<Described>> =>
  pipe(
    isRun(path),
    TE.chain((run) => (run ? TE.right(O.none) : describedPyramid(path))),
    TE.map(O.map((model): Stages => ({ model, preprocessor: undefined }))),
    // by a whole reading, where no configuration of transformers says all
    TE.chain((found) => (O.isSome(found) ? TE.right<Fault, Option<Stages>>(found) : readPyramid(path, { base }))),
    TE.chain(
      O.match(
        () => TE.right(O.none),
        ({ model, preprocessor }) => {
          const { image } = model.options
          return pipe(
            viewAt(path, image, base),
            TE.chainEitherK((view) =>
              O.isSome(view) || preprocessor === undefined ? E.right(view) : pipe(viewOf(path, preprocessor, image), E.map(O.some)),
            ),
            TE.map((view) => O.some<Described>({ network: { kind: 'pyramid', pyramid: model }, image, view })),
          )
        },
      ),
    ),
  )

/** A Vision Transformer; of a Hugging Face folder, from its configuration alone. */
const describedVit = (path: string, o: DescribeOptions = {}): TaskEither<Fault, Described> =>
  pipe(
    isRun(path),
    TE.chain((run) =>
      run
        ? pipe(
            readRun(path, { network: 'teacher', mergeLora: true }),
            TE.chain(({ model: { options } }) =>
              pipe(
                viewAt(path, options.image),
                TE.map((view): Described => ({ ...vitOf(options), view })),
              ),
            ),
          )
        : pipe(
            whatIs(join(path, 'config.json')),
            TE.chain((what) =>
              what !== 'file'
                ? readWhole(path, o)
                : pipe(
                    readJson(join(path, 'config.json'), t.UnknownRecord),
                    TE.chain(
                      O.match(
                        () => readWhole(path, o),
                        (json) =>
                          !t.string.is(json.model_type)
                            ? readWhole(path, o)
                            : pipe(
                                TE.fromEither(
                                  decodeAs(
                                    configCodec,
                                    'data',
                                    join(path, 'config.json'),
                                    'choose another model, or correct config.json',
                                  )(json),
                                ),
                                TE.chain((config) => readConfigured(path, config)),
                              ),
                      ),
                    ),
                  ),
            ),
          ),
    ),
  )

/** The backbone at a path, and how it sees images; of a Hugging Face folder, from its configuration alone. */
export const describedAt = (path: string, o: DescribeOptions = {}): TaskEither<Fault, Described> =>
  pipe(
    describedStages(path, o.base),
    TE.chain(
      O.match(
        () => describedVit(path, o),
        (d) => TE.right(d),
      ),
    ),
  )

const noVit = (path: string): Fault =>
  fault('data', { place: path, found: 'a backbone with stages', allowed: 'a Vision Transformer', remedy: 'name the folder of one' })

/** The options of the Vision Transformer at a path. Fault: another backbone. */
export const optionsAt = (path: string): TaskEither<Fault, FullOptions> =>
  pipe(
    describedVit(path, {}),
    TE.chain(({ network }) => (network.kind === 'vit' ? TE.right(network.options) : TE.left(noVit(path)))),
  )

/** Programs that train have settings where commands have options. */
const inSettings = (f: Fault): Fault => ({
  ...f,
  remedy: f.remedy.replace('--heads N', '--set model.heads=N').replace(/--base(?: DIR\|FILE\|ID)?$/, '--set start.base=DIR|FILE|ID'),
})

/** The backbone that a run, a folder, a file or the id of a model names, and how it sees images. */
export const described = (name: string, say: Say, o: DescribeOptions = {}): TaskEither<Fault, Described> =>
  pipe(
    localModel(process.env, say)(name),
    TE.chain((local) => describedAt(local, o)),
    TE.mapLeft(inSettings),
  )

/** Writes a backbone with its random first values as a Hugging Face folder; gives the folder. */
export const writeInitial = (folder: string, model: Vit, seed: number): TaskEither<Fault, string> =>
  pipe(
    { model, weights: new Map(declarations(model.params).map(([path, d]) => [path, initialValues(d.init, sizeOf(d.shape), seed, path)])) },
    writeBackbone(folder),
    TE.map(() => folder),
  )
