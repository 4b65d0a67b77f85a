/**
 * The command line that every example answers. One table says what the options are: the parser (parsing.ts), the checks, the help and
 * the nearest valid name all read it. A command adds options and operands of its own.
 */

import type { Option } from 'fp-ts/lib/Option.js'
import type { TargetName } from '../../compiler/targets/names.ts'
import { targetNames } from '../../compiler/targets/names.ts'
import type { SettingLine } from '../config/settings.ts'
import { settingsText } from '../config/help.ts'
import { presetNames } from '../config/preset.ts'
import type { Speech } from '../run/log/progress.ts'

/** One option. Without `value` it is a flag. */
export interface OptionSpec {
  /** Without the dashes. */
  readonly name: string
  /** Another word for it, which other commands have. */
  readonly also?: string
  /** A letter that stands for it behind one dash. */
  readonly short?: string
  /** What stands for the value in the help: `FILE`. */
  readonly value?: string
  readonly repeat?: boolean
  readonly text: string
  /** The values that are accepted, where they are few. */
  readonly choices?: ReadonlyArray<string>
}

/** What comes without a dash: `knn` in `evaluate knn`. */
export interface OperandSpec {
  readonly name: string
  readonly text: string
  readonly choices?: ReadonlyArray<string>
  readonly optional?: boolean
  /** The last one may stand several times. */
  readonly repeat?: boolean
}

/** A command: what its help says, and what it takes. */
export interface CommandSpec {
  /** How it is called: `npx tsx examples/dinov2.ts`. */
  readonly call: string
  readonly about: string
  /** Options of its own; one that has the name of a common option takes its place. */
  readonly options?: ReadonlyArray<OptionSpec>
  /** Names of the common options that it answers; all of them, unless said. `--json` and `--help` every command answers. */
  readonly answers?: ReadonlyArray<string>
  readonly operands?: ReadonlyArray<OperandSpec>
  /** The settings that `--config` and `--set` may change. */
  readonly settings?: ReadonlyArray<SettingLine>
}

/** `--set PATH=VALUE`: the path in the configuration and the text of the value, which the configuration's codec reads. */
export interface Assignment {
  readonly path: string
  readonly value: string
}

/** A decoded command line. What was not given is none, so that the configuration decides. */
export interface Arguments {
  readonly config: Option<string>
  readonly set: ReadonlyArray<Assignment>
  readonly data: Option<string>
  readonly model: Option<string>
  readonly out: Option<string>
  readonly target: Option<TargetName>
  readonly threads: Option<number>
  readonly devices: Option<number>
  readonly seed: Option<number>
  readonly steps: Option<number>
  /** In place of steps: passes over the images, or minutes of training. */
  readonly epochs: Option<number>
  readonly minutes: Option<number>
  readonly resume: boolean
  /** An earlier run in the folder is moved aside. */
  readonly overwrite: boolean
  /** Where to write a contact sheet of crops. */
  readonly preview: Option<string>
  readonly json: boolean
  /** What is said on the way: notes and the result alone; what is usual; what was tried, too. */
  readonly speech: Speech
  /** A run that has collapsed ends with an exit code of its own. */
  readonly failOnCollapse: boolean
  /** The command's own options by name: the text of the last value, or true for a flag. */
  readonly extra: ReadonlyMap<string, string | true>
  /** The operands, in order. */
  readonly operands: ReadonlyArray<string>
}

/** Either the help was asked for, or the command is to run. */
export type Parsed = { readonly _tag: 'Help'; readonly text: string } | { readonly _tag: 'Run'; readonly arguments: Arguments }

/** The exit code of a collapsed run, where it is asked for. */
export const collapseCode = 3

/** What exit codes say, in help. */
export const exitCodes = (collapse: boolean): string =>
  [
    'exit codes: 0 done, also where a signal stopped a run after a step; 1 failed; 2 wrong use, nothing was begun',
    ...(collapse ? [`${collapseCode} collapsed, with --fail-on-collapse`] : []),
    '130 stopped at once by a second signal',
  ].join('; ')

