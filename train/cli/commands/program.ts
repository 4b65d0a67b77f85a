/** What the commands about trained networks share: from a command line to an exit code, with a device and a network in between. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../../compiler/target.ts'
import { openTarget } from '../../../compiler/targets/open.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Arguments, CommandSpec, OptionSpec } from '../arguments.ts'
import type { Reading } from '../reading.ts'
import { parseArguments } from '../parsing.ts'
import type { ProgramRun } from '../program-run.ts'
import { readProgramRun } from '../program-run.ts'
import type { Opener } from '../../../data/readers/opener.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import type { Split } from '../../../data/readers/split.ts'
import type { Dialect } from '../../../models/huggingface/dialect.ts'
import { dialects } from '../../../models/huggingface/dialect.ts'
import type { Network } from '../../exchange/network.ts'
import { networks } from '../../exchange/network.ts'
import type { Frozen, FrozenOptions } from '../../judge/evaluate/network.ts'
import { placeFrozen, readFrozen } from '../../judge/evaluate/network.ts'
import { splitsAt } from '../../judge/evaluate/parts.ts'
import type { Progress } from '../../run/log/progress.ts'
import { print } from '../terminal.ts'
import type { Together } from '../ranks.ts'
import { isSilent, launched, openTogether, spokenProgress, tellOnce } from '../ranks.ts'

/** What a command has done: lines for a person, and one object for a program. */
export interface Output {
  readonly text: string
  readonly json: Readonly<Record<string, unknown>>
}

/** What names a network, and what says of it what its files do not. */
export const modelOptions: ReadonlyArray<OptionSpec> = [
  {
    name: 'model',
    value: 'DIR|FILE|ID',
    text: 'a run, a folder of Hugging Face, timm or peft, a .safetensors or PyTorch file, or the id of a model on the hub',
  },
  { name: 'base', value: 'DIR|FILE|ID', text: 'the model that adapters belong to, where they do not say it' },
  { name: 'heads', value: 'N', text: 'attention heads, where a file does not say them' },
  {
    name: 'dialect',
    value: 'NAME',
    choices: dialects,
    text: 'resize positions and pictures as transformers or as the official code does; by default as the source does',
  },
  {
    name: 'network',
    value: 'NAME',
    choices: networks,
    text: 'of a file with two: the moving average (default) or the network that is trained',
  },
]

/** What names the program of a run whose backbone no other one computes. */
export const programOptions: ReadonlyArray<OptionSpec> = [
  {
    name: 'program',
    also: 'plugin',
    value: 'FILE',
    text: "the experiment's file, or a plugin's, for a run of a backbone or a reader of its own; its images are taken where none are named",
  },
]

const dialectOf = (text: string | undefined): Dialect | undefined => dialects.find((d) => d === text)
const networkOf = (text: string | undefined): Network | undefined => networks.find((n) => n === text)

/** How a command line wants its network read. */
export const frozenOptions = (c: CommandSpec, a: Arguments): Either<Fault, FrozenOptions> =>
  pipe(
    numberOption(c, a, 'heads', 0, (n) => n === 0 || isWhole(n), 'a whole number from 1'),
    E.map((heads) => {
      const [base, dialect, network] = [textOption(a, 'base'), dialectOf(textOption(a, 'dialect')), networkOf(textOption(a, 'network'))]
      return {
        ...(heads === 0 ? {} : { heads }),
        ...(base === undefined ? {} : { base }),
        ...(dialect === undefined ? {} : { dialect }),
        ...(network === undefined ? {} : { network }),
      }
    }),
  )

const wrong = (c: CommandSpec, place: string, found: string, allowed: string): Fault =>
  fault('usage', { place, found, allowed, remedy: `see ${c.call} --help` })

export const textOption = (a: Arguments, name: string): string | undefined => {
  const v = a.extra.get(name)
  return typeof v === 'string' ? v : undefined
}

