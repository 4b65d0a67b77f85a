/** What the tensors of an adapter's file are to a network, under the names of transformers 4 or 5 (`peft.ts`). */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { join } from '../../../core/tree.ts'
import { showShape, sizeOf } from '../../../core/type.ts'
import { generations } from '../../../models/huggingface/generations.ts'
import { isBesideModel } from '../../../models/huggingface/names.ts'
import type { LoraOptions } from '../../../models/lora.ts'
import { moduleOf } from '../../../models/lora.ts'
import type { Values } from '../../step/values.ts'
import type { ModuleNames, PeftConfig, PeftTensor } from './peft.ts'
import { isAdapter, tensorsThere } from './peft.ts'
import { byPattern, isReadable } from '../../../models/target.ts'

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

/**
 * A tensor of theirs. `Adapter`: of a module of ours, or of one of its slices. `Base`: of what was trained as a whole. `Beside`: of a
 * head that is not part of a backbone.
 */
type Known =
  | {
      readonly _tag: 'Adapter'
      readonly weight: string
      readonly module: string
      readonly there: string
      readonly tensor: string
      readonly slices: ReadonlyArray<string>
      readonly place: Place | undefined
    }
  | { readonly _tag: 'Base'; readonly place: Place }
  | { readonly _tag: 'Beside' }
  | { readonly _tag: 'Strange' }

const lastPart = (module: string): string => module.slice(module.lastIndexOf('.') + 1)

/** All tensors of a network by the names that they may have in a file; where two are one, the first of `names` counts. */
const placesOf = (names: ReadonlyArray<ModuleNames>, paths: ReadonlyArray<string>): ReadonlyMap<string, Place> =>
  new Map(
    [...names]
      .reverse()
      .flatMap((of) =>
        generations.flatMap((g) =>
          paths.flatMap((path) =>
            tensorsThere(of, path, g).map((name, i, all): readonly [string, Place] => [name, { path, i, n: all.length }]),
          ),
        ),
      ),
  )

/** The names of the n slices of a fused layer: those that it usually has, or numbers. */
const slicesOf = (slices: Slices, weight: string, n: number): ReadonlyArray<string> =>
  slices[lastPart(moduleOf(weight))] ?? Array.from({ length: n }, (_, i) => `${i}`)

/** A tensor's name without PEFT's wrappers, and without the name of the adapter that newer files leave out. */
const plainName = (name: string): string =>
  name
    .replace(/^base_model\.model\./, '')
    .replace(/\.base_layer(?=\.)/, '')
    .replace(/\.modules_to_save(?:\.default)?(?=\.)/, '')
    .replace(/\.(lora_[AB])\.(?!(?:weight|bias)$)\w+\./, '.$1.')
    .replace(/\.lora_magnitude_vector(?:\.\w+)*$/, '.lora_magnitude_vector')

const adapterTensor = /^(.+)\.(lora_A\.weight|lora_B\.weight|lora_B\.bias|lora_magnitude_vector)$/

/** The weight that a tensor of an adapter belongs to, by its name there. */
const weightThere = (plain: string): string | undefined => {
  const [, there] = adapterTensor.exec(plain) ?? []
  return there === undefined ? undefined : `${there}.weight`
}

/** What classes for tasks put before the names of the backbone: what stands before most of its adapted layers. */
const prefixIn = (names: ReadonlyArray<string>, isPlace: (name: string) => boolean): string => {
  const votes = new Map<string, number>()
  for (const name of names) {
    const weight = weightThere(plainName(name)) ?? plainName(name)
    const parts = weight.split('.')
    const at = parts.findIndex((_, i) => isPlace(parts.slice(i).join('.')))
    const prefix = parts
      .slice(0, at)
      .map((p) => `${p}.`)
      .join('')
    if (at >= 0) votes.set(prefix, (votes.get(prefix) ?? 0) + 1)
  }
  return [...votes].sort(([, a], [, b]) => b - a)[0]?.[0] ?? ''
}

