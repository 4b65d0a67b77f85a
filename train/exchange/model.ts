/**
 * A backbone wherever it comes from: the folder of a run, of Hugging Face or of timm, a file of weights, or adapters of the package peft
 * with the model that they belong to. What every command with `--model` reads.
 */
import { join, resolve } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { whatIs } from '../../data/formats/file.ts'
import { localModel } from './huggingface/hub.ts'
import type { Preprocessor } from './huggingface/preprocessor.ts'
import { processorOf } from './huggingface/processor.ts'
import type { Backbone, ReadOptions } from './huggingface/backbone.ts'
import { readBackbone } from './huggingface/reader.ts'
import { configFile, readConfig, withAdapters } from './peft/folder.ts'
import { namesFor } from './peft/names.ts'
import type { ModuleNames } from './peft/peft.ts'
import type { PyramidBackbone, ReadPyramidOptions } from './huggingface/pyramid.ts'
import { readPyramidFile, readPyramidFolder } from './huggingface/pyramid.ts'
import { isRun, pyramidOfRun, readRun } from './run.ts'

export interface ModelOptions extends ReadOptions {
  /** The model that adapters belong to, where their own configuration does not say it, or says another. */
  readonly base?: string
}

/** They as a caller may have them, who does not know whether there is a base. */
type Wishes = Omit<ModelOptions, 'base'> & { readonly base?: string | undefined }

type Say = (text: string) => void

/** Whether a folder holds adapters of the package peft. */
export const isAdapters = (path: string): TaskEither<Fault, boolean> =>
  pipe(
    whatIs(join(path, configFile)),
    TE.map((what) => what === 'file'),
  )

/**
 * A model that an adapter names: by its path from here, as peft has it, or from the adapter's folder (first where it begins with a dot),
 * or by its id on a hub.
 */
const baseOf = (folder: string, named: string, say: Say): TaskEither<Fault, string> => {
  const [first, second] = named.startsWith('.') ? [resolve(folder, named), named] : [named, resolve(folder, named)]
  return pipe(
    whatIs(first),
    TE.bindTo('one'),
    TE.bind('other', () => whatIs(second)),
    TE.chain(({ one, other }) =>
      one !== 'nothing'
        ? TE.right(first)
        : other !== 'nothing'
          ? TE.right(second)
          : pipe(
              localModel(process.env, say)(named),
              TE.mapLeft((f) => ({ ...f, place: `${folder}: its base ${f.place}`, remedy: `${f.remedy}; or name the base with --base` })),
            ),
    ),
  )
}

/** Where the model is that the adapters of a folder belong to. Faults: they do not say it; it is not there. */
export const baseAt = (folder: string, given: string | undefined, say: Say): TaskEither<Fault, string> =>
  pipe(
    readConfig(folder),
    TE.chainEitherK((config) =>
      E.fromNullable(
        fault('usage', {
          place: join(folder, configFile),
          found: 'no base_model_name_or_path',
          allowed: 'adapters that say which model they belong to',
          remedy: 'name that model with --base DIR|FILE|ID',
        }),
      )(given ?? config.base_model_name_or_path),
    ),
    TE.chain((named) => baseOf(folder, named, say)),
  )

/** As the base has them, as a file of official names has them, and as the folder that the base would be written as. */
const namesOf = ({ source, model }: Backbone): ReadonlyArray<ModuleNames> => [
  ...(source === 'official' ? [] : [source]),
  'own',
  ...(source === 'official' ? [namesFor({ vit: O.some(model), pyramid: O.none })] : []),
]

/** The processor of an adapter's folder, or that of its base. */
const seenIn = <B extends Pick<Backbone, 'preprocessor'>>(own: O.Option<Preprocessor>, b: B): B => ({
  ...b,
  preprocessor: O.getOrElseW(() => b.preprocessor)(own),
})

const added = (folder: string, path: string): string => `the adapters of ${folder} are added to the weights of ${path}`

const ofAdapters = (folder: string, o: ModelOptions, say: Say): TaskEither<Fault, Backbone> =>
  pipe(
    baseAt(folder, o.base, say),
    TE.bindTo('path'),
    TE.bind('base', ({ path }) => readModel(path, { ...o, base: undefined }, say)),
    TE.bind('own', () => processorOf(folder)),
    TE.chain(({ path, base, own }) =>
      pipe(
        withAdapters(folder, namesOf(base))(base),
        TE.map((b): Backbone => ({ ...seenIn(own, b), notes: [added(folder, path), ...b.notes] })),
      ),
    ),
  )

/** Reads a backbone. Faults: those of the readers; adapters without their base, and such as do not fit it. */
export const readModel = (path: string, { base, ...o }: Wishes = {}, say: Say = () => undefined): TaskEither<Fault, Backbone> =>
  pipe(
    isAdapters(path),
    TE.chain((adapters) =>
      adapters
        ? ofAdapters(path, { ...o, ...(base === undefined ? {} : { base }) }, say)
        : pipe(
            isRun(path),
            TE.chain((run) => (run ? readRun(path, { network: o.network ?? 'teacher', mergeLora: true }) : readBackbone(path, o))),
          ),
    ),
  )

/** Which of the wishes for a backbone one with stages can have. */
const ofStages = ({ change, ...o }: Omit<ModelOptions, 'base'>): ReadPyramidOptions => {
  const { channels, image, maskToken, dropPath } = change ?? {}
  return {
    ...o,
    change: {
      ...(channels === undefined ? {} : { channels }),
      ...(image === undefined ? {} : { image }),
      ...(maskToken === undefined ? {} : { maskToken }),
      ...(dropPath === undefined ? {} : { dropPath }),
    },
  }
}

const pyramidOfAdapters = (folder: string, { base, ...o }: Wishes, say: Say): TaskEither<Fault, O.Option<PyramidBackbone>> =>
  pipe(
    baseAt(folder, base, say),
    TE.bindTo('path'),
    TE.bind('base', ({ path }) => readPyramid(path, o, say)),
    TE.bind('own', () => processorOf(folder)),
    TE.chain(({ path, base: found, own }) =>
      O.isNone(found)
        ? TE.right(O.none)
        : pipe(
            withAdapters(folder, [found.value.model.family.type, 'own'])(found.value),
            TE.map((b) => O.some({ ...seenIn(own, b), notes: [added(folder, path), ...b.notes] })),
          ),
    ),
  )

/**
 * Reads a backbone with stages, a Swin or a ConvNeXt, from the folder of a run or of Hugging Face, a file of weights, or adapters with the
 * model that they belong to; none where it is another backbone, which `readModel` reads. Faults: those of the readers.
 */
export const readPyramid = (
  path: string,
  { base, ...o }: Wishes = {},
  say: Say = () => undefined,
): TaskEither<Fault, O.Option<PyramidBackbone>> =>
  pipe(
    whatIs(path),
    TE.chain((what) => {
      if (what === 'nothing') return TE.right(O.none)
      if (what === 'file') return readPyramidFile(path, ofStages(o))
      return pipe(
        isAdapters(path),
        TE.bindTo('adapters'),
        TE.bind('run', () => isRun(path)),
        TE.chain(({ adapters, run }) =>
          adapters
            ? pyramidOfAdapters(path, { ...o, base }, say)
            : run
              ? pyramidOfRun(path, { ...ofStages(o), network: o.network ?? 'teacher', mergeLora: true })
              : readPyramidFolder(path, ofStages(o)),
        ),
      )
    }),
  )
