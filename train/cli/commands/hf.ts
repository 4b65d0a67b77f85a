/** `npm run hf -- export|import|inspect|push`: backbones in and out of Hugging Face's format. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { parameterCount } from '../../../models/count.ts'
import type { ChannelRule } from '../../exchange/huggingface/imagery.ts'
import { channelRules } from '../../exchange/huggingface/imagery.ts'
import { typeOf } from '../../../models/huggingface/config.ts'
import type { HuggingFaceType } from '../../../models/huggingface/types.ts'
import { huggingFaceTypes } from '../../../models/huggingface/types.ts'
import type { VitOptions } from '../../../models/options.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import { parseArguments } from '../parsing.ts'
import type { Backbone } from '../../exchange/huggingface/backbone.ts'
import type { ModelOptions } from '../../exchange/model.ts'
import { readModel, readPyramid } from '../../exchange/model.ts'
import { frozenOptions, modelOptions } from './program.ts'
import { localModel } from '../../exchange/huggingface/hub.ts'
import { handedOn } from '../../exchange/huggingface/handing-on.ts'
import { readConfig } from '../../exchange/peft/folder.ts'
import type { RunOptions } from '../../exchange/run.ts'
import { exportAdapters, pyramidOfRun, readRun } from '../../exchange/run.ts'
import { pyramidSummary, pyramidWritten } from '../pyramids.ts'
import type { Precision } from '../../exchange/huggingface/weights.ts'
import type { WriteOptions } from '../../exchange/huggingface/writer.ts'
import { forms } from '../../exchange/huggingface/forms.ts'
import { push } from '../pushing.ts'
import { print, tell } from '../terminal.ts'
import { tellFault } from '../unexpected.ts'

const types = Object.keys(huggingFaceTypes)
const precisions = ['f32', 'f16', 'bf16']

const spec: CommandSpec = {
  call: commandLine('hf'),
  about: [
    "Backbones in and out of Hugging Face's format.",
    '',
    '  export --run DIR --out DIR     writes the backbone of a run as config.json, model.safetensors and preprocessor_config.json;',
    '                                 with --adapter, its adapters as adapter_config.json and adapter_model.safetensors',
    '  import --model DIR --out DIR   reads a folder of Hugging Face, timm or peft, a model of the hub by its id, or a file of weights (.safetensors,',
    '                                 .pth, .pt, .bin), adapts it where asked, and writes a folder of Hugging Face, with official.safetensors beside it',
    '  push --run DIR --repo ID       sends the backbone of a run, its preprocessor and a card written from the run to the hub; the token is HF_TOKEN',
    '  inspect --model DIR            says what a folder, model or file holds, and whether it is whole',
    '',
    "A model's id is owner/name or owner/name@revision. It is downloaded into the cache that Python shares; HF_ENDPOINT, HF_HOME,",
    'HF_HUB_CACHE, HF_TOKEN and HF_HUB_OFFLINE are honoured.',
  ].join('\n'),
  operands: [{ name: 'ACTION', text: 'what to do', choices: ['export', 'import', 'inspect', 'push'] }],
  answers: ['out'],
  options: [
    { name: 'run', value: 'DIR', text: 'the folder of a run' },
    ...modelOptions.filter(({ name }) => name !== 'network'),
    {
      name: 'format',
      value: 'NAME',
      choices: Object.keys(forms),
      text: 'write a folder of Hugging Face (default), official names, or a folder of timm',
    },
    { name: 'type', value: 'TYPE', choices: types, text: 'write this type; by default the one that fits the backbone' },
    {
      name: 'network',
      value: 'NAME',
      choices: ['teacher', 'student'],
      text: 'of a run, or of a file with both: the moving average (default) or the network that is trained',
    },
    { name: 'repo', value: 'OWNER/NAME', text: 'push: the repository, which is made where there is none' },
    { name: 'license', value: 'ID', text: 'push: the licence that the card names, such as apache-2.0; left to be filled by default' },
    { name: 'private', text: 'push: a repository that has to be made is private' },
    {
      name: 'checkpoint',
      value: 'WHICH',
      choices: ['newest', 'best'],
      text: 'of a run: its newest checkpoint (default), or the best, where it retains it (runtime.checkpoints.best)',
    },
    { name: 'adapter', text: 'of a run with LoRA: write its adapters alone, as a folder of peft' },
    { name: 'merge-lora', text: 'add trained adapters into their weights' },
    { name: 'precision', value: 'TYPE', choices: precisions, text: 'store numbers so; f32 by default' },
    { name: 'shard', value: 'BYTES', text: 'begin a new file where one would grow beyond this many bytes; 5e9 by default' },
    { name: 'channels', value: 'N', text: 'adapt the patch embedding to this many channels' },
    { name: 'channel-rule', value: 'RULE', choices: channelRules, text: 'how channels are adapted; sum by default' },
    { name: 'image', value: 'PIXELS', text: 'interpolate learned positions for square images of this many pixels a side' },
    { name: 'unknown', value: 'WHAT', choices: ['refuse', 'ignore'], text: 'tensors that have no place in the model; refuse by default' },
  ],
}

const wrong = (place: string, found: string, allowed: string): Fault =>
  fault('usage', { place, found, allowed, remedy: `see ${spec.call} --help` })

const textOf = (a: Arguments, name: string): O.Option<string> =>
  pipe(
    O.fromNullable(a.extra.get(name)),
    O.filter((v) => typeof v === 'string'),
  )

const needed = (a: Arguments, name: string, value: O.Option<string>): Either<Fault, string> =>
  E.fromOption(() => wrong(`--${name}`, 'nothing', `${a.operands[0] ?? ''} needs --${name}`))(value)

/** A positive whole number. */
const whole = (a: Arguments, name: string): Either<Fault, number | undefined> => {
  const text = textOf(a, name)
  if (O.isNone(text)) return E.right(undefined)
  const n = Number(text.value)
  return Number.isSafeInteger(n) && n > 0 ? E.right(n) : E.left(wrong(`--${name}`, text.value, 'a positive whole number'))
}

