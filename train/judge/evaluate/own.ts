/** A backbone that only its own program computes, to be looked at like any other: its features are the program's, its weights the run's. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { input } from '../../../core/leaves.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { declarations } from '../../../core/model.ts'
import { showShape } from '../../../core/type.ts'
import type { HostTensors } from '../../../data/formats/tensor.ts'
import { floatsOf } from '../../../data/formats/tensor.ts'
import { similarity } from '../../../models/pyramid.ts'
import { reshape } from '../../../ops/reshape.ts'
import type { AnyBackbone } from '../../step/method.ts'
import type { Values } from '../../step/values.ts'
import type { Preprocess } from '../../exchange/preprocess.ts'
import { channelsOf, preprocessOf } from '../../exchange/preprocess.ts'
import { tensorsOfRun } from '../../exchange/run.ts'
import { seenBy } from '../../exchange/seen.ts'
import { latest } from '../../run/checkpoints.ts'
import type { Frozen, FrozenOptions, Look } from './network.ts'

/** Where a method has its backbone. */
const within = 'backbone'

/** The run's tensors as the program's parameters. Fault: the first that is missing or has another shape. */
const weightsOf = (place: string, network: AnyBackbone, tensors: HostTensors): Either<Fault, Values> =>
  pipe(
    declarations(network.params),
    E.traverseArray(([path, d]) => {
      const x = tensors.get(path)
      return x === undefined || showShape(x.shape) !== showShape(d.shape)
        ? E.left(
            fault('usage', {
              place: `${place}: ${within}.${path}`,
              found: x === undefined ? 'nothing' : showShape(x.shape),
              allowed: `${showShape(d.shape)}, as the program declares it`,
              remedy: 'name the program that trained the run, as it was then, with --program',
            }),
          )
        : pipe(
            floatsOf(path)(x),
            E.map((values) => [`${within}.${path}`, values] as const),
          )
    }),
    E.map((all) => new Map(all)),
  )

const lookOf =
  (network: AnyBackbone) =>
  (root: string) =>
  (pixels: Look['cls']): Look => {
    const { cls, patches, attention } = network.features(root, pixels)
    const [b, , height, width] = pixels.type.shape
    const [, n, d] = patches.type.shape
    const grid = [Math.floor(height / network.patch), Math.floor(width / network.patch)] as const
    return {
      cls,
      // patches that are no grid of this many are a fault of types, where anything reads them
      patches: reshape([b, n, d])(reshape([b, ...grid, d])(patches)),
      blocks: [cls],
      attention: attention ?? similarity(cls, patches),
      prefix: attention === undefined ? 1 : attention.type.shape[2] - n,
      grid,
    }
  }

const frozenOf = (place: string, network: AnyBackbone, weights: Values, preprocess: Preprocess, channels: number): Frozen => {
  const side = sideOf(preprocess)
  const sample = network.features('', input('images', [1, channels, side, side]))
  return {
    place,
    channels,
    patch: network.patch,
    width: sample.cls.type.shape[1],
    heads: sample.attention?.type.shape[1] ?? 1,
    preprocess,
    weights,
    params: { [within]: network.params },
    look: lookOf(network),
    vit: O.none,
    notes: [
      "the newest checkpoint's network, as its program computes it",
      ...(sample.attention === undefined ? ['it says nothing of attention: how alike tokens are stands for it'] : []),
    ],
  }
}

const absent = (folder: string, found: string): Fault =>
  fault('usage', {
    place: folder,
    found,
    allowed: 'the folder of a run',
    remedy: 'name the run that --program trained with --model',
  })

/** What a program computes of images of so many channels and pixels a side. */
type Program = (channels: number, side: number) => Either<Fault, AnyBackbone>

const sideOf = ({ crop, resize }: Preprocess): number =>
  crop?.height ?? (resize.kind === 'exact' ? resize.height : resize.kind === 'shortest' ? resize.side : 224)

/** The network of a run's newest checkpoint, which `program` computes. Faults: no run; tensors that are not those of the program. */
export const readOwn = (folder: string, program: Program, o: FrozenOptions): TaskEither<Fault, Frozen> =>
  pipe(
    TE.Do,
    TE.bind('seen', () => pipe(seenBy(folder), TE.chain(TE.fromOption(() => absent(folder, 'no preprocessor_config.json'))))),
    TE.bind('found', () =>
      pipe(
        latest(join(folder, 'checkpoints')),
        TE.chain(({ found }) => TE.fromOption(() => absent(folder, 'no checkpoint'))(found)),
      ),
    ),
    TE.chainEitherK(({ seen, found: { path, checkpoint } }) => {
      const channels = channelsOf(seen)
      return pipe(
        tensorsOfRun(path, checkpoint, { network: o.network ?? 'teacher', mergeLora: true }),
        E.bindTo('run'),
        E.bind('preprocess', () => preprocessOf(join(folder, 'preprocessor_config.json'), seen, channels)),
        E.bind('network', ({ preprocess }) => program(channels, sideOf(preprocess))),
        E.bind('weights', ({ run, network }) => weightsOf(path, network, run.tensors)),
        E.map(({ network, weights, preprocess }) => frozenOf(folder, network, weights, preprocess, channels)),
      )
    }),
  )
