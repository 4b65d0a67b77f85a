/** Adapters among the tensors of a run's backbone, by the paths that they have below it. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { HostTensor, HostTensors } from '../../data/formats/tensor.ts'
import { floatTensor, floatsOf } from '../../data/formats/tensor.ts'
import type { Adapter, LoraOptions } from '../../models/lora.ts'
import { adaptersFor } from '../../models/lora.ts'
import type { Values } from '../step/values.ts'
import { merge } from './merge.ts'

export const isAdapter = (path: string): boolean => /\.lora_(A|B|magnitude_vector)/.test(path)

export const adapted = (place: string, adapters: ReadonlyArray<string>, remedy: string): Fault =>
  fault('usage', {
    place,
    found: `adapters that are not merged: ${adapters[0]} and ${adapters.length - 1} more`,
    allowed: 'a backbone of plain weights',
    remedy,
  })

/** The adapters of a run's tensors, by its own options of them, with paths as the run has them; what was frozen has none. */
export const adaptersIn = (tensors: HostTensors, lora: LoraOptions): ReadonlyArray<Adapter> =>
  [...tensors]
    .filter(([path, x]) => path.endsWith('.weight') && !isAdapter(path) && x.shape.length > 1)
    .flatMap(([path, x]) => adaptersFor(lora)({ path: `backbone.${path}`, out: x.shape[0], inputs: x.shape.slice(1) }))
    .filter((a) => tensors.has(`${a.module.replace(/^backbone\./, '')}.lora_A.weight`))

export const valuesOf = (tensors: HostTensors): Either<Fault, Values> =>
  pipe(
    [...tensors],
    E.traverseArray(([path, x]) =>
      pipe(
        floatsOf(path)(x),
        E.map((values) => [`backbone.${path}`, values] as const),
      ),
    ),
    E.map((all) => new Map(all)),
  )

export const unknownAdapters = (place: string, tensors: HostTensors): Fault =>
  adapted(place, [...tensors.keys()].filter(isAdapter), 'the configuration of the run has no "lora": merge them where the run was made')

/** Adapters added into their weights. */
export const merged = (place: string, tensors: HostTensors, lora: LoraOptions | undefined): Either<Fault, HostTensors> =>
  lora === undefined
    ? E.left(unknownAdapters(place, tensors))
    : pipe(
        valuesOf(tensors),
        E.chain(merge(adaptersIn(tensors, lora))),
        E.map(
          ({ values }) =>
            new Map<string, HostTensor>(
              [...values].map(([path, data]) => {
                const own = path.replace(/^backbone\./, '')
                return [own, floatTensor(tensors.get(own)?.shape ?? [data.length], data)]
              }),
            ),
        ),
      )
