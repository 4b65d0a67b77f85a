/** The adapters of a run as a folder of the package peft, with the model that they belong to. */
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { join } from 'node:path'
import type { Fault } from '../../core/fault.ts'
import { faultsOf } from '../../core/fault.ts'
import type { HostTensors } from '../../data/formats/tensor.ts'
import type { Checkpoint } from '../run/checkpoint.ts'
import { checkpointOf } from '../run/resumption.ts'
import type { AnyBackbone } from '../step/method.ts'
import { adaptersIn, isAdapter, unknownAdapters, valuesOf } from './adapted.ts'
import type { Preprocessor } from './huggingface/preprocessor.ts'
import { writePyramid } from './huggingface/pyramid-writer.ts'
import { writeBackbone } from './huggingface/writer.ts'
import { baseOf, originIn } from './origin.ts'
import { configFile, tensorsFile, writeAdapters } from './peft/folder.ts'
import type { RunOptions } from './run.ts'
import { backboneState, pyramidOfTensors, vitOfTensors } from './run.ts'
import { seenBy } from './seen.ts'
import { loraIn } from './settings.ts'

/** A network without its adapters, and how it is written as a folder of Hugging Face. */
interface Below extends Pick<AnyBackbone, 'vit' | 'pyramid'> {
  readonly write: (folder: string, preprocessor: O.Option<Preprocessor>) => TaskEither<Fault, unknown>
}

const seeing = (p: O.Option<Preprocessor>): { readonly preprocessor?: Preprocessor } => (O.isSome(p) ? { preprocessor: p.value } : {})

/** The frozen network below adapters. */
const below = (place: string, c: Checkpoint, tensors: HostTensors): TaskEither<Fault, Below> => {
  const plain = new Map([...tensors].filter(([path]) => !isAdapter(path)))
  return pipe(
    pyramidOfTensors(place, c, plain),
    TE.chain((found) =>
      O.isSome(found)
        ? TE.right<Fault, Below>({
            vit: O.none,
            pyramid: O.some(found.value.model),
            write: (folder, p) => writePyramid(folder, seeing(p))(found.value),
          })
        : pipe(
            vitOfTensors(place, c, plain),
            TE.map((b): Below => ({ vit: O.some(b.model), pyramid: O.none, write: (folder, p) => writeBackbone(folder, seeing(p))(b) })),
          ),
    ),
  )
}

/** The adapters of a run's checkpoint as a folder of peft, with the model that they belong to where that is known. */
export const exportAdapters = (
  folder: string,
  out: string,
  { network, checkpoint }: Pick<RunOptions, 'network' | 'checkpoint'>,
): TaskEither<Fault, ReadonlyArray<string>> =>
  pipe(
    checkpointOf(join(folder, 'checkpoints'), checkpoint),
    TE.chainEitherK((found) =>
      E.fromOption(() => faultsOf('checkpoint')(folder, 'no checkpoint', 'the folder of a run', 'name the folder of a run that has begun'))(
        found,
      ),
    ),
    TE.bindTo('found'),
    TE.bind('tensors', ({ found }) => TE.right(backboneState(found.checkpoint.state, network))),
    TE.bind('lora', ({ found, tensors }) =>
      TE.fromEither(
        [...tensors.keys()].some(isAdapter)
          ? E.fromNullable(unknownAdapters(found.path, tensors))(loraIn(found.checkpoint.config))
          : E.left(faultsOf('usage')(found.path, 'no adapters', 'a run with strategies.lora', 'export it without --adapter')),
      ),
    ),
    TE.bind('network', ({ found, tensors }) => below(found.path, found.checkpoint, tensors)),
    TE.bind('values', ({ tensors }) => TE.fromEither(valuesOf(tensors))),
    TE.bind('base', ({ found, network: n }) => baseOf(originIn(found.checkpoint.config), folder, n)),
    TE.bind('seen', () => seenBy(folder)),
    TE.chainFirst(({ base, network: n, seen }) =>
      base.unwritten && base.name !== undefined ? n.write(base.name, seen) : TE.right<Fault, unknown>(undefined),
    ),
    TE.chain(({ tensors, lora, values, base }) =>
      writeAdapters(
        out,
        {
          names: base.names,
          lora,
          ...(base.name === undefined ? {} : { base: base.name }),
          shapes: new Map([...tensors].map(([path, x]) => [`backbone.${path}`, x.shape])),
        },
        adaptersIn(tensors, lora),
      )(values),
    ),
    TE.map(() => [configFile, tensorsFile]),
  )
