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
import type { Fault } from '../../core/fault.ts'
import { valueAt } from '../../data/formats/codec.ts'
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

/** What layers say of these. */
const seenIn = ({ tree }: Layer): ReadonlyArray<readonly [path: string, value: unknown]> =>
  seen.flatMap((name) => {
    const value = valueAt(tree, 'data', name)
    return value === undefined ? [] : [[`data.${name}`, value] as const]
  })

/** What a run says of them, where it is one and nothing else was asked for. */
const layerOfRun = async (run: string, asked: ReadonlyArray<Layer>): Promise<Layer> => {
  const file = join(run, 'config.yaml')
  const what = await whatIs(file)()
  if (seenIn(stacked(asked)).length > 0 || E.isLeft(what) || what.right !== 'file') return noLayer
  return stacked(seenIn(await readLayer(file)()).map(([path, value]) => layerAt(path, value, file)))
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
