/**
 * The command line that every example answers. One table says what the options are: the parser, the checks, the help and
 * the nearest valid name all read it. A command adds options and operands of its own.
 */

import { parseArgs } from 'node:util'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import type { TargetName } from '../../compiler/targets/names.ts'
import { isTargetName, targetNames } from '../../compiler/targets/names.ts'
import type { SettingLine } from '../config/settings.ts'
import { settingsText } from '../config/help.ts'
import { nearest } from '../config/spelling.ts'

/** One option. Without `value` it is a flag. */
export interface OptionSpec {
  /** Without the dashes. */
  readonly name: string
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
  readonly seed: Option<number>
  readonly steps: Option<number>
  readonly resume: boolean
  /** An earlier run in the folder is moved aside. */
  readonly overwrite: boolean
  /** Where to write a contact sheet of crops. */
  readonly preview: Option<string>
  readonly json: boolean
  /** The command's own options by name: the text of the last value, or true for a flag. */
  readonly extra: ReadonlyMap<string, string | true>
  /** The operands, in order. */
  readonly operands: ReadonlyArray<string>
}

/** Either the help was asked for, or the command is to run. */
export type Parsed = { readonly _tag: 'Help'; readonly text: string } | { readonly _tag: 'Run'; readonly arguments: Arguments }

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
    text: 'crops, network and schedule for a kind of images, where nothing else says them; usual: what suits them',
  },
  { name: 'target', value: 'NAME', choices: targetNames, text: 'run on this target' },
  { name: 'threads', value: 'N', text: 'number of threads' },
  { name: 'seed', value: 'N', text: 'the seed of every random draw' },
  { name: 'steps', value: 'N', text: 'number of steps' },
  { name: 'resume', text: 'continue from the newest whole checkpoint' },
  { name: 'overwrite', text: 'move an earlier run in the folder aside, to NAME.1, and begin anew' },
  { name: 'preview', value: 'FILE.png', text: 'write a contact sheet of crops first: what the network sees' },
  { name: 'json', text: 'make the last line of stdout one JSON object' },
  { name: 'help', text: 'show this text' },
]

const optionsOf = (c: CommandSpec): ReadonlyArray<OptionSpec> => {
  const own = c.options ?? []
  const answered = (name: string): boolean => c.answers === undefined || c.answers.includes(name) || name === 'json' || name === 'help'
  return [...own, ...commonOptions.filter((o) => answered(o.name) && !own.some((p) => p.name === o.name))]
}

const shown = (o: OptionSpec): string => `--${o.name}${o.value === undefined ? '' : ` ${o.value}`}`

/** The text of `--help`. */
export const helpText = (c: CommandSpec): string => {
  const options = optionsOf(c)
  const operands = c.operands ?? []
  const width = Math.max(...options.map((o) => shown(o).length), ...operands.map((o) => o.name.length)) + 2
  const line = (left: string, text: string, choices?: ReadonlyArray<string>): string =>
    `  ${left.padEnd(width)}${text}${choices === undefined ? '' : `\n  ${' '.repeat(width)}(${choices.join(', ')})`}`
  const use = operands.map((o) => (o.optional === true ? ` [${o.name}]` : ` ${o.name}`)).join('')
  return [
    c.about,
    '',
    `usage: ${c.call}${use} [options]`,
    ...(operands.length === 0 ? [] : ['', ...operands.map((o) => line(o.name, o.text, o.choices))]),
    '',
    ...options.map((o) => line(shown(o), o.text, o.choices)),
    ...(c.settings === undefined
      ? []
      : ['', 'settings, for --set and configuration files (defaults in brackets):', '', settingsText(c.settings)]),
  ].join('\n')
}

const usage = (c: CommandSpec, place: string, found: string, allowed: string, remedy = `see ${c.call} --help`): Fault =>
  fault('usage', { place, found, allowed, remedy })

const suggest = (c: CommandSpec, given: string, names: ReadonlyArray<string>): string => {
  const near = nearest(given, names)
  return near === undefined ? `see ${c.call} --help` : `did you mean ${near}?`
}

/** All values of every option given, in order; true for a flag. */
type Given = ReadonlyMap<string, ReadonlyArray<string | true>>

interface Words {
  readonly given: Given
  readonly operands: ReadonlyArray<string>
}

/** Sorts the words of a command line into options and operands. Fault: an unknown option, a missing or unwanted value. */
const words = (c: CommandSpec, argv: ReadonlyArray<string>): Either<Fault, Words> => {
  const options = optionsOf(c)
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(options.map((o) => [o.name, { type: o.value === undefined ? ('boolean' as const) : ('string' as const) }])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const given = new Map<string, Array<string | true>>()
  const operands: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value)
    if (token.kind !== 'option') continue
    const spec = token.rawName.startsWith('--') ? options.find((o) => o.name === token.name) : undefined
    if (spec === undefined) {
      const names = options.map((o) => `--${o.name}`)
      return E.left(usage(c, 'the command line', `the unknown option ${token.rawName}`, names.join(' '), suggest(c, token.rawName, names)))
    }
    if (spec.value === undefined && token.value !== undefined) {
      return E.left(usage(c, token.rawName, `the value ${JSON.stringify(token.value)}`, 'no value', `write only ${token.rawName}`))
    }
    if (spec.value !== undefined) {
      const none = token.value === undefined || token.value === ''
      if (none || (!token.inlineValue && token.value.startsWith('-'))) {
        const found = none ? 'no value' : `${token.value}, which looks like an option`
        return E.left(usage(c, token.rawName, found, shown(spec), `write ${token.rawName}=${spec.value}`))
      }
    }
    const value = token.value ?? true
    if (spec.choices !== undefined && typeof value === 'string' && !spec.choices.includes(value)) {
      return E.left(usage(c, token.rawName, value, spec.choices.join(', '), suggest(c, value, spec.choices)))
    }
    given.set(spec.name, [...(given.get(spec.name) ?? []), value])
  }
  return E.right({ given, operands })
}

