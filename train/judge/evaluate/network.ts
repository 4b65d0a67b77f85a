/** A trained network to be looked at: a Hugging Face folder or a run, its weights, and how images become its pixels. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { parse } from 'yaml'
import type { Device } from '../../../compiler/target.ts'
import type { Expr } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import { call, context, declarations, leavesOf } from '../../../core/model.ts'
import { join as joinPath } from '../../../core/tree.ts'
import { tensorType } from '../../../core/type.ts'
import { imagenet } from '../../../data/augment/presets.ts'
import { intermediate } from '../../../models/intermediate.ts'
import type { Vit } from '../../../models/vit.ts'
import type { Values } from '../../step/values.ts'
import { checkpointsIn } from '../../run/checkpoints.ts'
import { whatIs } from '../../../data/formats/file.ts'
import type { Preprocessor } from '../../exchange/huggingface/preprocessor.ts'
import { localModel } from '../../exchange/huggingface/hub.ts'
import type { Backbone } from '../../exchange/huggingface/backbone.ts'
import type { ModelOptions } from '../../exchange/model.ts'
import { readModel, readPyramid } from '../../exchange/model.ts'
import { readRun } from '../../exchange/run.ts'
import type { PyramidBackbone } from '../../exchange/huggingface/pyramid.ts'
import type { CropView, Preprocess } from '../../exchange/preprocess.ts'
import { preprocessOf, preprocessorOfCrops } from '../../exchange/preprocess.ts'

/** What a network says about pixels `[B, C, H, W]`, N patches, T = prefix + N tokens; expressions that nothing reads are never computed. */
export interface Look {
  /** `[B, D]` */
  readonly cls: Expr
  /** `[B, N, D]`, row-major. */
  readonly patches: Expr
  /** Class tokens of the last blocks after the final norm, `[B, D]` each, the last one last: four where there are as many. */
  readonly blocks: ReadonlyArray<Expr>
  /** Where the tokens of the last block looked, `[B, heads, T, T]`. */
  readonly attention: Expr
  /** Tokens before the patches: the class token and registers. */
  readonly prefix: number
  readonly grid: readonly [number, number]
}

export interface Frozen {
  /** The folder that was named. */
  readonly place: string
  readonly channels: number
  /** Pixels along the side of a patch. */
  readonly patch: number
  readonly width: number
  readonly heads: number
  readonly preprocess: Preprocess
  readonly weights: Values
  /** Its parameters as declared; `weights` has their paths. */
  readonly params: unknown
  /** The network over the parameters that lie under a root on the device. */
  readonly look: (root: string) => (pixels: Expr) => Look
  /** Itself, where it is a Vision Transformer. */
  readonly vit: O.Option<Vit>
  /** What a person should know of how it was read. */
  readonly notes: ReadonlyArray<string>
}

const ofVit = (place: string, { model, weights, notes }: Backbone, preprocess: Preprocess): Frozen => ({
  place,
  preprocess,
  weights,
  notes,
  params: model.params,
  vit: O.some(model),
  channels: model.options.channels,
  patch: model.patch,
  width: model.width,
  heads: model.options.heads,
  look: (root) => (pixels) => {
    const f = call(model, context('eval'), 'backbone', leavesOf(root, model.params), pixels)
    return { ...f, blocks: intermediate(Math.min(4, f.layers.length))(f).map((l) => l.cls) }
  },
})

const ofPyramid = (place: string, { model, weights, notes }: PyramidBackbone, preprocess: Preprocess): Frozen => ({
  place,
  preprocess,
  weights,
  params: model.params,
  vit: O.none,
  channels: model.options.channels,
  patch: model.patch,
  width: model.width,
  heads: 1,
  notes: [...notes, model.family.says],
  look: (root) => (pixels) => {
    const f = call(model, context('eval'), 'backbone', leavesOf(root, model.params), pixels)
    return { ...f, blocks: [f.cls], prefix: 1 }
  },
})

const numbers = t.readonlyArray(t.number)
const normalisation = t.type({ mean: numbers, std: numbers })

