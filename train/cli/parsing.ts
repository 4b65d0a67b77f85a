/** The words of a command line, by the table of its options (arguments.ts): the parser, its checks, and the nearest valid name. */

import { parseArgs } from 'node:util'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import { isTargetName } from '../../compiler/targets/names.ts'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { nearest } from '../config/spelling.ts'
import type { Speech } from '../run/log/progress.ts'
import type { Assignment, CommandSpec, Parsed } from './arguments.ts'
import { helpText, optionsOf, shown } from './arguments.ts'

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
    options: Object.fromEntries(
      options.flatMap((o) =>
        [o.name, ...(o.also === undefined ? [] : [o.also])].map((name) => [
          name,
          { type: o.value === undefined ? ('boolean' as const) : ('string' as const) },
        ]),
      ),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const given = new Map<string, Array<string | true>>()
  const operands: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value)
    if (token.kind !== 'option') continue
    const spec = options.find((o) => (token.rawName.startsWith('--') ? [o.name, o.also] : [o.short]).includes(token.name))
    if (spec === undefined) {
      const names = options.map((o) => `--${o.name}`)
      return E.left(usage(c, 'the command line', `the unknown option ${token.rawName}`, names.join(' '), suggest(c, token.rawName, names)))
    }
    if (spec.value === undefined && token.value !== undefined) {
      return E.left(usage(c, token.rawName, `the value ${JSON.stringify(token.value)}`, 'no value', `write only ${token.rawName}`))
    }
    if (spec.value !== undefined) {
      const none = token.value === undefined || token.value === ''
      // a number below zero is a wrong number, and no option
      if (none || (!token.inlineValue && /^-(?!\d)/.test(token.value))) {
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
  if (operands.length <= specs.length || specs.at(-1)?.repeat === true) return E.right(undefined)
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

/** Whether an option is a command's own, by a name that others have for something else. */
const isOwn = (c: CommandSpec, name: string): boolean => c.options?.some((o) => o.name === name) === true

/** A number above zero, such as 0.5 or 12. */
const amountOf = (c: CommandSpec, given: Given, name: string): Either<Fault, Option<number>> => {
  const text = textOf(given, name)
  if (O.isNone(text) || isOwn(c, name)) return E.right(O.none)
  const n = /^\d{1,9}(\.\d{1,9})?$/.test(text.value) ? Number(text.value) : NaN
  return n > 0
    ? E.right(O.some(n))
    : E.left(usage(c, `--${name}`, text.value, 'a number above 0', `write --${name} ${name === 'epochs' ? 3 : 20}, for example`))
}

const lengths = ['steps', 'epochs', 'minutes'] as const

/** Of what says how long a run is, one alone. */
const oneLength = (c: CommandSpec, given: Given): Either<Fault, void> => {
  const said = lengths.filter((name) => given.has(name) && !isOwn(c, name)).map((name) => `--${name}`)
  return said.length <= 1
    ? E.right(undefined)
    : E.left(
        usage(
          c,
          'the command line',
          said.join(' and '),
          `one of ${lengths.map((name) => `--${name}`).join(', ')}: each says how long the run is`,
          `leave ${said.slice(1).join(' and ')} out`,
        ),
      )
}

/** Speech as both flags say it. */
const speechOf = (c: CommandSpec, given: Given): Either<Fault, Speech> =>
  given.has('quiet') && given.has('verbose')
    ? E.left(usage(c, 'the command line', '--quiet and --verbose', 'one of them', 'leave one out'))
    : E.right(given.has('quiet') ? 'quiet' : given.has('verbose') ? 'verbose' : 'usual')

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
    const devices = wholeOf(c, given, 'devices', 0, 1024)
    if (E.isLeft(devices)) return devices
    const seed = wholeOf(c, given, 'seed', 0, Number.MAX_SAFE_INTEGER)
    if (E.isLeft(seed)) return seed
    const steps = wholeOf(c, given, 'steps', 1, 1e12)
    if (E.isLeft(steps)) return steps
    const epochs = amountOf(c, given, 'epochs')
    if (E.isLeft(epochs)) return epochs
    const minutes = amountOf(c, given, 'minutes')
    if (E.isLeft(minutes)) return minutes
    const length = oneLength(c, given)
    if (E.isLeft(length)) return length
    const speech = speechOf(c, given)
    if (E.isLeft(speech)) return speech
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
        devices: devices.right,
        seed: seed.right,
        steps: steps.right,
        epochs: epochs.right,
        minutes: minutes.right,
        resume: given.has('resume'),
        overwrite: given.has('overwrite'),
        preview: preview.right,
        json: given.has('json'),
        speech: speech.right,
        failOnCollapse: given.has('fail-on-collapse'),
        extra,
        operands,
      },
    })
  }
