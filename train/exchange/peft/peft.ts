/**
 * Adapters as the package peft stores them: `adapter_config.json`, and tensors named `base_model.model.MODULE.lora_A.weight`, where
 * MODULE is Hugging Face's name of the layer. A fused layer is several modules there, so each of its slices is one (or, where one
 * pair covers the whole, each gets the same A and its own rows of B: the same function).
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { join } from '../../../core/tree.ts'
import type { Shape } from '../../../core/type.ts'
import { sizeOf } from '../../../core/type.ts'
import { knowing, nullIsAbsent, wholeIn } from '../../../models/huggingface/codec.ts'
import type { Generation } from '../../../models/huggingface/generations.ts'
import { modelClasses, namesIn } from '../../../models/huggingface/generations.ts'
import type { FolderType } from '../../../models/huggingface/types.ts'
import type { Adapter, LoraOptions } from '../../../models/lora.ts'
import { isSaved, isTrainedWhole, moduleOf } from '../../../models/lora.ts'
import type { Values } from '../../step/values.ts'
import { matches } from '../../../models/target.ts'

const words = t.union([t.string, t.readonlyArray(t.string)], 'a text, or a list of texts')

const numbered = t.record(t.string, t.number)

const needed = { peft_type: t.literal('LORA'), r: wholeIn(1, 65536), lora_alpha: t.number, target_modules: words }

/**
 * Ways to begin that leave the base as it is; others move a part of it into the adapters, so that these belong to a base that is nowhere
 * stored.
 */
const harmless = t.union(
  [t.boolean, t.keyof({ gaussian: null, orthogonal: null, kaiming: null, mica: null })],
  'true, false, gaussian, orthogonal or mica: others (pissa, olora, corda, eva, loftq, lora_ga) change the base, and merge_and_unload() in Python gives the model that they make',
)

const keys = {
  lora_dropout: t.number,
  use_rslora: t.boolean,
  use_dora: t.boolean,
  fan_in_fan_out: t.boolean,
  bias: t.keyof({ none: null, all: null, lora_only: null }),
  lora_bias: t.boolean,
  rank_pattern: numbered,
  alpha_pattern: numbered,
  exclude_modules: words,
  modules_to_save: t.readonlyArray(t.string),
  layers_to_transform: t.union([t.number, t.readonlyArray(t.number)], 'a number, or a list of numbers'),
  layers_pattern: words,
  base_model_name_or_path: t.string,
  init_lora_weights: harmless,
}

/** Keys that change what adapters compute, where they are set. */
const changing = /^use_|^target_parameters|replication|^trainable_|_tokens$|^arrow|^alora|^monteclora|^kasa/

const plain = t.intersection([t.type(needed), t.partial(keys)])

/**
 * What is read of a configuration; null means absent. Keys that change what adapters compute are known or refused, others are left alone.
 */
export const peftCodec = nullIsAbsent(knowing(plain, { ...needed, ...keys }, changing))

export type PeftConfig = t.TypeOf<typeof plain>

/** Whose names the modules have: a type of Hugging Face's, or our own. */
export type ModuleNames = FolderType | 'own'

export interface PeftTensor {
  readonly shape: ReadonlyArray<number>
  readonly data: Float32Array
}

const key = (module: string, tensor: string): string => `base_model.model.${module}.${tensor}`

/** Networks call their backbone `backbone`; Hugging Face's names begin inside of it. */
const inBackbone = (path: string): string => path.replace(/^backbone\./, '')

/** The tensors there that one of ours is, in the order of its rows. */
export const tensorsThere = (names: ModuleNames, path: string, generation: Generation): ReadonlyArray<string> =>
  names === 'own' ? [path] : namesIn(names, inBackbone(path), generation)

/** The modules of a weight by their names there, in the order of its rows. */
export const modulesThere = (names: ModuleNames, weight: string, generation: Generation): ReadonlyArray<string> =>
  tensorsThere(names, weight, generation).map(moduleOf)