/** Where a run's configuration says what its crops were like, under any of the usual keys. */
const crops = t.partial({ global: t.union([t.number, t.partial({ size: t.number })]), globalSize: t.number, normalisation })

const runCodec = t.partial({ crops, augmentation: crops })

type RunConfig = t.TypeOf<typeof runCodec>

const sizeIn = (c: RunConfig['crops']): number | undefined => c?.globalSize ?? (typeof c?.global === 'number' ? c.global : c?.global?.size)

/** The resolved configuration of a run, as far as it concerns crops; nothing where there is none. */
const readConfig = (folder: string): TaskEither<Fault, RunConfig> => {
  const file = join(folder, 'config.yaml')
  return pipe(
    whatIs(file),
    TE.chain((what) =>
      what !== 'file'
        ? TE.right<Fault, RunConfig>({})
        : pipe(
            TE.tryCatch(
              () => readFile(file, 'utf8'),
              (e) => fault('io', { place: file, found: messageOf(e), allowed: 'a readable file', remedy: 'check the permissions' }),
            ),
            TE.chainEitherK((text) =>
              E.tryCatch(
                (): unknown => parse(text),
                (e) => fault('data', { place: file, found: messageOf(e), allowed: 'YAML', remedy: 'restore the file' }),
              ),
            ),
            TE.map((u) => E.getOrElse((): RunConfig => ({}))(runCodec.decode(u))),
          ),
    ),
  )
}

/** Mean and deviation of MNIST's training pixels, with which the recipe of the digits normalises. */
const digits = { mean: [0.1307], std: [0.3081] }

/** How a run saw whole images, where its folder has no preprocessor_config.json; what had to be assumed is said. */
const assumed = (c: RunConfig, image: number, channels: number): { readonly view: CropView; readonly note: string } => {
  const size = sizeIn(c.crops) ?? sizeIn(c.augmentation) ?? image
  const said = c.crops?.normalisation ?? c.augmentation?.normalisation
  const taken = said ?? (channels === 1 ? digits : channels === 3 ? imagenet : { mean: [0.5], std: [0.5] })
  const note = `${size} pixels, mean ${taken.mean.join(' ')}, deviation ${taken.std.join(' ')}${said === undefined ? ' (the run does not say its normalisation: the usual one for so many channels)' : ''}`
  return { view: { ...taken, size }, note }
}

const noted = (f: Frozen, notes: ReadonlyArray<string>): Frozen => ({ ...f, notes: [...notes, ...f.notes] })

/** How to read a network, where that is not as its folder says. */
export type FrozenOptions = Pick<ModelOptions, 'heads' | 'base' | 'dialect' | 'network'>

/** A processor, or the usual one of an image size, with a note. */
const processed = (
  place: string,
  found: Preprocessor | undefined,
  image: number,
  channels: number,
  o: FrozenOptions,
): Either<Fault, { readonly preprocess: Preprocess; readonly notes: ReadonlyArray<string> }> => {
  const usual: Preprocessor = preprocessorOfCrops({ size: image, ...(channels === 3 ? imagenet : { mean: [0.5], std: [0.5] }) })
  return pipe(
    preprocessOf(join(place, 'preprocessor_config.json'), found ?? usual, channels, found === undefined ? 'official' : o.dialect),
    E.map((preprocess) => ({
      preprocess,
      notes:
        found !== undefined
          ? []
          : [`${place} has no preprocessor_config.json: images are resized to ${image} pixels and normalised as usual`],
    })),
  )
}

/** A folder of Hugging Face or timm, adapters, or a file of weights. */
const ofFolder = (folder: string, o: FrozenOptions, say?: (text: string) => void): TaskEither<Fault, Frozen> =>
  pipe(
    readPyramid(folder, o, say),
    TE.chain(
      O.match(
        () =>
          pipe(
            readModel(folder, o, say),
            TE.chainEitherK((b) =>
              pipe(
                processed(folder, b.preprocessor, b.model.options.image, b.model.options.channels, o),
                E.map((p) => noted(ofVit(folder, b, p.preprocess), p.notes)),
              ),
            ),
          ),
        (b) =>
          TE.fromEither(
            pipe(
              processed(folder, b.preprocessor, b.model.options.image, b.model.options.channels, o),
              E.map((p) => noted(ofPyramid(folder, b, p.preprocess), p.notes)),
            ),
          ),
      ),
    ),
  )

