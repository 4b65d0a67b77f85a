/** What the tensors of an adapter's file are to a network, under the names of transformers 4 or 5 (`peft.ts`). */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { join } from '../../../core/tree.ts'
import { isBesideModel } from '../../../models/huggingface/names.ts'
import type { LoraOptions } from '../../../models/lora.ts'
import { moduleOf } from '../../../models/lora.ts'
import type { Values } from '../../step/values.ts'
import type { Generation, ModuleNames, PeftConfig, PeftTensor } from './peft.ts'
import { isAdapter, tensorsThere } from './peft.ts'
import { byPattern } from '../../../models/target.ts'

/** What a folder says: the options that make the same adapters on a network, and their values by path in it. */
export interface PeftAdapter {
  readonly lora: LoraOptions
  /** The adapters' tensors, and those of the base that were trained as a whole. */
  readonly values: Values
  /** What was left out, in words. */
  readonly notes: ReadonlyArray<string>
}

type Slices = Readonly<Record<string, ReadonlyArray<string>>>

/** Where a tensor of theirs lies in ours: the i-th of n equal parts of its rows. */
interface Place {
  readonly path: string
  readonly i: number
  readonly n: number
}

/** A tensor of theirs. `Adapter`: of a module of ours, or of one of its slices. `Base`: of what was trained as a whole. `Beside`: of a head that is not part of a backbone. */
type Known =
  | { readonly _tag: 'Adapter'; readonly weight: string; readonly module: string; readonly there: string; readonly tensor: string; readonly slices: ReadonlyArray<string> }
  | { readonly _tag: 'Base'; readonly place: Place }
  | { readonly _tag: 'Beside' }
  | { readonly _tag: 'Strange' }

const lastPart = (module: string): string => module.slice(module.lastIndexOf('.') + 1)

const generations: ReadonlyArray<Generation> = [4, 5]

/** All tensors of a network by the names that they may have in a file. */
const placesOf = (names: ModuleNames, paths: ReadonlyArray<string>): ReadonlyMap<string, Place> =>
  new Map(generations.flatMap((g) => paths.flatMap((path) => tensorsThere(names, path, g).map((name, i, all): readonly [string, Place] => [name, { path, i, n: all.length }]))))

/** The names of the n slices of a fused layer: those that it usually has, or numbers. */
const slicesOf = (slices: Slices, weight: string, n: number): ReadonlyArray<string> => slices[lastPart(moduleOf(weight))] ?? Array.from({ length: n }, (_, i) => `${i}`)

/** A tensor's name without PEFT's wrappers, and without what classes for tasks put before it. */
const spellings = (name: string): readonly [string, string] => {
  const plain = name.replace(/^base_model\.model\./, '').replace(/\.(?:base_layer|modules_to_save)(?=\.)/, '')
  return [plain, plain.replace(/^(?:vit|dinov2|dinov2_with_registers|dinov3_vit|model)\./, '')]
}

const known = (places: ReadonlyMap<string, Place>, slices: Slices) => (name: string): Known => {
  const [whole, inside] = spellings(name)
  const [, there = '', tensor = ''] = /^(.+)\.(lora_A\.weight|lora_B\.weight|lora_magnitude_vector)$/.exec(whole) ?? []
  const of = (text: string): Place | undefined => places.get(tensor === '' ? text : `${text.slice(0, -tensor.length)}weight`)
  const place = of(whole) ?? of(inside)
  if (tensor === '') return place !== undefined ? { _tag: 'Base', place } : isBesideModel(inside) ? { _tag: 'Beside' } : { _tag: 'Strange' }
  if (place === undefined) {
    // our own names have slices as modules
    const weight = `${there.slice(0, there.lastIndexOf('.'))}.weight`
    const own = slicesOf(slices, weight, 0)
    return places.has(weight) && own.includes(lastPart(there)) ? { _tag: 'Adapter', weight, module: there, there, tensor, slices: own } : { _tag: 'Strange' }
  }
  const parts = place.n === 1 ? [] : slicesOf(slices, place.path, place.n)
  const module = place.n === 1 ? moduleOf(place.path) : join(moduleOf(place.path), parts[place.i])
  return { _tag: 'Adapter', weight: place.path, module, there, tensor, slices: parts }
}

const unknownTensor = (name: string, places: ReadonlyMap<string, Place>): Fault => fault('data', {
  place: `peft: ${name}`, found: 'a tensor for which the network has no layer', allowed: [...places.keys()].filter((n) => n.endsWith('.weight')).map(moduleOf).slice(0, 6).join(', '),
  remedy: 'read the adapter with the network that it was made for',
})

/**
 * Reads the tensors of a file for a network whose tensors are given (`backbone.blocks.0.attn.qkv.weight`). Slices of fused layers are
 * named as `slices` says. Faults: tensors of layers that are not there; layers stored the other way round.
 */
export const readPeft = (names: ModuleNames, base: Values, slices: Slices) => (config: PeftConfig, tensors: ReadonlyMap<string, PeftTensor>): Either<Fault, PeftAdapter> => {
  if (config.fan_in_fan_out === true) return E.left(fault('data', { place: 'peft: fan_in_fan_out', found: 'true', allowed: 'false', remedy: 'save the adapter for a model of linear layers' }))
  const places = placesOf(names, [...base.keys()])
  const values = new Map<string, Float32Array>()
  const [ranks, alphas, cut]: readonly [Record<string, number>, Record<string, number>, Record<string, ReadonlyArray<string>>] = [{}, {}, {}]
  const [saved, notes]: readonly [Set<string>, Array<string>] = [new Set(), []]
  for (const [name, x] of tensors) {
    const k = known(places, slices)(name)
    switch (k._tag) {
      case 'Strange': return E.left(unknownTensor(name, places))
      case 'Beside':
        notes.push(`left out: ${name}`)
        break
      case 'Base': {
        const { path, i, n } = k.place
        const whole = values.get(path) ?? Float32Array.from(base.get(path) ?? [])
        whole.set(x.data, (i * whole.length) / n)
        values.set(path, whole)
        if (!path.endsWith('.bias') || (config.bias ?? 'none') === 'none') saved.add(path.slice(0, path.lastIndexOf('.')))
        break
      }
      case 'Adapter': {
        const exactly = k.module.replaceAll('.', '\\.')
        values.set(join(k.module, k.tensor), x.data)
        if (k.tensor === 'lora_A.weight') ranks[exactly] = x.shape[0] ?? config.r
        alphas[exactly] = byPattern(config.alpha_pattern ?? {}, config.lora_alpha)(k.there)
        if (k.slices.length > 0) cut[lastPart(moduleOf(k.weight))] = k.slices
      }
    }
  }
  const adapted = new Set([...values.keys()].filter(isAdapter).map((path) => path.replace(/\.lora_.*$/, '')))
  return E.right({
    values, notes,
    lora: {
      targets: (module) => adapted.has(module), slices: cut, rank: config.r, alpha: config.lora_alpha, rankPattern: ranks, alphaPattern: alphas, dropout: config.lora_dropout ?? 0,
      rsLora: config.use_rslora ?? false, dora: config.use_dora ?? false, bias: config.bias ?? 'none', ...(saved.size === 0 ? {} : { save: [...saved] }),
    },
  })
}
