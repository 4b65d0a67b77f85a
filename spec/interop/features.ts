/**
 * `npx tsx spec/interop/features.ts FOLDER PIXELS.safetensors OUT.safetensors [TARGET]`: a folder's features of the images `pixels.NAME
 * [B, C, H, W]` of a file, as `tokens.NAME [B, T, D]`, positions read as transformers does. For compare.py.
 */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../compiler/target.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import type { Expr } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { showFault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { call, context, declarations, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { tensorType } from '../../core/type.ts'
import { readSafetensors, writeSafetensors } from '../../data/formats/safetensors.ts'
import type { HostTensor } from '../../data/formats/tensor.ts'
import { floatTensor, floatsOf } from '../../data/formats/tensor.ts'
import { concat } from '../../ops/window.ts'
import { expandDims } from '../../ops/reshape.ts'
import { readBackbone } from '../../train/exchange/huggingface/reader.ts'
import { readPyramidFolder } from '../../train/exchange/huggingface/pyramid.ts'

const [folder, pixels, out, target = 'gpujs:webasm'] = process.argv.slice(2)

/** A network whatever its architecture: its last tokens, `[B, T, D]`. */
interface Loaded {
  readonly params: unknown
  readonly weights: ReadonlyMap<string, Float32Array>
  readonly tokens: (images: Expr) => Expr
}

const load: TaskEither<Fault, Loaded> = pipe(
  readPyramidFolder(folder),
  TE.chain(
    O.match(
      () =>
        pipe(
          readBackbone(folder, { dialect: 'huggingface' }),
          TE.map(({ model, weights }): Loaded => ({
            params: model.params,
            weights,
            tokens: (x) => call(model, context('eval'), 'model', leavesOf('model', model.params), x).tokens,
          })),
        ),
      ({ model, weights }) =>
        TE.right<Fault, Loaded>({
          params: model.params,
          weights,
          tokens: (x) => {
            const { cls, patches } = call(model, context('eval'), 'model', leavesOf('model', model.params), x)
            // last_hidden_state begins with what stands for the class token in a ConvNeXt, and has none in a Swin
            return model.said.kind === 'convnext' ? concat(1)([expandDims(1)(cls), patches]) : patches
          },
        }),
    ),
  ),
)

const written = (device: Device, { params, weights }: Loaded): TaskEither<Fault, void> =>
  pipe(
    declarations(params),
    TE.traverseSeqArray(([path, d]) => device.write(`model.${path}`, tensorType('f32', d.shape), weights.get(path) ?? new Float32Array())),
    TE.map(() => undefined),
  )

const featuresOf = (
  device: Device,
  { tokens: of }: Loaded,
  name: string,
  images: HostTensor,
): TaskEither<Fault, readonly [string, HostTensor]> => {
  const tokens = of(input('images', images.shape))
  return pipe(
    TE.fromEither(trace(name, [value('tokens', tokens)])),
    TE.chain((g) => device.compile(g)),
    TE.bindTo('run'),
    TE.bind('data', () => TE.fromEither(floatsOf(name)(images))),
    TE.chain(({ run, data }) => run.run({ values: new Map([['images', data]]) })),
    TE.map(
      (values) =>
        [name.replace('pixels', 'tokens'), floatTensor(tokens.type.shape, Float32Array.from(values.get('tokens') ?? []))] as const,
    ),
  )
}

const all = pipe(
  TE.Do,
  TE.bind('device', () => openTarget(target)),
  TE.bind('backbone', () => load),
  TE.bind('images', () => readSafetensors(pixels)),
  TE.chainFirst(({ device, backbone }) => written(device, backbone)),
  TE.bind('features', ({ device, backbone, images }) =>
    pipe(
      [...images.tensors],
      TE.traverseSeqArray(([name, x]) => featuresOf(device, backbone, name, x)),
    ),
  ),
  TE.chainFirst(({ device }) =>
    TE.fromIO(() => {
      device.close()
    }),
  ),
  TE.chain(({ features }) => writeSafetensors(out)({ tensors: new Map(features), metadata: {} })),
)

const done = await all()
if (E.isLeft(done)) {
  process.stderr.write(`${showFault(done.left)}\n`)
  process.exitCode = 1
}