/** A module there with the rows of an adapter's B that belong to it. */
interface Piece {
  readonly module: string
  readonly from: number
  readonly to: number
}

/** `out`: rows of the whole weight. */
const piecesOf = (names: ModuleNames, generation: Generation, a: Adapter, out: number): ReadonlyArray<Piece> => {
  if (names === 'own') return [{ module: a.module, from: 0, to: a.rows[1] - a.rows[0] }]
  const modules = modulesThere(names, a.weight, generation)
  const each = out / modules.length
  return modules.flatMap((module, i) =>
    i * each >= a.rows[0] && (i + 1) * each <= a.rows[1] ? [{ module, from: i * each - a.rows[0], to: (i + 1) * each - a.rows[0] }] : [],
  )
}

const missing = (path: string): Fault =>
  fault('data', {
    place: `peft: ${path}`,
    found: 'no such tensor',
    allowed: 'the values of a network with its adapters',
    remedy: 'give the tensors of the adapters that were trained',
  })

export interface PeftOptions {
  readonly names: ModuleNames
  /** What the adapters were made with. */
  readonly lora: LoraOptions
  /** The model that they belong to: a folder or a name. */
  readonly base?: string
  /** Shapes of the network's tensors by path: needed where some are trained as a whole. */
  readonly shapes?: ReadonlyMap<string, Shape>
  /** Which transformers is to load them. Default 5. */
  readonly transformers?: Generation
}

const generationOf = (o: PeftOptions): Generation => o.transformers ?? 5

export const isAdapter = (path: string): boolean => /\.lora_(?:A|B|magnitude_vector)(?:\.|$)/.test(path)

/** What the base has trained as a whole, by path in the network. */
const trainedWhole = (o: PeftOptions, adapters: ReadonlyArray<Adapter>, values: Values): ReadonlyArray<string> => {
  const isWhole = isTrainedWhole(o.lora, new Set(adapters.map((a) => moduleOf(a.weight))))
  return [...values.keys()].filter((path) => path.startsWith('backbone.') && !isAdapter(path) && isWhole(path))
}

/**
 * The tensors of a file, from the values of a network by path. Faults: an adapter without values; a tensor of the base without its shape.
 */
export const peftTensors =
  (o: PeftOptions, adapters: ReadonlyArray<Adapter>) =>
  (values: Values): Either<Fault, ReadonlyMap<string, PeftTensor>> => {
    const out = new Map<string, PeftTensor>()
    const wrapped = new Set<string>()
    for (const a of adapters) {
      const [low, high, magnitude] = ['lora_A.weight', 'lora_B.weight', 'lora_magnitude_vector'].map((x) => values.get(join(a.module, x)))
      const weight = values.get(a.weight)
      if (low === undefined || high === undefined || weight === undefined)
        return E.left(missing(weight === undefined ? a.weight : a.module))
      const {
        lora_A: { weight: down },
        lora_B: { weight: up },
      } = a.params
      for (const p of piecesOf(o.names, generationOf(o), a, weight.length / sizeOf(down.shape.slice(1)))) {
        wrapped.add(p.module)
        out.set(key(p.module, 'lora_A.weight'), { shape: down.shape, data: low })
        out.set(key(p.module, 'lora_B.weight'), {
          shape: [p.to - p.from, ...up.shape.slice(1)],
          data: high.slice(p.from * a.rank, p.to * a.rank),
        })
        if (magnitude !== undefined)
          out.set(key(p.module, 'lora_magnitude_vector'), { shape: [p.to - p.from], data: magnitude.slice(p.from, p.to) })
      }
    }
    for (const path of trainedWhole(o, adapters, values)) {
      const [value, shape] = [values.get(path) ?? new Float32Array(), o.shapes?.get(path)]
      if (shape === undefined)
        return E.left(
          fault('usage', {
            place: `peft: ${path}`,
            found: 'a tensor that is trained as a whole, without its shape',
            allowed: 'the shapes of such tensors',
            remedy: 'give the shapes of the network: new Map(residents.map((r) => [withinNetwork(r.path), r.declaration.shape]))',
          }),
        )
      const [rows, ...inner] = shape
      const there = tensorsThere(o.names, path, generationOf(o))
      there.forEach((name, i) => {
        const data = there.length === 1 ? value : value.slice((i * value.length) / there.length, ((i + 1) * value.length) / there.length)
        const [module, last] = [name.slice(0, name.lastIndexOf('.')), name.slice(name.lastIndexOf('.') + 1)]
        // a key has no bias in DINOv3: ours is zeros that stay so
        if (o.names === 'dinov3_vit' && name.endsWith('k_proj.bias') && data.every((x) => x === 0)) return
        out.set(key(wrapped.has(module) ? `${module}.base_layer` : module, last), { shape: [rows / there.length, ...inner], data })
      })
    }
    return E.right(out)
  }

