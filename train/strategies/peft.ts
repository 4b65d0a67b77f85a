/** PEFT folders: `adapter_config.json` and `adapter_model.safetensors`, written and read. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { sizeOf } from '../../core/type.ts'
import { readSafetensors, writeSafetensors } from '../../data/safetensors.ts'
import { floatTensor, floatsOf } from '../../data/tensor.ts'
import type { Adapter } from '../../models/lora.ts'
import { qkvSlices } from '../../models/lora.ts'
import type { Values } from '../../models/merge.ts'
import type { ModuleNames, PeftAdapter, PeftConfig, PeftOptions } from '../../models/peft.ts'
import { modulesThere, peftCodec, peftConfig, peftTensors, readPeft } from '../../models/peft.ts'
import { readJson, writeJson } from '../huggingface/files.ts'

export const configFile = 'adapter_config.json'
export const tensorsFile = 'adapter_model.safetensors'

const moreThanAdapters = (o: PeftOptions): Fault | undefined =>
  ((o.lora.bias ?? 'none') === 'none' && (o.lora.save ?? []).length === 0 ? undefined : fault('usage', {
    place: 'peft', found: 'biases or modules of the base that were trained as a whole', allowed: 'adapters alone', remedy: 'merge and save the whole network, or train adapters alone',
  }))

/**
 * Saves the adapters of a network whose values are given by path in it. Faults: missing values; trained tensors besides adapters, which
 * are not written; and what the system refuses.
 */
export const writeAdapters = (folder: string, o: PeftOptions, adapters: ReadonlyArray<Adapter>) => (values: Values): TaskEither<Fault, void> => {
  const more = moreThanAdapters(o)
  if (more !== undefined) return TE.left(more)
  const inputs = new Map(adapters.map((a) => [a.weight, sizeOf(a.params.lora_A.weight.shape.slice(1))]))
  const rows = (weight: string): number => (values.get(weight)?.length ?? 0) / (inputs.get(weight) ?? 1)
  // whatever ends in .weight may be a module that a short name means by mistake
  const modules = [...values.keys()].filter((path) => path.endsWith('.weight') && !path.includes('.lora_')).flatMap((w) => modulesThere(o.names, w))
  return pipe(
    TE.fromEither(peftTensors(o.names, adapters)(values)),
    TE.chain((tensors) => writeSafetensors(join(folder, tensorsFile))({ metadata: { format: 'pt' }, tensors: new Map([...tensors].map(([name, x]) => [name, floatTensor(x.shape, x.data)])) })),
    TE.chain(() => writeJson(join(folder, configFile), peftConfig(o, adapters, rows, modules))),
  )
}

const readConfig = (folder: string): TaskEither<Fault, PeftConfig> => pipe(
  readJson(join(folder, configFile), peftCodec),
  TE.chainEitherK(O.match(
    () => E.left(fault('data', { place: join(folder, configFile), found: 'no such file', allowed: 'a folder of the package peft', remedy: 'check the path' })),
    E.right,
  )),
)

/** Reads the adapters of a network with the given weights. Faults: not such a folder; tensors of layers that are not there. */
export const readAdapters = (folder: string, names: ModuleNames, weights: ReadonlyArray<string>): TaskEither<Fault, PeftAdapter> => pipe(
  TE.Do,
  TE.bind('config', () => readConfig(folder)),
  TE.bind('file', () => readSafetensors(join(folder, tensorsFile))),
  TE.chainEitherK(({ config, file }) => pipe(
    [...file.tensors],
    E.traverseArray(([name, x]) => pipe(floatsOf(name)(x), E.map((data) => [name, { shape: x.shape, data }] as const))),
    E.chain((tensors) => readPeft(names, weights, qkvSlices)(config, new Map(tensors))),
  )),
)