/** The weight and the slice that our own names have as a module: `attn.qkv.query`. */
const ownSlice = (
  places: ReadonlyMap<string, Place>,
  slices: Slices,
  there: string,
): readonly [weight: string, names: ReadonlyArray<string>] | undefined => {
  const weight = `${there.slice(0, there.lastIndexOf('.'))}.weight`
  const own = slicesOf(slices, weight, 0)
  return places.has(weight) && own.includes(lastPart(there)) ? [weight, own] : undefined
}

const known =
  (places: ReadonlyMap<string, Place>, slices: Slices, prefix: string) =>
  (name: string): Known => {
    const plain = plainName(name)
    const inside = plain.startsWith(prefix) ? plain.slice(prefix.length) : plain
    const outside = !plain.startsWith(prefix)
    const [, there = '', tensor = ''] = adapterTensor.exec(inside) ?? []
    const place = places.get(tensor === '' ? inside : `${there}.weight`)
    if (outside || (place === undefined && isBesideModel(inside))) return { _tag: 'Beside' }
    if (tensor === '') return place !== undefined ? { _tag: 'Base', place } : { _tag: 'Strange' }
    if (place === undefined) {
      const own = ownSlice(places, slices, there)
      return own === undefined
        ? { _tag: 'Strange' }
        : { _tag: 'Adapter', weight: own[0], module: there, there, tensor, slices: own[1], place: undefined }
    }
    const parts = place.n === 1 ? [] : slicesOf(slices, place.path, place.n)
    const module = place.n === 1 ? moduleOf(place.path) : join(moduleOf(place.path), parts[place.i])
    return { _tag: 'Adapter', weight: place.path, module, there, tensor, slices: parts, place }
  }

const unknownTensor = (name: string, places: ReadonlyMap<string, Place>): Fault =>
  fault('data', {
    place: `peft: ${name}`,
    found: 'a tensor for which the network has no layer',
    allowed: [...places.keys()]
      .filter((n) => n.endsWith('.weight'))
      .map(moduleOf)
      .slice(0, 6)
      .join(', '),
    remedy: 'read the adapter with the network that it was made for',
  })

/**
 * Reads the tensors of a file for a network whose tensors are given (`backbone.blocks.0.attn.qkv.weight`). Slices of fused layers are
 * named as `slices` says. Faults: tensors of layers that are not there; layers stored the other way round.
 */