/** The options that all commands share. */
export const commonOptions: ReadonlyArray<OptionSpec> = [
  { name: 'config', value: 'FILE', text: 'read the configuration from a YAML file' },
  { name: 'set', value: 'PATH=VALUE', repeat: true, text: 'change one value of the configuration; may be repeated' },
  { name: 'data', value: 'DIR|FILE', text: 'train on these images instead of the shipped ones' },
  { name: 'model', value: 'DIR|FILE|ID', text: 'start from this run, Hugging Face folder, official file, or model of the hub' },
  { name: 'out', value: 'DIR', text: 'write results into this folder' },
  {
    name: 'preset',
    value: 'NAME',
    text: `crops, network and schedule for a kind of images, where nothing else says them: ${presetNames.join(', ')}; usual: what suits them; none: the program`,
  },
  { name: 'target', value: 'NAME', choices: targetNames, text: 'run on this target' },
  { name: 'threads', value: 'N', text: 'number of threads' },
  { name: 'devices', value: 'N', text: 'number of devices of pjrt:… that share each batch; 0: all' },
  { name: 'seed', value: 'N', text: 'the seed of every random draw' },
  { name: 'steps', value: 'N', text: 'number of steps' },
  { name: 'epochs', value: 'N', text: 'number of passes over the images to train on, in place of steps' },
  {
    name: 'minutes',
    value: 'N',
    text: 'minutes of training, in place of steps: as many as the pace of the first ones allows, which schedules follow',
  },
  { name: 'resume', text: 'continue from the newest whole checkpoint' },
  { name: 'overwrite', text: 'move an earlier run in the folder aside, to NAME.1, and begin anew' },
  { name: 'preview', value: 'FILE.png', text: 'write a contact sheet of crops first: what the network sees' },
  { name: 'fail-on-collapse', text: `exit with code ${collapseCode} where the features have collapsed by the end of training` },
  { name: 'quiet', text: 'say nothing on the way but notes and warnings' },
  { name: 'verbose', short: 'v', text: 'say also what was tried, such as targets by auto' },
  { name: 'json', text: 'make the last line of stdout one JSON object' },
  { name: 'help', short: 'h', text: 'show this text' },
]

/** All options of a command: its own, and the common ones that it answers. */
export const optionsOf = (c: CommandSpec): ReadonlyArray<OptionSpec> => {
  const own = c.options ?? []
  const answered = (name: string): boolean => c.answers === undefined || c.answers.includes(name) || name === 'json' || name === 'help'
  return [...own, ...commonOptions.filter((o) => answered(o.name) && !own.some((p) => p.name === o.name))]
}

/** An option as it is written: `--steps N`. */
export const shown = (o: OptionSpec): string =>
  `${o.short === undefined ? '' : `-${o.short}, `}--${o.name}${o.value === undefined ? '' : ` ${o.value}`}`

/** The text of `--help`. */
export const helpText = (c: CommandSpec): string => {
  const options = optionsOf(c)
  const operands = c.operands ?? []
  const width = Math.max(...options.map((o) => shown(o).length), ...operands.map((o) => o.name.length)) + 2
  const line = (left: string, text: string, choices?: ReadonlyArray<string>): string =>
    `  ${left.padEnd(width)}${text}${choices === undefined ? '' : `\n  ${' '.repeat(width)}(${choices.join(', ')})`}`
  const named = (o: OperandSpec): string => `${o.name}${o.repeat === true ? ' …' : ''}`
  const use = operands.map((o) => (o.optional === true ? ` [${named(o)}]` : ` ${named(o)}`)).join('')
  return [
    c.about,
    '',
    `usage: ${c.call}${use} [options]`,
    ...(operands.length === 0 ? [] : ['', ...operands.map((o) => line(o.name, o.text, o.choices))]),
    '',
    ...options.map((o) => line(shown(o), o.text, o.choices)),
    '',
    exitCodes(options.some((o) => o.name === 'fail-on-collapse')),
    ...(c.settings === undefined
      ? []
      : ['', 'settings, for --set and configuration files (defaults in brackets):', '', settingsText(c.settings)]),
  ].join('\n')
}
