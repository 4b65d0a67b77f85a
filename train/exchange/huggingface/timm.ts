/**
 * Folders of timm on a hub: `config.json` names an architecture, and how pictures become pixels; weights have timm's names (`official.ts`).
 */
import type { Either } from 'fp-ts/lib/Either.js'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { decodeAs } from '../../../data/formats/codec.ts'
import { above, knowing, nullIsAbsent, wholeIn } from '../../../models/huggingface/codec.ts'
import type { VitOptions } from '../../../models/options.ts'
import type { Preprocessor } from './preprocessor.ts'

const wrong = 'correct config.json, or choose another model, such as the same one in the format of transformers'

export const isTimm = (u: unknown): boolean => t.type({ architecture: t.string }).is(u) && !t.type({ model_type: t.string }).is(u)

/**
 * Architectures whose arithmetic their tensors show (`vision_transformer.py`, and DINOv3's of `eva.py`). Others have rotary positions
 * beside learned ones, or of another kind, or another activation, of which no tensor says anything.
 */
const isShown = (architecture: string): boolean =>
  /^(?:vit|deit|deit3)_/.test(architecture) && !/rope|quickgelu|clip|^vit_pe_/.test(architecture)

const shown = new t.Type<string>(
  'vit_…, deit_…, swin_… or convnext_… of timm, without rope, clip or quickgelu in its name: what others compute their tensors do not show',
  (u): u is string => typeof u === 'string' && isShown(u),
  (u, c) => (typeof u === 'string' && isShown(u) ? t.success(u) : t.failure(u, c)),
  t.identity,
)

/** Functions by the names that timm's configurations have for them. */
const functions = { gelu: 'gelu', 'torch.nn.GELU': 'gelu', silu: 'silu', swish: 'silu', 'torch.nn.SiLU': 'silu' } as const

const modelArguments = { num_heads: wholeIn(1, 1024), rope_temperature: above(0), act_layer: t.keyof(functions) }

/** Arguments of a model that change what it computes, and of which no tensor says anything. */
const changing = /^act_layer|^norm_layer|eps$|^rope_|^ref_feat|^qk_norm|^scale_(?:norm|attn)/

const seen = t.partial({
  input_size: t.readonlyArray(wholeIn(1, 65536)),
  interpolation: t.string,
  crop_pct: above(0),
  mean: t.readonlyArray(t.number),
  std: t.readonlyArray(above(0)),
  crop_mode: t.keyof({ center: null, squash: null }),
})

const codec = nullIsAbsent(
  t.intersection([
    t.type({ architecture: shown }),
    t.partial({ model_args: knowing(t.partial(modelArguments), modelArguments, changing), pretrained_cfg: seen }),
  ]),
)

/** Of architectures with stages no argument may change what they compute. */
const stagesCodec = nullIsAbsent(t.partial({ model_args: knowing(t.UnknownRecord, {}, changing), pretrained_cfg: seen }))

/** Whether a configuration is of one of timm's backbones with stages that are read here. */
export const hasStages = (u: unknown): boolean =>
  isTimm(u) && t.type({ architecture: t.string }).is(u) && /^(?:convnext|swin)_/.test(u.architecture)

/** How such a backbone sees pictures. Faults: keys of another type, and such as change what it computes. */
export const processorOfTimm = (place: string, u: unknown): Either<Fault, Preprocessor | undefined> =>
  pipe(
    decodeAs(stagesCodec, 'data', place, wrong)(u),
    E.map(({ pretrained_cfg }) => preprocessorOf(pretrained_cfg)),
  )

/** Heads by the size that an architecture's name has (`vision_transformer.py`, `eva.py`). */
const heads: ReadonlyArray<readonly [RegExp, number]> = [
  [/_tiny_/, 3],
  [/_small(?:_plus|plus)?_/, 6],
  [/_base_/, 12],
  [/_large_/, 16],
  [/_huge(?:_plus|plus)_/, 20],
  [/_huge_/, 16],
  [/_giant_/, 24],
  [/_7b_/, 32],
  [/_so400m_/, 16],
]

/** What such a configuration says beside the tensors. */
export interface Output {
  readonly heads?: number
  readonly change: Partial<VitOptions>
  /** Of the feed-forward half, where it is said. */
  readonly activation?: 'gelu' | 'silu'
  readonly preprocessor?: Preprocessor
}

/** timm's evaluation: the shorter side to size / crop_pct, both sides where it squashes, and the middle. */
const preprocessorOf = (c: t.TypeOf<typeof seen> | undefined): Preprocessor | undefined => {
  const [, height, width] = c?.input_size ?? []
  if (c === undefined || height === undefined || width === undefined) return undefined
  const resized = (side: number): number => Math.floor(side / (c.crop_pct ?? 0.875))
  return {
    image_processor_type: 'timm',
    do_resize: true,
    size:
      c.crop_mode === 'squash' ? { height: resized(height), width: resized(width) } : { shortest_edge: resized(Math.min(height, width)) },
    resample: c.interpolation ?? 'bicubic',
    do_center_crop: true,
    crop_size: { height, width },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: c.mean ?? [0.485, 0.456, 0.406],
    image_std: c.std ?? [0.229, 0.224, 0.225],
  }
}

/** Faults: keys of another type. */
export const timmOf = (place: string, u: unknown): Either<Fault, Output> =>
  pipe(
    decodeAs(codec, 'data', place, wrong)(u),
    E.map(({ architecture, model_args, pretrained_cfg }): Output => {
      const known = model_args?.num_heads ?? heads.find(([size]) => size.test(architecture))?.[1]
      const preprocessor = preprocessorOf(pretrained_cfg)
      const { rope_temperature: base, act_layer: activation } = model_args ?? {}
      const rotary: Partial<VitOptions> = base === undefined ? {} : { position: { kind: 'rope', periods: { base } } }
      return {
        ...(known === undefined ? {} : { heads: known }),
        ...(preprocessor === undefined ? {} : { preprocessor }),
        // timm resizes positions with antialias to the size asked for
        ...(activation === undefined ? {} : { activation: functions[activation] }),
        change: /dinov3/.test(architecture) ? rotary : { position: { kind: 'learned', offset: 0, antialias: true }, wholePatches: false },
      }
    }),
  )
