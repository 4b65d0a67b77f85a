/**
 * Folders of timm on a hub: `config.json` names an architecture, and how pictures become pixels; weights have timm's names (`official.ts`).
 */
import type { Either } from 'fp-ts/lib/Either.js'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { decodeAs } from '../../../data/formats/codec.ts'
import { above, nullIsAbsent, wholeIn } from '../../../models/huggingface/codec.ts'
import type { VitOptions } from '../../../models/options.ts'
import type { Preprocessor } from './preprocessor.ts'

export const isTimm = (u: unknown): boolean => t.type({ architecture: t.string }).is(u) && !t.type({ model_type: t.string }).is(u)

const codec = nullIsAbsent(
  t.intersection([
    t.type({ architecture: t.string }),
    t.partial({
      model_args: t.partial({ num_heads: wholeIn(1, 1024) }),
      pretrained_cfg: t.partial({
        input_size: t.readonlyArray(wholeIn(1, 65536)),
        interpolation: t.string,
        crop_pct: above(0),
        mean: t.readonlyArray(t.number),
        std: t.readonlyArray(above(0)),
        crop_mode: t.string,
      }),
    }),
  ]),
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
  readonly preprocessor?: Preprocessor
}

/** timm's evaluation: the shorter side to size / crop_pct, and the middle. */
const preprocessorOf = (c: t.TypeOf<typeof codec>['pretrained_cfg']): Preprocessor | undefined => {
  const [, height, width] = c?.input_size ?? []
  if (c === undefined || height === undefined || width === undefined) return undefined
  return {
    image_processor_type: 'timm',
    do_resize: true,
    size: { shortest_edge: Math.floor(Math.min(height, width) / (c.crop_pct ?? 0.875)) },
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
    decodeAs(codec, 'data', place, 'correct config.json, or name the file of weights and --heads')(u),
    E.map(({ architecture, model_args, pretrained_cfg }): Output => {
      const known = model_args?.num_heads ?? heads.find(([size]) => size.test(architecture))?.[1]
      const preprocessor = preprocessorOf(pretrained_cfg)
      return {
        ...(known === undefined ? {} : { heads: known }),
        ...(preprocessor === undefined ? {} : { preprocessor }),
        // timm resizes positions with antialias to the size asked for
        change: /dinov3/.test(architecture) ? {} : { position: { kind: 'learned', offset: 0, antialias: true }, wholePatches: false },
      }
    }),
  )
