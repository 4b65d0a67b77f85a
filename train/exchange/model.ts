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
import { processorOf } from './huggingface/processor.ts'
import type { Backbone, ReadOptions } from './huggingface/backbone.ts'
import { readBackbone } from './huggingface/reader.ts'
import { configFile, readConfig, withAdapters } from './peft/folder.ts'
import type { PyramidBackbone, ReadPyramidOptions } from './huggingface/pyramid.ts'
import { readPyramidFile, readPyramidFolder } from './huggingface/pyramid.ts'
import { isRun, pyramidOfRun, readRun } from './run.ts'

export interface ModelOptions extends ReadOptions {
  /** The model that adapters belong to, where their own configuration does not say it, or says another. */
  readonly base?: string
}

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
const baseOf = (folder: string, named: string, say: (text: string) => void): TaskEither<Fault, string> => {
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
export const baseAt = (folder: string, given: string | undefined, say: (text: string) => void): TaskEither<Fault, string> =>
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

const ofAdapters = (folder: string, o: ModelOptions, say: (text: string) => void): TaskEither<Fault, Backbone> =>
  pipe(
    baseAt(folder, o.base, say),
    TE.bindTo('path'),
    TE.bind('base', ({ path }) => readModel(path, { ...o, base: undefined }, say)),
    TE.bind('own', () => processorOf(folder)),
    TE.chain(({ path, base, own }) =>
      pipe(
        withAdapters(folder)(base),
        TE.map((b): Backbone => ({
          ...b,
          preprocessor: pipe(
            own,
            O.getOrElseW(() => base.preprocessor),
          ),
          notes: [`the adapters of ${folder} are added to the weights of ${path}`, ...b.notes],
        })),
      ),
    ),
  )

/** Reads a backbone. Faults: those of the readers; adapters without their base, and such as do not fit it. */
export const readModel = (
  path: string,
  { base, ...o }: Omit<ModelOptions, 'base'> & { readonly base?: string | undefined } = {},
  say: (text: string) => void = () => undefined,
): TaskEither<Fault, Backbone> =>
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

/**
 * Reads a backbone with stages, a Swin or a ConvNeXt, from the folder of a run or of Hugging Face, or a file of weights; none where it is
 * another backbone, which `readModel` reads. Faults: those of the readers.
 */
export const readPyramid = (path: string, o: Omit<ModelOptions, 'base'> = {}): TaskEither<Fault, O.Option<PyramidBackbone>> =>
  pipe(
    whatIs(path),
    TE.chain((what) => {
      if (what === 'nothing') return TE.right(O.none)
      if (what === 'file') return readPyramidFile(path, ofStages(o))
      return pipe(
        isRun(path),
        TE.chain((run) =>
          run
            ? pyramidOfRun(path, { ...ofStages(o), network: o.network ?? 'teacher', mergeLora: true })
            : readPyramidFolder(path, ofStages(o)),
        ),
      )
    }),
  )
