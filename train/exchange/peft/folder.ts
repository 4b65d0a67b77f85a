/** PEFT folders: `adapter_config.json` and `adapter_model.safetensors`, written and read. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { sizeOf } from '../../../core/type.ts'
import { whatIs } from '../../../data/formats/file.ts'
import { openTensors } from '../../../data/formats/foreign.ts'
import { writeSafetensors } from '../../../data/formats/safetensors.ts'
import { readStored } from '../../../data/formats/stored.ts'
import type { HostTensors } from '../../../data/formats/tensor.ts'
import { floatTensor, floatsOf } from '../../../data/formats/tensor.ts'
import { declarations } from '../../../core/model.ts'
import type { Adapter } from '../../../models/lora.ts'
import { adaptersFor, qkvSlices } from '../../../models/lora.ts'
import type { Values } from '../../step/values.ts'
import { merge } from '../merge.ts'
import type { ModuleNames, PeftConfig, PeftOptions } from './peft.ts'
import { peftCodec, peftConfig, peftTensors } from './peft.ts'
import type { PeftAdapter } from './reader.ts'
import { readPeft } from './reader.ts'
import { readJson, writeJson } from '../../../data/formats/json.ts'
import type { Weights } from '../huggingface/weights.ts'

export const configFile = 'adapter_config.json'
export const tensorsFile = 'adapter_model.safetensors'

/**
 * Saves what was trained of a backbone whose values are given by path in its network: adapters, and modules and biases of the base that
 * were trained as a whole. Faults: those of `peftTensors`, and what the system refuses.
 */
export const writeAdapters =
  (folder: string, o: PeftOptions, adapters: ReadonlyArray<Adapter>) =>
  (values: Values): TaskEither<Fault, void> => {
    const inputs = new Map(adapters.map((a) => [a.weight, sizeOf(a.params.lora_A.weight.shape.slice(1))]))
    const rows = (weight: string): number => (values.get(weight)?.length ?? 0) / (inputs.get(weight) ?? 1)
    // whatever ends in .weight may be a module that a short name means by mistake
    const weights = [...values.keys()].filter((path) => path.endsWith('.weight') && !path.includes('.lora_'))
    return pipe(
      TE.fromEither(peftTensors(o, adapters)(values)),
      TE.chain((tensors) =>
        writeSafetensors(join(folder, tensorsFile))({
          metadata: { format: 'pt' },
          tensors: new Map([...tensors].map(([name, x]) => [name, floatTensor(x.shape, x.data)])),
        }),
      ),
      TE.chain(() => writeJson(join(folder, configFile), peftConfig(o, adapters, rows, weights))),
    )
  }

/** What a folder says of its adapters. Faults: not such a folder; a value of another kind. */
export const readConfig = (folder: string): TaskEither<Fault, PeftConfig> =>
  pipe(
    readJson(join(folder, configFile), peftCodec),
    TE.chainEitherK(
      O.match(
        () =>
          E.left(
            fault('data', {
              place: join(folder, configFile),
              found: 'no such file',
              allowed: 'a folder of the package peft',
              remedy: 'check the path',
            }),
          ),
        E.right,
      ),
    ),
  )

/** All tensors of a folder, in either of the formats that peft writes. */
const readTensors = (folder: string): TaskEither<Fault, HostTensors> =>
  pipe(
    [tensorsFile, 'adapter_model.bin'],
    TE.traverseSeqArray((name) =>
      pipe(
        whatIs(join(folder, name)),
        TE.map((what) => (what === 'file' ? [join(folder, name)] : [])),
      ),
    ),
    TE.chain((found) =>
      pipe(found.flat()[0], (file) =>
        file === undefined
          ? TE.left(
              fault('data', {
                place: folder,
                found: `no ${tensorsFile} and no adapter_model.bin`,
                allowed: 'one of them',
                remedy: 'download the whole folder',
              }),
            )
          : pipe(
              openTensors(file),
              TE.chain(({ tensors }) => readStored(tensors, tensors.keys())),
            ),
      ),
    ),
  )

/** Reads adapters whose modules have any of the names. */
const readNamed = (folder: string, names: ReadonlyArray<ModuleNames>, base: Values): TaskEither<Fault, PeftAdapter> =>
  pipe(
    TE.Do,
    TE.bind('config', () => readConfig(folder)),
    TE.bind('file', () => readTensors(folder)),
    TE.chainEitherK(({ config, file }) =>
      pipe(
        [...file],
        E.traverseArray(([name, x]) =>
          pipe(
            floatsOf(name)(x),
            E.map((data) => [name, { shape: x.shape, data }] as const),
          ),
        ),
        E.chain((tensors) => readPeft(names, base, qkvSlices)(config, new Map(tensors))),
      ),
    ),
  )

/** Reads the adapters of a network whose tensors are given by path. Faults: not such a folder; tensors of layers that are not there. */
export const readAdapters = (folder: string, names: ModuleNames, base: Values): TaskEither<Fault, PeftAdapter> =>
  readNamed(folder, [names], base)

/** A backbone of any kind, with what was done to it. */
interface Adaptable {
  readonly model: { readonly params: unknown }
  readonly weights: Weights
  readonly notes: ReadonlyArray<string>
}

/** A backbone with the adapters of a folder merged into it, whose modules have any of the names. Faults: those of reading and merging. */
export const withAdapters =
  (folder: string, names: ReadonlyArray<ModuleNames>) =>
  <B extends Adaptable>(b: B): TaskEither<Fault, B> =>
    pipe(
      readNamed(folder, names, b.weights),
      TE.chainEitherK((read) => {
        const adapters = declarations(b.model.params).flatMap(([path, d]) =>
          path.endsWith('.weight') && d.shape.length > 1 ? adaptersFor(read.lora)({ path, out: d.shape[0], inputs: d.shape.slice(1) }) : [],
        )
        return pipe(
          merge(adapters)(new Map([...b.weights, ...read.values])),
          E.map(({ values }) => ({ ...b, weights: values, notes: [...b.notes, ...read.notes] })),
        )
      }),
    )
