/** The options of `hf`, and what they decode to. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import { commandLine } from '../../core/command.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { HuggingFaceType } from '../../models/huggingface/types.ts'
import { huggingFaceTypes } from '../../models/huggingface/types.ts'
import type { VitOptions } from '../../models/options.ts'
import { forms } from '../exchange/huggingface/forms.ts'
import type { ChannelRule } from '../exchange/huggingface/imagery.ts'
import { channelRules } from '../exchange/huggingface/imagery.ts'
import type { Precision } from '../exchange/huggingface/weights.ts'
import type { WriteOptions } from '../exchange/huggingface/writer.ts'
import type { ModelOptions } from '../exchange/model.ts'
import type { RunOptions } from '../exchange/run.ts'
import type { Arguments, CommandSpec } from './arguments.ts'
import { frozenOptions, modelOptions } from './commands/program.ts'

const types = Object.keys(huggingFaceTypes)
const precisions = ['f32', 'f16', 'bf16']

export const hfSpec: CommandSpec = {
  call: commandLine('hf'),
  about: [
    "Backbones in and out of Hugging Face's format.",
    '',
    '  export --run DIR --out DIR     writes the backbone of a run as config.json, model.safetensors and preprocessor_config.json;',
    '                                 with --adapter, its adapters as adapter_config.json and adapter_model.safetensors',
    '  import --model DIR --out DIR   reads a folder of Hugging Face, timm or peft, a model of the hub by its id, or a file of weights (.safetensors,',
    '                                 .pth, .pt, .bin), adapts it where asked, and writes a folder of Hugging Face, with official.safetensors beside it',
    '  push --run DIR --repo ID       sends the backbone of a run, with --adapter its adapters alone, its preprocessor and a card written from the run',
    '                                 to the hub; the token is HF_TOKEN',
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
  fault('usage', { place, found, allowed, remedy: `see ${hfSpec.call} --help` })

export const textOf = (a: Arguments, name: string): O.Option<string> =>
  pipe(
    O.fromNullable(a.extra.get(name)),
    O.filter((v) => typeof v === 'string'),
  )

export const needed = (a: Arguments, name: string, value: O.Option<string>): Either<Fault, string> =>
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

export const readOptions = (a: Arguments): Either<Fault, ModelOptions> =>
  pipe(
    E.Do,
    E.bind('channels', () => whole(a, 'channels')),
    E.bind('image', () => whole(a, 'image')),
    E.bind('asked', () => frozenOptions(hfSpec, a)),
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

export const writeOptions = (a: Arguments): Either<Fault, WriteOptions> =>
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

export const formOf = (a: Arguments): string => O.getOrElse(() => 'huggingface')(textOf(a, 'format'))

export const writer = (a: Arguments): (typeof forms)[string] => forms[formOf(a)]

export const runOptions = (a: Arguments): RunOptions => ({
  network: oneOf(['teacher', 'student'] as const, textOf(a, 'network')) ?? 'teacher',
  mergeLora: a.extra.has('merge-lora'),
  checkpoint: oneOf(['newest', 'best'] as const, textOf(a, 'checkpoint')) ?? 'newest',
})