const most = (xs: ReadonlyArray<number>): number =>
  [...xs].sort((x, y) => xs.filter((z) => z === y).length - xs.filter((z) => z === x).length)[0] ?? 8

/**
 * The configuration of adapters. `weights`: whatever may be a module that a short name means by mistake; targets are short where that is
 * unambiguous.
 */
export const peftConfig = (
  o: PeftOptions,
  adapters: ReadonlyArray<Adapter>,
  rowsOf: (weight: string) => number,
  weights: ReadonlyArray<string>,
): Readonly<Record<string, unknown>> => {
  const there = (paths: ReadonlyArray<string>): ReadonlyArray<string> => paths.flatMap((w) => modulesThere(o.names, w, generationOf(o)))
  const saved = isSaved(o.lora)
  const whole = [...new Set(there(weights.filter((w) => saved(moduleOf(w)))))].sort()
  const placed = adapters.flatMap((a) =>
    piecesOf(o.names, generationOf(o), a, rowsOf(a.weight)).map((p) => ({
      module: p.module,
      rank: a.rank,
      alpha: a.scale * (o.lora.rsLora === true ? Math.sqrt(a.rank) : a.rank),
    })),
  )
  const [r, alpha] = [most(placed.map((p) => p.rank)), most(placed.map((p) => p.alpha))]
  const last = [...new Set(placed.map((p) => p.module.slice(p.module.lastIndexOf('.') + 1)))].sort()
  const isShort = there(weights.filter((w) => !saved(moduleOf(w)))).filter(matches(last)).length === placed.length
  const others = (f: (p: (typeof placed)[number]) => number, usual: number): Readonly<Record<string, number>> =>
    Object.fromEntries(placed.flatMap((p) => (f(p) === usual ? [] : [[p.module.replaceAll('.', '\\.'), f(p)]])))
  const [base_model_class, parent_library] = o.names === 'own' ? [] : modelClasses[o.names]
  return {
    alpha_pattern: others((p) => p.alpha, alpha),
    auto_mapping: base_model_class === undefined ? null : { base_model_class, parent_library },
    base_model_name_or_path: o.base ?? null,
    bias: o.lora.bias ?? 'none',
    exclude_modules: null,
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: o.lora.init === 'gaussian' ? 'gaussian' : true,
    layer_replication: null,
    layers_pattern: null,
    layers_to_transform: null,
    loftq_config: {},
    lora_alpha: alpha,
    lora_bias: false,
    lora_dropout: o.lora.dropout ?? 0,
    megatron_config: null,
    megatron_core: 'megatron.core',
    modules_to_save: whole.length === 0 ? null : whole,
    peft_type: 'LORA',
    r,
    rank_pattern: others((p) => p.rank, r),
    revision: null,
    target_modules: isShort ? last : placed.map((p) => p.module).sort(),
    task_type: null,
    use_dora: o.lora.dora === true,
    use_rslora: o.lora.rsLora === true,
  }
}