const oneOf = <A extends string>(names: ReadonlyArray<A>, text: O.Option<string>): A | undefined =>
  pipe(
    text,
    O.chainNullableK((s) => names.find((n) => n === s)),
    O.toUndefined,
  )

const readOptions = (a: Arguments): Either<Fault, ModelOptions> =>
  pipe(
    E.Do,
    E.bind('channels', () => whole(a, 'channels')),
    E.bind('image', () => whole(a, 'image')),
    E.bind('asked', () => frozenOptions(spec, a)),
    E.map(({ channels, image, asked }) => {
      const rule = oneOf<ChannelRule>(channelRules, textOf(a, 'channel-rule'))
      const change: Partial<VitOptions> = { ...(channels === undefined ? {} : { channels }), ...(image === undefined ? {} : { image }) }
      return {
        change,
        ...(rule === undefined ? {} : { channelRule: rule }),
        ...asked,
        unknown: oneOf(['refuse', 'ignore'] as const, textOf(a, 'unknown')) ?? 'refuse',
      }
    }),
  )

const isType = (s: string): s is HuggingFaceType => Object.hasOwn(huggingFaceTypes, s)

const writeOptions = (a: Arguments): Either<Fault, WriteOptions> =>
  pipe(
    whole(a, 'shard'),
    E.map((shard) => {
      const type = pipe(textOf(a, 'type'), O.filter(isType), O.toUndefined)
      const precision = oneOf<Precision>(['f32', 'f16', 'bf16'], textOf(a, 'precision'))
      return {
        ...(shard === undefined ? {} : { shard }),
        ...(type === undefined ? {} : { type }),
        ...(precision === undefined ? {} : { precision }),
      }
    }),
  )

const formOf = (a: Arguments): string => O.getOrElse(() => 'huggingface')(textOf(a, 'format'))

const writer = (a: Arguments): (typeof forms)[string] => forms[formOf(a)]