/** The fault of a command without an option that it cannot do without. */
export const withoutOption = (c: CommandSpec, name: string): Fault => wrong(c, `--${name}`, 'nothing', `--${name} with a value`)

/** An option that a command cannot do without. */
export const needed = (c: CommandSpec, name: string, value: string | undefined): Either<Fault, string> =>
  E.fromNullable(withoutOption(c, name))(value)

/** Numbers between commas, each as asked; the given ones where the option is not there. */
export const numbersOption = (
  c: CommandSpec,
  a: Arguments,
  name: string,
  usual: ReadonlyArray<number>,
  good: (n: number) => boolean,
  allowed: string,
): Either<Fault, ReadonlyArray<number>> => {
  const text = textOption(a, name)
  if (text === undefined) return E.right(usual)
  const all = text.split(',').map((s) => (s.trim() === '' ? NaN : Number(s)))
  return all.every(good) ? E.right(all) : E.left(wrong(c, `--${name}`, text, allowed))
}

export const isWhole = (n: number): boolean => Number.isSafeInteger(n) && n > 0

/** One number, as asked. */
export const numberOption = (
  c: CommandSpec,
  a: Arguments,
  name: string,
  usual: number,
  good: (n: number) => boolean,
  allowed: string,
): Either<Fault, number> =>
  pipe(
    numbersOption(c, a, name, [usual], good, allowed),
    E.filterOrElse(
      (x) => x.length === 1,
      (x) => wrong(c, `--${name}`, x.join(','), allowed),
    ),
    E.map(([x]) => x),
  )

/** A network on a device, ready to be looked into. */
export interface Ready {
  readonly device: Device
  readonly frozen: Frozen
  readonly root: string
  readonly progress: Progress
  /** The images of the program that was named, as its run has them, and what opens others in its way. */
  readonly ofProgram: O.Option<Pick<ProgramRun, 'images' | 'opens'>>
}

const root = 'frozen'

const unnamed: CommandSpec = { call: 'npm run dinograph --', about: '' }

/** The target that is asked for, of this process alone or, where a launcher has started several and a command shares its work, of all. */
const opened = (a: Arguments, isShared: boolean, say: (text: string) => void): TaskEither<Fault, Together> => {
  const [target, threads] = [O.getOrElse((): string => 'auto')(a.target), O.getOrElse(() => 0)(a.threads)]
  const l = isShared ? launched() : undefined
  return l === undefined
    ? pipe(
        openTarget(target, threads === 0 ? {} : { threads }),
        TE.map((device) => ({ device, end: () => Promise.resolve() })),
      )
    : openTogether(l, target, threads, say)
}

/** How a command wants its network. */
export interface NetworkOptions {
  readonly spec?: CommandSpec
  /** Images are shared among the ranks that a launcher has started. */
  readonly isShared?: boolean
}

/** Opens the target, reads the network, and puts it there; says how it was read. The device is closed whatever happens. */
export const withNetwork = <A>(
  a: Arguments,
  model: string,
  use: (r: Ready) => TaskEither<Fault, A>,
  { spec: c = unnamed, isShared = false }: NetworkOptions = {},
): TaskEither<Fault, A> => {
  const progress = spokenProgress()
  const program = textOption(a, 'program')
  return pipe(
    TE.fromEither(frozenOptions(c, a)),
    TE.chain((o) =>
      program === undefined
        ? pipe(
            readFrozen(model, o, progress.say),
            TE.map((frozen) => ({ frozen, ofProgram: O.none })),
          )
        : pipe(
            readProgramRun(a, { file: program, run: model, options: o, say: progress.say }),
            TE.map(({ frozen, ...ofProgram }) => ({ frozen, ofProgram: O.some(ofProgram) })),
          ),
    ),
    TE.bind('open', () => opened(a, isShared, progress.say)),
    TE.chain(({ frozen, ofProgram, open: { device, end } }) => async () => {
      progress.say(`${model} on ${device.name}: ${device.description}`)
      for (const note of frozen.notes) progress.say(note)
      const result = await pipe(
        placeFrozen(device, root, frozen),
        TE.chain(() => use({ device, frozen, root, progress, ofProgram })),
      )()
      device.close()
      await end(E.isLeft(result) ? result.left : undefined)
      return result
    }),
  )
}

