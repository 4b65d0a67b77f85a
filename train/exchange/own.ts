/**
 * A backbone that no class elsewhere has: its tensors by their own names, and its features as ONNX, which any program can run. There is no
 * config.json, since no architecture that one could name computes what it does.
 */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { OnnxModel } from '../../compiler/targets/onnx/file.ts'
import type { Fault } from '../../core/fault.ts'
import { call, context, leavesOf } from '../../core/model.ts'
import type { Shape } from '../../core/type.ts'
import { writeJson } from '../../data/formats/json.ts'
import { writeSafetensors } from '../../data/formats/safetensors.ts'
import { floatTensor } from '../../data/formats/tensor.ts'
import type { AnyBackbone } from '../step/method.ts'
import type { Values } from '../step/values.ts'
import type { Preprocessor } from './huggingface/preprocessor.ts'
import type { FeatureNetwork } from './onnx.ts'
import { onnxFeatures, writeOnnx } from './onnx.ts'

/** A trained backbone, by the paths of its network: `backbone.…`. */
export interface OwnBackbone {
  readonly network: AnyBackbone
  readonly values: Values
  readonly shapes: ReadonlyMap<string, Shape>
  readonly channels: number
  /** Pixels along the side of the images that it was trained on. */
  readonly size: number
  readonly preprocessor: Preprocessor
  readonly say: (text: string) => void
}

const within = 'backbone.'

const stripped = (values: Values): Values =>
  new Map([...values].flatMap(([path, x]) => (path.startsWith(within) ? [[path.slice(within.length), x] as const] : [])))

const featureNetwork = ({ network, values, channels }: OwnBackbone): FeatureNetwork => {
  if (O.isNone(network.vit)) return { features: (pixels) => network.features('', pixels), weights: values, channels, vit: O.none }
  const model = network.vit.value
  const features: FeatureNetwork['features'] = (pixels) => call(model, context('eval'), 'features', leavesOf('', model.params), pixels)
  return { features, weights: stripped(values), channels, vit: network.vit }
}

/** For images of any sides where the network allows it, else of those that it was trained on. */
const modelOf = (b: OwnBackbone): Either<Fault, { readonly model: OnnxModel; readonly sides: string }> => {
  const network = featureNetwork(b)
  const metadata = { preprocess: JSON.stringify(b.preprocessor) }
  const about = 'features of a backbone that was trained by Dinograph'
  return pipe(
    onnxFeatures(network, { _tag: 'Open', patch: b.network.patch }, about, metadata),
    E.match(
      () =>
        pipe(
          onnxFeatures(network, { _tag: 'Fixed', height: b.size, width: b.size }, about, metadata),
          E.map((model) => ({ model, sides: `images of ${b.size} x ${b.size} pixels` })),
        ),
      (model) => E.right({ model, sides: 'images of any size' }),
    ),
  )
}

/** Writes `backbone.safetensors`, `backbone.onnx` and `preprocessor_config.json`; says where, and what operators there are none for. */
export const writeOwn = (folder: string, b: OwnBackbone): TaskEither<Fault, void> =>
  pipe(
    writeSafetensors(join(folder, 'backbone.safetensors'))({
      tensors: new Map(
        [...stripped(b.values)].map(([path, data]) => [path, floatTensor(b.shapes.get(`${within}${path}`) ?? [data.length], data)]),
      ),
      metadata: { format: 'pt', architecture: 'own' },
    }),
    TE.chain(() => writeJson(join(folder, 'preprocessor_config.json'), { ...b.preprocessor })),
    TE.chain(() =>
      pipe(
        modelOf(b),
        E.match(
          (bad): TaskEither<Fault, string> => TE.right(`its tensors alone: ${bad.place}: ${bad.found}`),
          ({ model, sides }) =>
            pipe(
              writeOnnx(join(folder, 'backbone.onnx'))(model),
              TE.map(() => `its tensors, and its features of ${sides} as ONNX`),
            ),
        ),
      ),
    ),
    TE.map((what) => {
      b.say(`backbone: ${folder} has ${what}`)
    }),
  )
