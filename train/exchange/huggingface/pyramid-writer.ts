/** Backbones with stages are written: as a folder of Hugging Face, or as a file with official names. */
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { writeJson } from '../../../data/formats/json.ts'
import { writeSafetensors } from '../../../data/formats/safetensors.ts'
import { writeWeights } from './files.ts'
import { officialFile } from './forms.ts'
import type { Preprocessor } from './preprocessor.ts'
import { preprocessorOf } from './preprocessor.ts'
import type { PyramidBackbone } from './pyramid.ts'
import type { Precision } from './weights.ts'
import { scatterWeights } from './weights.ts'
import { dtypes } from './writer.ts'

const usualShard = 5e9

export interface WritePyramidOptions {
  readonly precision?: Precision
  readonly shard?: number
  /** How pictures become pixels. Default: what transformers does for the type. */
  readonly preprocessor?: Preprocessor
}

const preprocessorFile = 'preprocessor_config.json'

const seen = ({ family, options }: PyramidBackbone['model'], o: WritePyramidOptions): Readonly<Record<string, unknown>> => ({
  ...(o.preprocessor ?? preprocessorOf(family.sees, options.image, options.channels)),
})

/** Writes config.json, weights and preprocessor_config.json; gives the names of the files. */
export const writePyramid =
  (folder: string, o: WritePyramidOptions = {}) =>
  ({ model, weights }: Pick<PyramidBackbone, 'model' | 'weights'>): TaskEither<Fault, ReadonlyArray<string>> => {
    const { config, family, plan } = model
    return pipe(
      writeJson(join(folder, 'config.json'), { ...config, torch_dtype: dtypes[o.precision ?? 'f32'] }, family.floats),
      TE.chain(() => writeWeights(folder, scatterWeights(plan, o.precision ?? 'f32')(weights), o.shard ?? usualShard)),
      TE.chainFirst(() => writeJson(join(folder, preprocessorFile), seen(model, o))),
      TE.map((files) => ['config.json', ...files, preprocessorFile]),
    )
  }

/** Writes `official.safetensors`, whose metadata says what no tensor does, and `preprocessor_config.json`. */
export const writeOfficialPyramid =
  (folder: string, o: WritePyramidOptions = {}) =>
  ({ model, weights }: Pick<PyramidBackbone, 'model' | 'weights'>): TaskEither<Fault, ReadonlyArray<string>> =>
    pipe(
      writeSafetensors(join(folder, officialFile))({
        tensors: scatterWeights(model.officialPlan, o.precision ?? 'f32')(weights),
        metadata: { format: 'pt', eps: String(model.eps), image: String(model.options.image) },
      }),
      TE.chain(() => writeJson(join(folder, preprocessorFile), seen(model, o))),
      TE.map(() => [officialFile, preprocessorFile]),
    )