/** What opens the paths that a command is given: the program's own way, where it has one. */
const openerOf = ({ ofProgram }: Ready): Opener | undefined =>
  pipe(
    ofProgram,
    O.chainNullableK(({ opens }) => opens),
    O.toUndefined,
  )

/** The images of a command: what they are called, and every split of them as intensities, once there is a network. */
export interface Images {
  readonly name: string
  /** Those of the program's run, and not at a path. */
  readonly isOwn: boolean
  readonly splits: (r: Ready, reading: Reading) => TaskEither<Fault, ReadonlyMap<string, Dataset>>
}

const noImages = (c: CommandSpec): Fault =>
  fault('usage', {
    place: '--data',
    found: 'nothing',
    allowed: '--data DIR|FILE, or --program FILE',
    remedy: `name images (--data mnist: the digits that are shipped), or the program or plugin whose run this is, which has images; see ${c.call} --help`,
  })

/** Those at a path that is named, by default by `--data`, else those of the program. Fault: `missing`, where there are neither. */
export const imagesAsked = (
  c: CommandSpec,
  a: Arguments,
  named: O.Option<string> = a.data,
  missing: Fault = noImages(c),
): Either<Fault, Images> => {
  const program = textOption(a, 'program')
  const ofProgram: Images['splits'] = (r) =>
    pipe(
      r.ofProgram,
      O.match(
        () => TE.left<Fault, Split>(missing),
        ({ images }) => images,
      ),
      TE.map(({ train, test }) => new Map(Object.entries({ train, test }))),
    )
  if (O.isNone(named) && program !== undefined) return E.right({ name: program, isOwn: true, splits: ofProgram })
  return pipe(
    named,
    E.fromOption(() => missing),
    E.map((path) => ({
      name: path,
      isOwn: false,
      splits: (r, { open, intensity }) => splitsAt(path, r.progress.say, intensity, open, openerOf(r)),
    })),
  )
}

const show = (x: string | number): string => (typeof x === 'number' && !Number.isInteger(x) ? x.toPrecision(4) : String(x))

/** Rows as aligned columns, as wide as their widest cell. */
export const tableText = (rows: ReadonlyArray<Readonly<Record<string, string | number>>>): string => {
  const names = Object.keys(rows[0] ?? {})
  const cells = [names, ...rows.map((r) => names.map((n) => show(r[n])))]
  const widths = names.map((_, i) => Math.max(...cells.map((c) => c[i].length)))
  return cells
    .map((c) =>
      c
        .map((s, i) => s.padStart(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Runs a command; gives its exit code. Results go to stdout, faults to stderr; with `--json` the last line of stdout is one object. */
export const runProgram = async (
  c: CommandSpec,
  argv: ReadonlyArray<string>,
  run: (a: Arguments) => TaskEither<Fault, Output>,
): Promise<number> => {
  const parsed = parseArguments(c)(argv)
  if (E.isRight(parsed) && parsed.right._tag === 'Help') {
    if (!isSilent()) print(parsed.right.text)
    return 0
  }
  const outcome = E.isLeft(parsed)
    ? parsed
    : parsed.right._tag === 'Run'
      ? await run(parsed.right.arguments)()
      : E.right({ text: '', json: {} })
  if (E.isLeft(outcome)) return tellOnce(outcome.left)
  if (isSilent()) return 0
  print(outcome.right.text)
  if (E.isRight(parsed) && parsed.right._tag === 'Run' && parsed.right.arguments.json) print(JSON.stringify(outcome.right.json))
  return 0
}
