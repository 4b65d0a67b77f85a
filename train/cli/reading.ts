/**
 * The settings of a run that say how data are read, for commands that read data and train nothing: `--set data.select=MR` means the same
 * everywhere.
 */
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Task } from 'fp-ts/lib/Task.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { whatIs } from '../../data/formats/file.ts'
import type { Intensity } from '../../data/loading/intensity.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import type { Layer } from '../config/layers.ts'
import { layerAt, noLayer, readLayer, stacked } from '../config/layers.ts'
import { section } from '../config/section.ts'
import { resolve, settingsOf } from '../config/settings.ts'
import { images, intensityOf, readingOf } from '../recipes/parts/images.ts'
import type { Arguments } from './arguments.ts'
import { layersOf, withoutSettings } from './sources.ts'

const settings = section('what is read', { data: images().settings })

/** They as a command's help lists them. */
export const readingSettings = settingsOf(settings)

/** Of them, those that say what the network sees of values: a run has trained on what its own say. */
const seen = ['intensity', 'windows', 'ends'] as const

/** How images are read, and how their values become intensities: undefined as suits them. */
export interface Reading {
  readonly open: OpenOptions
  readonly intensity: Intensity | undefined
}

const layersAsked = (a: Arguments): Task<ReadonlyArray<Layer>> =>
  // the options and variables of other sections are no business of these commands
  layersOf(
    settings,
    { ...withoutSettings(a), config: O.none, data: a.data },
    Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('DINOGRAPH__DATA__'))),
  )

const ofConfiguration = t.type({ data: t.UnknownRecord })

/** What a run says of intensities, where it is one and nothing else was asked for. */
const layerOfRun = async (run: string, asked: ReadonlyArray<Layer>): Promise<Layer> => {
  const file = join(run, 'config.yaml')
  if (asked.some((l) => seen.some((name) => [...l.origins.keys()].some((path) => path.startsWith(`data.${name}`))))) return noLayer
  const what = await whatIs(file)()
  if (E.isLeft(what) || what.right !== 'file') return noLayer
  const { tree } = await readLayer(file)()
  const own = ofConfiguration.is(tree) ? tree.data : {}
  return stacked(seen.flatMap((name) => (own[name] === undefined ? [] : [layerAt(`data.${name}`, own[name], file)])))
}

/**
 * How a command line, and the environment, say that images are read; values become what they were for the run `of` where nothing else is
 * asked for. Faults: settings that are none, values that are wrong.
 */
export const readingFrom = (a: Arguments, of?: string): TaskEither<Fault, Reading> =>
  pipe(
    TE.fromTask(async () => {
      const asked = await layersAsked(a)()
      return of === undefined ? asked : [await layerOfRun(of, asked), ...asked]
    }),
    TE.chainEitherK((layers) => resolve(settings)(layers)),
    TE.bindTo('chosen'),
    TE.bind('intensity', ({ chosen }) => TE.fromEither(intensityOf(chosen.data))),
    TE.map(({ chosen, intensity }) => ({ open: readingOf(chosen.data), intensity })),
  )