/** What was done and found, for a person and for `--json`. */
type Output = Readonly<Record<string, unknown>>

const report = (note: string): void => {
  tell(note)
}

/** The folder or file of `--model`, downloaded where it is an id. */
const source = (a: Arguments): TaskEither<Fault, string> =>
  pipe(TE.fromEither(needed(a, 'model', textOf(a, 'model'))), TE.chain(localModel(process.env, report)))

const summary = (b: Backbone): Output => {
  const {
    model: { options: o, params },
    source,
    stored,
    notes,
  } = b
  return {
    source,
    writes_as: typeOf(o),
    parameters: parameterCount(params),
    tensors: b.weights.size,
    stored,
    patch: o.patch,
    image: o.image,
    channels: o.channels,
    width: o.width,
    depth: o.depth,
    heads: o.heads,
    ffn: o.ffn,
    hidden: o.hidden,
    registers: o.registers,
    position: o.position,
    eps: o.eps,
    notes,
  }
}

const text = (v: unknown): string => (typeof v === 'string' ? v : JSON.stringify(v))

const shown = (s: Output): string =>
  Object.entries(s)
    .map(([k, v]) => `${k.padEnd(11)} ${Array.isArray(v) ? v.map(text).join('; ') || '-' : text(v)}`)
    .join('\n')

const say = (notes: ReadonlyArray<string>): TaskEither<Fault, void> =>
  TE.fromIO(() => {
    for (const n of notes) tell(n)
  })

const runOptions = (a: Arguments): RunOptions => ({
  network: oneOf(['teacher', 'student'] as const, textOf(a, 'network')) ?? 'teacher',
  mergeLora: a.extra.has('merge-lora'),
  checkpoint: oneOf(['newest', 'best'] as const, textOf(a, 'checkpoint')) ?? 'newest',
})

const pushing = (a: Arguments): TaskEither<Fault, Output> =>
  pipe(
    TE.Do,
    TE.bind('run', () => TE.fromEither(needed(a, 'run', textOf(a, 'run')))),
    TE.bind('repo', () => TE.fromEither(needed(a, 'repo', textOf(a, 'repo')))),
    TE.bind('writing', () => TE.fromEither(writeOptions(a))),
    TE.chain(({ run, repo, writing }) =>
      push(
        { run, repo, writing, license: O.toUndefined(textOf(a, 'license')), hidden: a.extra.has('private'), reading: runOptions(a) },
        report,
      ),
    ),
  )

const exporting = (a: Arguments): TaskEither<Fault, Output> =>
  pipe(
    TE.Do,
    TE.bind('run', () => TE.fromEither(needed(a, 'run', textOf(a, 'run')))),
    TE.bind('out', () => TE.fromEither(needed(a, 'out', a.out))),
    TE.bind('options', () => TE.fromEither(writeOptions(a))),
    TE.bind('pyramid', ({ run }) => pyramidOfRun(run, runOptions(a))),
    TE.chain(({ run, out, options, pyramid }) =>
      O.isNone(pyramid)
        ? exportingVit(a, run, out, options)
        : pipe(
            say(pyramid.value.notes),
            TE.chain(() => pyramidWritten(formOf(a), out, { ...options, ...handedOn(pyramid.value) }, false)(pyramid.value)),
          ),
    ),
  )

const exportingVit = (a: Arguments, run: string, out: string, options: WriteOptions): TaskEither<Fault, Output> =>
  pipe(
    readRun(run, runOptions(a)),
    TE.bindTo('backbone'),
    TE.chainFirst(({ backbone }) => say(backbone.notes)),
    TE.bind('files', ({ backbone }) => writer(a)(out, { ...options, ...handedOn(backbone) })(backbone)),
    TE.map(({ backbone, files }) => ({ ...summary(backbone), out, files })),
  )

