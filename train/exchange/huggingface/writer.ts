/** Writes a backbone as a Hugging Face folder: `config.json`, `model.safetensors` or shards, `preprocessor_config.json`. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { configOf, floatFields, typeOf } from '../../../models/huggingface/config.ts'
import { writingPlan } from '../../../models/huggingface/names.ts'
import type { HuggingFaceType } from '../../../models/huggingface/types.ts'
import type { Vit } from '../../../models/vit.ts'
import { writeWeights } from './files.ts'
import { writeJson } from '../../../data/formats/json.ts'
import type { Preprocessor } from './preprocessor.ts'
import { preprocessorOf } from './preprocessor.ts'
import type { Precision, Weights } from './weights.ts'
import { scatterWeights } from './weights.ts'

export interface WriteOptions {
  /** Default: what the backbone is by its options. */
  readonly type?: HuggingFaceType
  /** Default `f32`. */
  readonly precision?: Precision
  /** Bytes of one file at most. Default 5 GB, as transformers. */
  readonly shard?: number
  /** How pictures become pixels. Default: what transformers does for the type. */
  readonly preprocessor?: Preprocessor
}

const usualShard = 5e9

/** What config.json calls a precision. */
export const dtypes: Readonly<Record<Precision, string>> = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' }

/** Gives the names of the files. Faults: what the type cannot say of the backbone; what the system refuses. */
export const writeBackbone =
  (folder: string, o: WriteOptions = {}) =>
  (b: { readonly model: Vit; readonly weights: Weights }): TaskEither<Fault, ReadonlyArray<string>> => {
    const { options } = b.model
    const type = o.type ?? typeOf(options)
    const precision = o.precision ?? 'f32'
    return pipe(
      TE.fromEither(
        pipe(
          configOf(type, options),
          E.mapLeft((m) => fault('usage', { place: folder, found: 'a backbone that this type cannot hold', ...m })),
        ),
      ),
      TE.chain((config) => writeJson(join(folder, 'config.json'), { ...config, torch_dtype: dtypes[precision] }, floatFields)),
      TE.chain(() => writeWeights(folder, scatterWeights(writingPlan(type, options), precision)(b.weights), o.shard ?? usualShard)),
      TE.chainFirst(() =>
        writeJson(join(folder, 'preprocessor_config.json'), {
          ...(o.preprocessor ?? preprocessorOf(type, options.image, options.channels)),
        }),
      ),
      TE.map((files) => ['config.json', ...files, 'preprocessor_config.json']),
    )
  }
