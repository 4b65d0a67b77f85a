/** A command with the plugins that its words name: loaded before help is written and words are checked, which both list their settings. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import type { Added } from '../recipes/added.ts'
import { addedBy, nothing } from '../recipes/added.ts'
import type { OptionSpec } from './arguments.ts'
import { quoted } from './entry.ts'
import { parseArguments } from './parsing.ts'
import { pluginsOf } from './plugins.ts'

export interface Plugged {
  readonly added: Added
  /** How the command is called with them. */
  readonly call: string
}

export interface PluggedCommand {
  /** How it is called without. */
  readonly call: string
  /** The name of the experiment, by which its folder is found. */
  readonly name: string
  readonly options: ReadonlyArray<OptionSpec>
}

const isAsking = (word: string): boolean => word === '--help' || word === '-h'

/** Whether help is asked for. */
export const asksForHelp = (argv: ReadonlyArray<string>): boolean => argv.some(isAsking)

/** What plugins add to a command; words that are wrong are told by the command itself. Faults: of `pluginsOf`; names that are taken. */
export const pluggedBy =
  ({ call, name, options }: PluggedCommand, argv: ReadonlyArray<string>): TaskEither<Fault, Plugged> =>
  async (): Promise<Either<Fault, Plugged>> => {
    const parsed = parseArguments({ call, about: '', options })(argv.filter((word) => !isAsking(word)))
    if (E.isLeft(parsed) || parsed.right._tag !== 'Run') return E.right({ added: nothing, call })
    return pipe(
      await pluginsOf(parsed.right.arguments, { name, call }, process.env),
      E.bindTo('loaded'),
      E.bind('added', ({ loaded }) => addedBy(loaded)),
      E.map(({ loaded, added }) => ({ added, call: `${call}${loaded.map((l) => ` --plugin ${quoted(l.file)}`).join('')}` })),
    )
  }
