/** The forms that a backbone is written in: a folder of Hugging Face, official names, a folder of timm. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { writeJson } from '../../../data/formats/json.ts'
import { writeSafetensors } from '../../../data/formats/safetensors.ts'
import type { HostTensors } from '../../../data/formats/tensor.ts'
import { typeOf } from '../../../models/huggingface/config.ts'
import type { StateTensor } from '../../../models/huggingface/state.ts'
import { officialState, timmState } from '../../../models/huggingface/state.ts'
import type { Vit } from '../../../models/vit.ts'
import type { Preprocessor } from './preprocessor.ts'
import { completed, preprocessorOf } from './preprocessor.ts'
import type { Precision, Weights } from './weights.ts'
import { storedAs } from './weights.ts'
import type { WriteOptions } from './writer.ts'
import { writeBackbone } from './writer.ts'

type Writing = (
  folder: string,
  o: WriteOptions,
) => (b: { readonly model: Vit; readonly weights: Weights }) => TaskEither<Fault, ReadonlyArray<string>>

const tensorsOf = (state: ReadonlyMap<string, StateTensor>, precision: Precision = 'f32'): HostTensors =>
  new Map([...state].map(([name, { shape, values }]) => [name, storedAs(precision, shape, values)]))

/** The file of official names. */
export const officialFile = 'official.safetensors'

const preprocessorFile = 'preprocessor_config.json'

const seen = ({ options }: Vit, o: WriteOptions): Preprocessor =>
  o.preprocessor ?? preprocessorOf(typeOf(options), options.image, options.channels)

/** `official.safetensors`, whose metadata says what no tensor does: heads, and the epsilon of norms. */
const asOfficial: Writing =
  (folder, o) =>
  ({ model, weights }) =>
    pipe(
      writeSafetensors(join(folder, officialFile))({
        tensors: tensorsOf(officialState(model.options, weights), o.precision),
        metadata: { format: 'pt', heads: String(model.options.heads), eps: String(model.options.eps) },
      }),
      TE.chain(() => writeJson(join(folder, preprocessorFile), { ...seen(model, o) })),
      TE.map(() => [officialFile, preprocessorFile]),
    )

const list = (x: number | ReadonlyArray<number> | undefined, channels: number): ReadonlyArray<number> =>
  typeof x === 'object' ? x : Array.from({ length: channels }, () => x ?? 0.5)

/** Pillow's filters by the names that timm has. */
const filters: Readonly<Record<string, string>> = { 0: 'nearest', 2: 'bilinear', 3: 'bicubic' }

/** `pretrained_cfg`: what timm's transforms for evaluation are made of. */
const evaluated = (p: Preprocessor, { image, channels }: Vit['options']): Readonly<Record<string, unknown>> => {
  const { size, crop_size: crop, resample, image_mean, image_std } = completed(p)
  const side = (x: Preprocessor['size']): number | undefined =>
    typeof x === 'number' ? x : x === undefined ? undefined : 'length' in x ? x[0] : (x.shortest_edge ?? x.height)
  const [shown, resized] = [side(p.do_center_crop === false ? size : (crop ?? size)) ?? image, side(size) ?? image]
  return {
    input_size: [channels, shown, shown],
    fixed_input_size: false,
    interpolation: filters[String(resample)] ?? (typeof resample === 'string' ? resample : 'bicubic'),
    crop_pct: shown / resized,
    crop_mode: 'center',
    mean: list(image_mean, channels),
    std: list(image_std, channels),
    num_classes: 0,
  }
}

/** A folder that `timm.create_model('local-dir:FOLDER', pretrained=True)` reads: `config.json` and `model.safetensors`. */
const asTimm: Writing =
  (folder, o) =>
  ({ model, weights }) =>
    pipe(
      TE.fromEither(
        pipe(
          timmState(model.options, weights),
          E.mapLeft((m) => fault('usage', { place: folder, found: 'a backbone that timm cannot hold', ...m })),
        ),
      ),
      TE.chainFirst(({ tensors }) =>
        writeSafetensors(join(folder, 'model.safetensors'))({ tensors: tensorsOf(tensors, o.precision), metadata: { format: 'pt' } }),
      ),
      TE.chain((t) =>
        writeJson(join(folder, 'config.json'), {
          architecture: t.architecture,
          num_classes: 0,
          num_features: model.options.width,
          global_pool: 'token',
          model_args: t.arguments,
          pretrained_cfg: evaluated(seen(model, o), model.options),
        }),
      ),
      TE.map(() => ['config.json', 'model.safetensors']),
    )

/** By the name of `--format`. */
export const forms: Readonly<Record<string, Writing>> = { huggingface: writeBackbone, official: asOfficial, timm: asTimm }