/** The moving average in a run's newest checkpoint. */
const ofCheckpoints = (folder: string): TaskEither<Fault, Frozen> => {
  const seen = (
    config: RunConfig,
    { image, channels }: { readonly image: number; readonly channels: number },
    frozen: (p: Preprocess) => Frozen,
  ): Either<Fault, Frozen> => {
    const { view, note } = assumed(config, image, channels)
    return pipe(
      preprocessOf(folder, preprocessorOfCrops(view), channels),
      E.map((p) => noted(frozen(p), [`the newest checkpoint's teacher; ${note}`])),
    )
  }
  return pipe(
    TE.Do,
    TE.bind('config', () => readConfig(folder)),
    TE.bind('pyramid', () => readPyramid(folder)),
    TE.chain(({ config, pyramid }) =>
      O.isSome(pyramid)
        ? TE.fromEither(seen(config, pyramid.value.model.options, (p) => ofPyramid(folder, pyramid.value, p)))
        : pipe(
            readRun(folder, { network: 'teacher', mergeLora: true }),
            TE.chainEitherK((b) => seen(config, b.model.options, (p) => ofVit(folder, b, p))),
          ),
    ),
  )
}

const changedAt = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.mtimeMs ?? -Infinity

/** Whether a run's exported folder is at least as new as its newest checkpoint. */
const exported = (folder: string): TaskEither<Fault, boolean> =>
  pipe(
    checkpointsIn(join(folder, 'checkpoints')),
    TE.chain((files) =>
      TE.fromTask(async () => {
        const dir = join(folder, 'huggingface')
        const own = await changedAt(join(dir, 'config.json'))
        const times = await Promise.all(files.map((f) => changedAt(f.path)))
        return own > -Infinity && times.every((x) => x <= own)
      }),
    ),
  )

/**
 * Reads a network from a folder of Hugging Face or timm, adapters of peft, a file of weights, the id of a model, or the folder of a run:
 * its `huggingface` folder where that is as new as the newest checkpoint, else the checkpoint's moving average. Faults: nothing there,
 * and those of the readers.
 */
export const readFrozen = (path: string, o: FrozenOptions = {}, say: (text: string) => void = () => undefined): TaskEither<Fault, Frozen> =>
  pipe(
    localModel(process.env, say)(path),
    TE.mapLeft((f) => (f.found === 'nothing' ? { ...f, remedy: 'check --model for a typing error' } : f)),
    TE.bindTo('local'),
    TE.bind('what', ({ local }) => whatIs(local)),
    TE.chain(({ local, what }) => {
      if (what === 'file') return ofFolder(local, o, say)
      return pipe(
        TE.Do,
        TE.bind('config', () => whatIs(join(local, 'config.json'))),
        TE.bind('checkpoints', () => whatIs(join(local, 'checkpoints'))),
        TE.bind('inner', () => exported(local)),
        TE.chain(({ config, checkpoints, inner }) =>
          config === 'file'
            ? ofFolder(local, o, say)
            : inner
              ? pipe(
                  ofFolder(join(local, 'huggingface'), o, say),
                  TE.map((f) => ({ ...f, place: local })),
                )
              : checkpoints === 'folder'
                ? ofCheckpoints(local)
                : ofFolder(local, o, say),
        ),
      )
    }),
  )

/** Puts a network's weights onto the device under a root. */
export const placeFrozen = (device: Device, root: string, f: Frozen): TaskEither<Fault, void> =>
  pipe(
    declarations(f.params),
    TE.traverseSeqArray(([path, d]) =>
      device.write(joinPath(root, path), tensorType(d.dtype, d.shape), f.weights.get(path) ?? new Float32Array()),
    ),
    TE.map(() => undefined),
  )