const exportingAdapters = (a: Arguments): TaskEither<Fault, Output> =>
  pipe(
    TE.Do,
    TE.bind('run', () => TE.fromEither(needed(a, 'run', textOf(a, 'run')))),
    TE.bind('out', () => TE.fromEither(needed(a, 'out', a.out))),
    TE.bind('files', ({ run, out }) => exportAdapters(run, out, runOptions(a))),
    TE.bind('config', ({ out }) => readConfig(out)),
    TE.map(({ out, files, config }) => ({
      out,
      files,
      base: config.base_model_name_or_path ?? null,
      targets: config.target_modules,
      rank: config.r,
      alpha: config.lora_alpha,
    })),
  )

const importingVit = (a: Arguments, from: string, out: string, wishes: ModelOptions, options: WriteOptions): TaskEither<Fault, Output> =>
  pipe(
    readModel(from, wishes, report),
    TE.bindTo('backbone'),
    TE.chainFirst(({ backbone }) => say(backbone.notes)),
    TE.bind('files', ({ backbone }) =>
      pipe(
        // an official file is always there, alone or beside what is asked for
        [writer(a), ...(writer(a) === forms.official ? [] : [forms.official])],
        TE.traverseSeqArray((write) => write(out, { ...options, ...handedOn(backbone, wishes.change?.image !== undefined) })(backbone)),
        TE.map((files) => [...new Set(files.flat())]),
      ),
    ),
    TE.map(({ backbone, files }) => ({ ...summary(backbone), out, files })),
  )

const importing = (a: Arguments): TaskEither<Fault, Output> =>
  pipe(
    TE.Do,
    TE.bind('from', () => source(a)),
    TE.bind('out', () => TE.fromEither(needed(a, 'out', a.out))),
    TE.bind('wishes', () => TE.fromEither(readOptions(a))),
    TE.bind('options', () => TE.fromEither(writeOptions(a))),
    TE.bind('pyramid', ({ from, wishes }) => readPyramid(from, wishes)),
    TE.chain(({ from, out, wishes, options, pyramid }) =>
      O.isNone(pyramid)
        ? importingVit(a, from, out, wishes, options)
        : pipe(
            say(pyramid.value.notes),
            // an official file is always there, alone or beside what is asked for
            TE.chain(() =>
              pyramidWritten(
                formOf(a),
                out,
                { ...options, ...handedOn(pyramid.value, wishes.change?.image !== undefined) },
                true,
              )(pyramid.value),
            ),
          ),
    ),
  )

const inspectingVit = (from: string, wishes: ModelOptions): TaskEither<Fault, Output> =>
  pipe(
    readModel(from, wishes, report),
    TE.map((b) => ({ ...summary(b), ...(b.preprocessor === undefined ? {} : { preprocessor: b.preprocessor }) })),
  )

const inspecting = (a: Arguments): TaskEither<Fault, Output> =>
  pipe(
    TE.Do,
    TE.bind('from', () => source(a)),
    TE.bind('wishes', () => TE.fromEither(readOptions(a))),
    TE.bind('pyramid', ({ from, wishes }) => readPyramid(from, wishes)),
    TE.chain(({ from, wishes, pyramid }) => (O.isSome(pyramid) ? TE.right(pyramidSummary(pyramid.value)) : inspectingVit(from, wishes))),
  )

const actions: Readonly<Record<string, (a: Arguments) => TaskEither<Fault, Output>>> = {
  export: (a) => (a.extra.has('adapter') ? exportingAdapters : exporting)(a),
  import: importing,
  inspect: inspecting,
  push: pushing,
}

export const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const parsed = parseArguments(spec)(argv)
  if (E.isRight(parsed) && parsed.right._tag === 'Help') {
    print(parsed.right.text)
    return 0
  }
  const a = E.isRight(parsed) && parsed.right._tag === 'Run' ? parsed.right.arguments : undefined
  const outcome = E.isLeft(parsed) ? parsed : a === undefined ? E.right({}) : await actions[a.operands[0]](a)()
  if (E.isLeft(outcome)) {
    return tellFault(outcome.left)
  }
  print(shown(outcome.right))
  if (a?.json === true) print(JSON.stringify(outcome.right))
  return 0
}