export const readPeft =
  (names: ReadonlyArray<ModuleNames>, base: Values, slices: Slices) =>
  (config: PeftConfig, tensors: ReadonlyMap<string, PeftTensor>): Either<Fault, PeftAdapter> => {
    if (config.fan_in_fan_out === true)
      return E.left(
        fault('data', {
          place: 'peft: fan_in_fan_out',
          found: 'true',
          allowed: 'false',
          remedy: 'save the adapter for a model of linear layers',
        }),
      )
    const unreadable = Object.keys(config.alpha_pattern ?? {}).find((p) => !isReadable(p))
    if (unreadable !== undefined)
      return E.left(
        fault('data', {
          place: 'peft: alpha_pattern',
          found: unreadable,
          allowed: 'an expression that JavaScript can read, too',
          remedy: 'merge the adapter in Python: merge_and_unload()',
        }),
      )
    const places = placesOf(names, [...base.keys()])
    const values = new Map<string, Float32Array>()
    const [ranks, alphas, cut]: readonly [Record<string, number>, Record<string, number>, Record<string, ReadonlyArray<string>>] = [
      {},
      {},
      {},
    ]
    const [saved, notes, beside]: readonly [Set<string>, Array<string>, Array<string>] = [new Set(), [], []]
    const [scales, biases]: readonly [Map<string, number>, Array<readonly [Extract<Known, { readonly _tag: 'Adapter' }>, PeftTensor]>] = [
      new Map(),
      [],
    ]
    const prefix = prefixIn([...tensors.keys()], (n) => places.has(n) || ownSlice(places, slices, n.replace(/\.weight$/, '')) !== undefined)
    for (const [name, x] of tensors) {
      // what a module was before it was trained as a whole: with all biases, peft stores those of both
      if (/\.original_module\./.test(name)) continue
      const k = known(places, slices, prefix)(name)
      switch (k._tag) {
        case 'Strange':
          return E.left(unknownTensor(name, places))
        case 'Beside':
          beside.push(plainName(name))
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
          if (k.tensor === 'lora_B.bias') {
            biases.push([k, x])
            break
          }
          values.set(join(k.module, k.tensor), x.data)
          if (k.tensor === 'lora_A.weight') ranks[exactly] = x.shape[0] ?? config.r
          if (k.tensor === 'lora_B.weight') {
            const down = tensors.get(name.replace(/lora_B(?=\.(?:\w+\.)?weight$)/, 'lora_A'))
            const rows = (base.get(k.weight)?.length ?? 0) / (k.place?.n ?? k.slices.length)
            if (down === undefined || down.shape[0] !== x.shape[1] || (x.shape[0] ?? 0) * sizeOf(down.shape.slice(1)) !== rows)
              return E.left(
                fault('data', {
                  place: `peft: ${name}`,
                  found: down === undefined ? 'no lora_A beside it' : `${showShape(x.shape)} after ${showShape(down.shape)}`,
                  allowed: `a pair for a layer of ${rows} weights`,
                  remedy:
                    'read the adapter with the network that it was made for; one on a convolution in groups (depthwise) changes more than its weight, so that peft does not merge it either',
                }),
              )
          }
          alphas[exactly] = byPattern(config.alpha_pattern ?? {}, config.lora_alpha)(`${prefix}${k.there}`)
          if (k.slices.length > 0) cut[lastPart(moduleOf(k.weight))] = k.slices
        }
      }
    }
    for (const [k, x] of biases) {
      const path = k.weight.replace(/\.weight$/, '.bias')
      const old = values.get(path) ?? base.get(path)
      if (old === undefined)
        return E.left(
          fault('data', {
            place: `peft: ${k.there}.lora_B.bias`,
            found: 'a bias for a layer that has none',
            allowed: 'lora_bias on layers with a bias',
            remedy: 'merge the adapter in Python: merge_and_unload()',
          }),
        )
      const rank = ranks[k.module.replaceAll('.', '\\.')] ?? config.r
      const scale = (alphas[k.module.replaceAll('.', '\\.')] ?? config.lora_alpha) / (config.use_rslora === true ? Math.sqrt(rank) : rank)
      const whole = Float32Array.from(old)
      const at =
        k.place === undefined
          ? (k.slices.indexOf(lastPart(k.module)) * whole.length) / k.slices.length
          : (k.place.i * whole.length) / k.place.n
      x.data.forEach((v, i) => {
        whole[at + i] += scale * v
      })
      values.set(path, whole)
      scales.set(path, scale)
    }
    if (scales.size > 0) notes.push(`lora_bias: added to the biases of ${scales.size} layers`)
    if (beside.length > 0) notes.unshift(`left out, as no part of the backbone: ${beside.join(', ')}`)
    const adapted = new Set([...values.keys()].filter(isAdapter).map((path) => path.replace(/\.lora_.*$/, '')))
    return E.right({
      values,
      notes,
      lora: {
        targets: (module) => adapted.has(module),
        slices: cut,
        rank: config.r,
        alpha: config.lora_alpha,
        rankPattern: ranks,
        alphaPattern: alphas,
        dropout: config.lora_dropout ?? 0,
        rsLora: config.use_rslora ?? false,
        dora: config.use_dora ?? false,
        bias: config.bias ?? 'none',
        ...(saved.size === 0 ? {} : { save: [...saved] }),
      },
    })
  }
