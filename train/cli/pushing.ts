/** `hf push`: the backbone of a run, its preprocessor and a card to a hub. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { guarded } from '../../data/formats/file.ts'
import * as E from 'fp-ts/lib/Either.js'
import { parameterCount } from '../../models/count.ts'
import { handedOn } from '../exchange/huggingface/handing-on.ts'
import { hubOf } from '../exchange/huggingface/hub.ts'
import { modelFiles, pushModel } from '../exchange/huggingface/push.ts'
import type { Backbone } from '../exchange/huggingface/backbone.ts'
import type { WriteOptions } from '../exchange/huggingface/writer.ts'
import { writeBackbone } from '../exchange/huggingface/writer.ts'
import { typeOf } from '../../models/huggingface/config.ts'
import type { RunOptions } from '../exchange/run.ts'
import { readRun } from '../exchange/run.ts'
import { modelCard } from '../judge/report/card.ts'
import { readRecord } from '../judge/report/record.ts'

export interface Pushing {
  readonly run: string
  readonly repo: string
  readonly license: string | undefined
  readonly hidden: boolean
  readonly reading: RunOptions
  readonly writing: WriteOptions
}

const factsOf = ({ model: { options: o, params } }: Backbone): ReadonlyArray<readonly [string, string]> => [
  ['type', typeOf(o)],
  ['parameters', String(parameterCount(params))],
  ['width, depth, heads', `${o.width}, ${o.depth}, ${o.heads}`],
  ['patch', `${o.patch} pixels`],
  ['channels', String(o.channels)],
  ['registers', String(o.registers)],
  ['positions', o.position.kind],
]

const scratch = guarded('io', 'a temporary folder')(async () => E.right(await mkdtemp(join(tmpdir(), 'dinograph-push-'))))

const removed = (folder: string): TaskEither<Fault, void> => TE.fromTask(() => rm(folder, { recursive: true, force: true }))

/** Writes the folder aside, sends it, and removes it. Gives what was sent. */
export const push = (p: Pushing, say: (text: string) => void): TaskEither<Fault, Readonly<Record<string, unknown>>> =>
  pipe(
    TE.Do,
    TE.bind('hub', () => hubOf(process.env)),
    TE.bind('record', () => readRecord(p.run)),
    TE.bind('backbone', () => readRun(p.run, p.reading)),
    TE.chain(({ hub, record, backbone }) =>
      TE.bracket(
        scratch,
        (folder) =>
          pipe(
            writeBackbone(folder, { ...p.writing, ...handedOn(backbone) })(backbone),
            TE.map(modelFiles),
            TE.bindTo('files'),
            TE.bind('address', ({ files }) =>
              pushModel(
                hub,
                {
                  repo: p.repo,
                  folder,
                  files,
                  card: modelCard(record, { repo: p.repo, license: p.license, network: factsOf(backbone) }),
                  hidden: p.hidden,
                },
                say,
              ),
            ),
            TE.map(({ files, address }) => ({ address, files: [...files, 'README.md'] })),
          ),
        removed,
      ),
    ),
  )