const checkOperands = (c: CommandSpec, operands: ReadonlyArray<string>): Either<Fault, void> => {
  const specs = c.operands ?? []
  for (const [i, spec] of specs.entries()) {
    if (i >= operands.length) {
      if (spec.optional === true) continue
      return E.left(usage(c, spec.name, 'nothing', spec.choices?.join(', ') ?? spec.text))
    }
    if (spec.choices !== undefined && !spec.choices.includes(operands[i])) {
      return E.left(usage(c, spec.name, operands[i], spec.choices.join(', '), suggest(c, operands[i], spec.choices)))
    }
  }
  if (operands.length <= specs.length) return E.right(undefined)
  const allowed = specs.length === 0 ? 'options only' : `at most ${specs.length} word(s) without a dash`
  return E.left(usage(c, 'the command line', `the word ${JSON.stringify(operands[specs.length])}`, allowed))
}

const textOf = (given: Given, name: string): Option<string> => {
  const last = given.get(name)?.at(-1)
  return typeof last === 'string' ? O.some(last) : O.none
}

const wholeOf = (c: CommandSpec, given: Given, name: string, low: number, high: number): Either<Fault, Option<number>> => {
  const text = textOf(given, name)
  if (O.isNone(text)) return E.right(O.none)
  const n = /^\d{1,16}$/.test(text.value) ? Number(text.value) : NaN
  return n >= low && n <= high
    ? E.right(O.some(n))
    : E.left(usage(c, `--${name}`, text.value, `a whole number in [${low}, ${high}]`, `write --${name} ${low === 0 ? 7 : 4}, for example`))
}

/** A picture is written, whatever it is called: another ending would be a lie. */
const pictureOf = (c: CommandSpec, given: Given, name: string): Either<Fault, Option<string>> => {
  const text = textOf(given, name)
  return O.isNone(text) || /\.png$/i.test(text.value)
    ? E.right(text)
    : E.left(
        usage(c, `--${name}`, text.value, 'a file name that ends in .png', `write --${name} ${text.value.replace(/\.[^./\\]*$/, '')}.png`),
      )
}

const assignments = (c: CommandSpec, given: Given): Either<Fault, ReadonlyArray<Assignment>> => {
  const out: Assignment[] = []
  for (const text of given.get('set') ?? []) {
    const m = typeof text === 'string' ? /^([^=\s]+)=([^]*)$/.exec(text) : null
    if (m === null) return E.left(usage(c, '--set', String(text), 'PATH=VALUE', 'write --set optimizer.lr=0.001, for example'))
    out.push({ path: m[1], value: m[2] })
  }
  // a setting by another name, whose values its codec knows
  for (const name of given.get('preset') ?? []) out.push({ path: 'preset', value: String(name) })
  const plugins = given.get('plugin') ?? []
  if (plugins.length > 0) out.push({ path: 'plugins', value: JSON.stringify(plugins) })
  return E.right(out)
}

/**
 * Decodes a command line, `process.argv.slice(2)`. Of an option that may not be repeated the last value counts. `--help`
 * (or `-h`) anywhere gives the help. Faults (`usage`, exit code 2): an unknown option, with the nearest valid one; a missing,
 * unwanted or wrong value; an unknown target; a word too many or too few.
 */
export const parseArguments =
  (c: CommandSpec) =>
  (argv: ReadonlyArray<string>): Either<Fault, Parsed> => {
    const end = argv.indexOf('--')
    if ((end < 0 ? argv : argv.slice(0, end)).some((w) => w === '--help' || w === '-h')) return E.right({ _tag: 'Help', text: helpText(c) })
    const w = words(c, argv)
    if (E.isLeft(w)) return w
    const { given, operands } = w.right
    const checked = checkOperands(c, operands)
    if (E.isLeft(checked)) return checked
    const set = assignments(c, given)
    if (E.isLeft(set)) return set
    const threads = wholeOf(c, given, 'threads', 1, 1024)
    if (E.isLeft(threads)) return threads
    const seed = wholeOf(c, given, 'seed', 0, Number.MAX_SAFE_INTEGER)
    if (E.isLeft(seed)) return seed
    const steps = wholeOf(c, given, 'steps', 1, 1e12)
    if (E.isLeft(steps)) return steps
    const preview = pictureOf(c, given, 'preview')
    if (E.isLeft(preview)) return preview
    const extra = new Map<string, string | true>()
    for (const o of c.options ?? []) {
      const value = given.get(o.name)?.at(-1)
      if (value !== undefined) extra.set(o.name, value)
    }
    const text = (name: string): Option<string> => textOf(given, name)
    return E.right({
      _tag: 'Run',
      arguments: {
        config: text('config'),
        set: set.right,
        data: text('data'),
        model: text('model'),
        out: text('out'),
        target: O.filter(isTargetName)(text('target')),
        threads: threads.right,
        seed: seed.right,
        steps: steps.right,
        resume: given.has('resume'),
        overwrite: given.has('overwrite'),
        preview: preview.right,
        json: given.has('json'),
        extra,
        operands,
      },
    })
  }
