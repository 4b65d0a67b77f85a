/** `hf push`: the backbone of a run, or its adapters alone, its preprocessor and a card to a hub. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { guarded } from '../../data/formats/file.ts'
import { writeJson } from '../../data/formats/json.ts'
import { parameterCount } from '../../models/count.ts'
import { typeOf } from '../../models/huggingface/config.ts'
import { handedOn } from '../exchange/huggingface/handing-on.ts'
import { hubOf, parseId } from '../exchange/huggingface/hub.ts'
import { modelFiles, pushModel } from '../exchange/huggingface/push.ts'
import type { Backbone } from '../exchange/huggingface/backbone.ts'
import type { PyramidBackbone } from '../exchange/huggingface/pyramid.ts'
import { writePyramid } from '../exchange/huggingface/pyramid-writer.ts'
import type { WriteOptions } from '../exchange/huggingface/writer.ts'
import { writeBackbone } from '../exchange/huggingface/writer.ts'
import { exportAdapters } from '../exchange/adapters.ts'
import { configFile, readConfig } from '../exchange/peft/folder.ts'
import type { RunOptions } from '../exchange/run.ts'
import { pyramidOfRun, readRun } from '../exchange/run.ts'
import { seenBy } from '../exchange/seen.ts'
import type { CardFacts } from '../judge/report/card.ts'
import { modelCard } from '../judge/report/card.ts'
import { readRecord } from '../judge/report/record.ts'

type Say = (text: string) => void

export interface Pushing {
  readonly run: string
  readonly repo: string
  readonly license: string | undefined
  readonly hidden: boolean
  /** Adapters alone, as a folder of peft. */
  readonly adapter: boolean
  readonly reading: RunOptions
  readonly writing: WriteOptions
}

/** What a card says of a model. */
type Facts = Pick<CardFacts, 'network' | 'adapters'>

/** What is sent beside the card. */
interface Sent {
  readonly files: ReadonlyArray<string>
  readonly facts: Facts
}

const factsOf = ({ model: { options: o, params } }: Backbone): Facts['network'] => [
  ['type', typeOf(o)],
  ['parameters', String(parameterCount(params))],
  ['width, depth, heads', `${o.width}, ${o.depth}, ${o.heads}`],
  ['patch', `${o.patch} pixels`],
  ['channels', String(o.channels)],
  ['registers', String(o.registers)],
  ['positions', o.position.kind],
]

const factsOfStages = ({ model: { family, params, options, said, patch } }: PyramidBackbone): Facts['network'] => [
  ['type', family.type],
  ['parameters', String(parameterCount(params))],
  ['widths', (said.kind === 'swin' ? said.options.depths.map((_, i) => said.options.width * 2 ** i) : said.options.widths).join(', ')],
  ['blocks of each stage', said.options.depths.join(', ')],
  ['pixels of a token', String(patch)],
  ['channels', String(options.channels)],
]

const scratch = guarded('io', 'a temporary folder')(async () => E.right(await mkdtemp(join(tmpdir(), 'dinograph-push-'))))

const removed = (folder: string): TaskEither<Fault, void> => TE.fromTask(() => rm(folder, { recursive: true, force: true }))

const wholeWritten = (p: Pushing, folder: string): TaskEither<Fault, Sent> =>
  pipe(
    pyramidOfRun(p.run, p.reading),
    TE.chain((found) =>
      O.isSome(found)
        ? pipe(
            writePyramid(folder, { ...p.writing, ...handedOn(found.value) })(found.value),
            TE.map((files): Sent => ({ files, facts: { network: factsOfStages(found.value) } })),
          )
        : pipe(
            readRun(p.run, p.reading),
            TE.chain((b) =>
              pipe(
                writeBackbone(folder, { ...p.writing, ...handedOn(b) })(b),
                TE.map((files): Sent => ({ files, facts: { network: factsOf(b) } })),
              ),
            ),
          ),
    ),
  )

const isId = (base: string | undefined): boolean => base !== undefined && O.isSome(parseId(base))

/** A base that is a folder of this machine is one that nobody else could load: it is left out, and that is said. */
const adapterWritten = (p: Pushing, folder: string, say: Say): TaskEither<Fault, Sent> =>
  pipe(
    exportAdapters(p.run, folder, p.reading),
    TE.bindTo('files'),
    TE.bind('config', () => readConfig(folder)),
    TE.bind('seen', () => seenBy(p.run)),
    TE.chainFirst(({ config: { base_model_name_or_path: base, ...config } }): TaskEither<Fault, void> => {
      if (isId(base)) return TE.right(undefined)
      say(
        'the model that the adapters belong to is a folder of this machine: it is left out of adapter_config.json; send it too, and name it in README.md',
      )
      return writeJson(join(folder, configFile), { ...config, base_model_name_or_path: null })
    }),
    TE.chainFirst(({ seen }) =>
      O.isSome(seen) ? writeJson(join(folder, 'preprocessor_config.json'), { ...seen.value }) : TE.right(undefined),
    ),
    TE.map(({ files, config, seen }): Sent => ({
      files: [...files, ...(O.isSome(seen) ? ['preprocessor_config.json'] : [])],
      facts: {
        adapters: { base: isId(config.base_model_name_or_path) ? config.base_model_name_or_path : undefined },
        network: [
          ['type', 'adapters of low rank'],
          ['rank', String(config.r)],
          ['alpha', String(config.lora_alpha)],
          ['layers', typeof config.target_modules === 'string' ? config.target_modules : config.target_modules.join(', ')],
        ],
      },
    })),
  )

/** Writes the folder aside, sends it, and removes it. Gives what was sent. */
export const push = (p: Pushing, say: Say): TaskEither<Fault, Readonly<Record<string, unknown>>> =>
  pipe(
    TE.Do,
    TE.bind('hub', () => hubOf(process.env)),
    TE.bind('record', () => readRecord(p.run)),
    TE.chain(({ hub, record }) =>
      TE.bracket(
        scratch,
        (folder) =>
          pipe(
            p.adapter ? adapterWritten(p, folder, say) : wholeWritten(p, folder),
            TE.bindTo('sent'),
            TE.bind('files', ({ sent }) => TE.right(modelFiles(sent.files))),
            TE.bind('address', ({ sent: { facts }, files }) =>
              pushModel(
                hub,
                { repo: p.repo, folder, files, card: modelCard(record, { repo: p.repo, license: p.license, ...facts }), hidden: p.hidden },
                say,
              ),
            ),
            TE.map(({ files, address }) => ({ address, files: [...files, 'README.md'] })),
          ),
        removed,
      ),
    ),
  )
