/**
 * The settings of a run that say how data are read, for commands that read data and train nothing: `--set data.select=MR` means the same
 * everywhere.
 */
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { section } from '../config/section.ts'
import { resolve, settingsOf } from '../config/settings.ts'
import { images, readingOf } from '../recipes/parts/images.ts'
import type { Arguments } from './arguments.ts'
import { layersOf, withoutSettings } from './sources.ts'

const settings = section('what is read', { data: images().settings })

/** They as a command's help lists them. */
export const readingSettings = settingsOf(settings)

/** How a command line, and the environment, say that data are read. Faults: settings that are none, values that are wrong. */
export const readingFrom = (a: Arguments): TaskEither<Fault, OpenOptions> =>
  pipe(
    // the options and variables of other sections are no business of these commands
    TE.fromTask(
      layersOf(
        settings,
        { ...withoutSettings(a), config: O.none, data: a.data },
        Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('DINOGRAPH__DATA__'))),
      ),
    ),
    TE.chainEitherK((layers) => resolve(settings)(layers)),
    TE.map(({ data }) => readingOf(data)),
  )
