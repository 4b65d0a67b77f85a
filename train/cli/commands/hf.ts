/** `npm run hf -- export|import|inspect|push`: backbones in and out of Hugging Face's format. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { parameterCount } from '../../../models/count.ts'
import { typeOf } from '../../../models/huggingface/config.ts'
import type { Backbone } from '../../exchange/huggingface/backbone.ts'
import { forms } from '../../exchange/huggingface/forms.ts'
import { handedOn } from '../../exchange/huggingface/handing-on.ts'
import { localModel } from '../../exchange/huggingface/hub.ts'
import type { WriteOptions } from '../../exchange/huggingface/writer.ts'
import type { ModelOptions } from '../../exchange/model.ts'
import { readModel, readPyramid } from '../../exchange/model.ts'
import { readConfig } from '../../exchange/peft/folder.ts'
import { exportAdapters } from '../../exchange/adapters.ts'
import { pyramidOfRun, readRun } from '../../exchange/run.ts'
import type { Arguments } from '../arguments.ts'
import { formOf, hfSpec, needed, readOptions, runOptions, textOf, writeOptions, writer } from '../hf-options.ts'
import { parseArguments } from '../parsing.ts'
import { push } from '../pushing.ts'
import { pyramidSummary, pyramidWritten } from '../pyramids.ts'
import { print, tell } from '../terminal.ts'
import { tellFault } from '../unexpected.ts'

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

const pushing = (a: Arguments): TaskEither<Fault, Output> =>
  pipe(
    TE.Do,
    TE.bind('run', () => TE.fromEither(needed(a, 'run', textOf(a, 'run')))),
    TE.bind('repo', () => TE.fromEither(needed(a, 'repo', textOf(a, 'repo')))),
    TE.bind('writing', () => TE.fromEither(writeOptions(a))),
    TE.chain(({ run, repo, writing }) =>
      push(
        {
          run,
          repo,
          writing,
          license: O.toUndefined(textOf(a, 'license')),
          hidden: a.extra.has('private'),
          adapter: a.extra.has('adapter'),
          reading: runOptions(a),
        },
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
    TE.bind('pyramid', ({ from, wishes }) => readPyramid(from, wishes, report)),
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
    TE.bind('pyramid', ({ from, wishes }) => readPyramid(from, wishes, report)),
    TE.chain(({ from, wishes, pyramid }) => (O.isSome(pyramid) ? TE.right(pyramidSummary(pyramid.value)) : inspectingVit(from, wishes))),
  )

const actions: Readonly<Record<string, (a: Arguments) => TaskEither<Fault, Output>>> = {
  export: (a) => (a.extra.has('adapter') ? exportingAdapters : exporting)(a),
  import: importing,
  inspect: inspecting,
  push: pushing,
}

export const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const parsed = parseArguments(hfSpec)(argv)
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
