/** `npm run export -- --model DIR --onnx FILE`: networks as files that other programs run. */
import { sep } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Sides } from '../../../compiler/targets/onnx/images.ts'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { onnxFeatures, writeOnnx } from '../../exchange/onnx.ts'
import type { Preprocess } from '../../exchange/preprocess.ts'
import type { Frozen } from '../../judge/evaluate/network.ts'
import { readFrozen } from '../../judge/evaluate/network.ts'
import { startProgress } from '../../run/log/progress.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import type { Output } from './program.ts'
import { frozenOptions, modelOptions, needed, runProgram, textOption } from './program.ts'

const spec: CommandSpec = {
  call: commandLine('export'),
  about: [
    'Writes the features of a network as a file that other programs run.',
    '',
    'ONNX (opset 17): pixels [B, C, H, W], normalised, become cls [B, D] and patches [B, N, D]. The batch is open; so are the sides of a Vision',
    'Transformer, which are cut to whole patches. How pictures become pixels is in the metadata, as preprocess.',
  ].join('\n'),
  answers: [],
  options: [
    ...modelOptions,
    { name: 'onnx', value: 'FILE', text: 'write ONNX; a network of 2 GB or more has its tensors in FILE.data' },
    {
      name: 'size',
      value: 'HEIGHTxWIDTH',
      text: 'fix the sides of images, in pixels; one number for squares. Always fixed are those of networks other than ViT',
    },
  ],
}

const wrongSize = (found: string): Fault =>
  fault('usage', {
    place: '--size',
    found,
    allowed: 'HEIGHTxWIDTH in whole pixels, or one number for squares',
    remedy: 'write --size 224, or --size 224x320',
  })

/** The sides that are asked for. */
const sizeOf = (a: Arguments): Either<Fault, Sides | undefined> => {
  const text = textOption(a, 'size')
  if (text === undefined) return E.right(undefined)
  const [, high, wide] = /^(\d{1,5})(?:x(\d{1,5}))?$/.exec(text) ?? []
  const [height, width] = [Number(high ?? 0), Number(wide ?? high ?? 0)]
  return height > 0 && width > 0 ? E.right({ _tag: 'Fixed', height, width }) : E.left(wrongSize(text))
}

/** The size that pictures have once preprocessed, where it is one. */
const seen = ({ crop, resize }: Preprocess): Sides | undefined =>
  crop !== undefined
    ? { _tag: 'Fixed', ...crop }
    : resize.kind === 'exact'
      ? { _tag: 'Fixed', height: resize.height, width: resize.width }
      : undefined

/** Open where the network is a ViT; else as large as it sees pictures. */
const usualSides = ({ vit, preprocess }: Frozen): Either<Fault, Sides> => {
  if (O.isSome(vit)) return E.right({ _tag: 'Open', patch: vit.value.patch })
  const fixed = seen(preprocess)
  return fixed === undefined ? E.left(wrongSize('nothing, and pictures of any size')) : E.right(fixed)
}

const shown = (s: Sides): string => (s._tag === 'Open' ? 'any sides' : `${s.height} x ${s.width} pixels`)

const exported = (a: Arguments): TaskEither<Fault, Output> => {
  const progress = startProgress()
  return pipe(
    TE.Do,
    TE.bind('model', () => TE.fromEither(needed(spec, 'model', textOption(a, 'model')))),
    TE.bind('onnx', () => TE.fromEither(needed(spec, 'onnx', textOption(a, 'onnx')))),
    TE.bind('asked', () => TE.fromEither(sizeOf(a))),
    TE.bind('options', () => TE.fromEither(frozenOptions(spec, a))),
    TE.bind('frozen', ({ model, options }) => readFrozen(model, options, progress.say)),
    TE.bind('sides', ({ asked, frozen }) => TE.fromEither(asked === undefined ? usualSides(frozen) : E.right(asked))),
    TE.bind('written', ({ frozen, sides, model }) =>
      TE.fromEither(
        onnxFeatures(
          { features: frozen.look(''), weights: frozen.weights, channels: frozen.channels, vit: frozen.vit },
          sides,
          `features of ${model.split(sep).at(-1) ?? model}, written by Dinograph`,
          { preprocess: JSON.stringify(frozen.preprocess) },
        ),
      ),
    ),
    TE.bind('files', ({ written, onnx }) => writeOnnx(onnx)(written)),
    TE.map(({ model, frozen, sides, written, files }): Output => {
      for (const note of frozen.notes) progress.say(note)
      return {
        text: [
          ...[...written.inputs, ...written.outputs].map((v) => `${v.name.padEnd(8)} ${v.type} [${v.shape.join(', ')}]`),
          `${written.nodes.length} operators for ${shown(sides)}, written to ${files.join(' and ')}`,
        ].join('\n'),
        json: {
          model,
          files,
          inputs: Object.fromEntries(written.inputs.map((v) => [v.name, v.shape])),
          outputs: Object.fromEntries(written.outputs.map((v) => [v.name, v.shape])),
          operators: written.nodes.length,
          notes: frozen.notes,
        },
      }
    }),
  )
}

export const main = (argv: ReadonlyArray<string>): Promise<number> => runProgram(spec, argv, exported)
