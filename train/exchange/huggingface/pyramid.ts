/** Backbones with stages, read: from folders of Hugging Face, files with official names and tensors in memory. */
import { dirname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { declarations } from '../../../core/model.ts'
import { sizeOf } from '../../../core/type.ts'
import { decodeAs } from '../../../data/formats/codec.ts'
import { readJson } from '../../../data/formats/json.ts'
import { openTensors } from '../../../data/formats/foreign.ts'
import type { Stored, StoredTensors } from '../../../data/formats/stored.ts'
import type { Family, Pyramid, Unsaid } from '../../../models/huggingface/family.ts'
import { families } from '../../../models/huggingface/families.ts'
import { planIn } from '../../../models/huggingface/generations.ts'
import { isBesideModel } from '../../../models/huggingface/names.ts'
import type { Plan } from '../../../models/huggingface/names.ts'
import { timmStages } from '../../../models/huggingface/timm-stages.ts'
import type { PyramidOptions } from '../../../models/pyramid.ts'
import { initialValues } from '../../step/initialization.ts'
import type { Network } from '../network.ts'
import { openWeights } from './files.ts'
import type { ChannelRule } from './imagery.ts'
import { adaptChannels } from './imagery.ts'
import { locate } from './locate.ts'
import type { Preprocessor } from './preprocessor.ts'
import { processorBeside, processorOf } from './processor.ts'
import { hasStages, processorOfTimm } from './timm.ts'
import { modelTypeAt } from './type.ts'
import type { Unknown, Weights } from './weights.ts'
import { gatherWeights, listOf } from './weights.ts'

export interface PyramidBackbone {
  readonly model: Pyramid
  /** By the official names that the model flattens to. */
  readonly weights: Weights
  readonly preprocessor: Preprocessor | undefined
  /** What was adapted, left out or begun anew, in words. */
  readonly notes: ReadonlyArray<string>
}

export interface ReadPyramidOptions {
  /** What the backbone should have otherwise than the source says. */
  readonly change?: PyramidOptions
  /** Default `sum`. */
  readonly channelRule?: ChannelRule
  /** Default `refuse`. */
  readonly unknown?: Unknown
  /** Which network of a file that holds two. Default `teacher`. */
  readonly network?: Network
  /** Of what the source does not have. Default 0. */
  readonly seed?: number
}

const adapted = (from: Pyramid, o: ReadPyramidOptions, weights: Weights): Pick<PyramidBackbone, 'model' | 'weights' | 'notes'> => {
  const to = from.changed(o.change ?? {})
  const notes: string[] = []
  const [had, has] = [from.options.channels, to.options.channels]
  const rule = o.channelRule ?? 'sum'
  const entries = declarations(to.params).map(([path, d]): readonly [string, Float32Array] => {
    const old = weights.get(path)
    if (old === undefined) {
      notes.push(`${path} begins anew: the source has none`)
      return [path, initialValues(d.init, sizeOf(d.shape), o.seed ?? 0, path)]
    }
    if (path !== to.family.stem || had === has) return [path, old]
    notes.push(`${path}: ${had} channels became ${has} by the rule "${rule}"`)
    return [path, adaptChannels(rule, { from: had, to: has, area: sizeOf(d.shape.slice(2)) })(old)]
  })
  return { model: to, weights: new Map(entries), notes }
}

const flattened = (family: Family, { tensors }: Stored): StoredTensors => new Map([...tensors].map(([name, x]) => [family.flat(name), x]))

/** The weights of a backbone among the tensors of its files. */
const gathered = (
  place: string,
  model: Pyramid,
  plan: Plan,
  stored: Stored,
  isHuggingFace: boolean,
  o: ReadPyramidOptions,
): TaskEither<Fault, Omit<PyramidBackbone, 'preprocessor'>> => {
  const { family } = model
  const tensors = isHuggingFace ? flattened(family, stored) : stored.tensors
  const beside = (name: string): boolean => family.isBuffer(name) || isBesideModel(name) || name.endsWith('mask_token')
  return pipe(
    TE.fromEither(locate(place, tensors, [isHuggingFace ? family.anchors : family.officialAnchors], o.network ?? 'teacher')),
    TE.bindTo('located'),
    TE.bind('found', ({ located: { inside } }) =>
      gatherWeights(
        place,
        isHuggingFace ? planIn(family.type, plan, (name) => inside.has(name)) : plan,
        o.unknown ?? 'refuse',
        beside,
      )(inside),
    ),
    TE.map(({ located, found }) => {
      const left = found.ignored.filter((name) => !family.isBuffer(name))
      const b = adapted(model, o, found.weights)
      return {
        ...b,
        notes: [...stored.notes, ...located.notes, ...(left.length === 0 ? [] : [`left out: ${listOf(left)}`]), ...b.notes],
      }
    }),
  )
}

/** The family of a folder of Hugging Face; none where it is another's. */
const familyAt = (folder: string): TaskEither<Fault, Option<Family>> =>
  pipe(modelTypeAt(folder), TE.map(O.chain((type) => O.fromNullable(families.find((f) => f.type === type)))))

const described = (folder: string, family: Family): TaskEither<Fault, Pyramid> => {
  const file = join(folder, 'config.json')
  return pipe(
    readJson(file, t.UnknownRecord),
    TE.chainEitherK((json) =>
      family.reading((codec, options) =>
        pipe(
          decodeAs(codec, 'data', file, 'choose another model, or correct config.json')(O.toUndefined(json)),
          E.chain((config) =>
            pipe(
              options(config),
              E.mapLeft((m) => fault('data', { place: file, found: `a ${family.type} that is not supported`, ...m })),
            ),
          ),
        ),
      ),
    ),
  )
}

/** The backbone with stages that the configuration of a folder describes; none where it describes another. */
export const describedPyramid = (folder: string): TaskEither<Fault, Option<Pyramid>> =>
  pipe(
    familyAt(folder),
    TE.chain(
      O.match(
        () => TE.right(O.none),
        (family) => pipe(described(folder, family), TE.map(O.some)),
      ),
    ),
  )

/** A folder of timm whose architecture has stages; none where it is another. */
const ofTimm = (folder: string, o: ReadPyramidOptions): TaskEither<Fault, Option<PyramidBackbone>> => {
  const file = join(folder, 'config.json')
  return pipe(
    readJson(file, t.UnknownRecord),
    TE.chain((json) =>
      O.isNone(json) || !hasStages(json.value)
        ? TE.right(O.none)
        : pipe(
            TE.fromEither(processorOfTimm(file, json.value)),
            TE.bindTo('preprocessor'),
            TE.bind('stored', () => openWeights(folder)),
            TE.chain(({ preprocessor, stored }) =>
              pipe(pyramidOfStored(folder, stored, o), TE.map(O.map((b): PyramidBackbone => ({ ...b, preprocessor })))),
            ),
          ),
    ),
  )
}

/** Reads a folder; none where it is no backbone with stages. Faults, each by the file and the tensor: as `readBackbone`. */
export const readPyramidFolder = (folder: string, o: ReadPyramidOptions = {}): TaskEither<Fault, Option<PyramidBackbone>> =>
  pipe(
    describedPyramid(folder),
    TE.chain(
      O.match(
        () => ofTimm(folder, o),
        (model) =>
          pipe(
            openWeights(folder),
            TE.chain((stored) => gathered(folder, model, model.plan, stored, true, o)),
            TE.bindTo('b'),
            TE.bind('preprocessor', () => processorOf(folder)),
            TE.map(({ b, preprocessor }) => O.some({ ...b, preprocessor: O.toUndefined(preprocessor) })),
          ),
      ),
    ),
  )

/** A positive number that metadata say. */
const numberIn = (metadata: Stored['metadata'], key: string): number | undefined => {
  const n = Number(metadata[key] ?? NaN)
  return n > 0 ? n : undefined
}

const unsaidIn = ({ metadata }: Stored): Unsaid => {
  const [eps, image] = [numberIn(metadata, 'eps'), numberIn(metadata, 'image')]
  return { ...(eps === undefined ? {} : { eps }), ...(image === undefined ? {} : { image }) }
}

/** A file by itself with names of Hugging Face: the configuration beside it describes it; none where there is none, or of another. */
const besideConfig = (file: string, stored: Stored, o: ReadPyramidOptions): TaskEither<Fault, Option<PyramidBackbone>> => {
  const folder = dirname(file)
  return pipe(
    describedPyramid(folder),
    TE.bindTo('model'),
    TE.bind('preprocessor', () => processorOf(folder)),
    TE.chain(({ model, preprocessor }) =>
      O.isNone(model) || E.isLeft(locate(file, flattened(model.value.family, stored), [model.value.family.anchors], o.network ?? 'teacher'))
        ? TE.right(O.none)
        : pipe(
            gathered(file, model.value, model.value.plan, stored, true, o),
            TE.map((b) => O.some({ ...b, preprocessor: O.toUndefined(preprocessor) })),
          ),
    ),
  )
}

const seeing = (file: string, b: PyramidBackbone): TaskEither<Fault, Option<PyramidBackbone>> =>
  pipe(
    processorBeside(file),
    TE.map(({ preprocessor, notes }) => O.some({ ...b, preprocessor, notes: [...b.notes, ...notes] })),
  )

/** Reads a file of weights; none where it is of another backbone, or has names of Hugging Face without their configuration. */
export const readPyramidFile = (file: string, o: ReadPyramidOptions = {}): TaskEither<Fault, Option<PyramidBackbone>> =>
  pipe(
    openTensors(file),
    TE.chain((stored) =>
      pipe(
        pyramidOfStored(file, stored, o),
        TE.chain((found) => (O.isSome(found) ? seeing(file, found.value) : besideConfig(file, stored, o))),
      ),
    ),
  )

/** Tensors by official names, where they have timm's. */
const officially = (stored: Stored): Stored => {
  const name = timmStages([...stored.tensors.keys()])
  return name === undefined ? stored : { ...stored, tensors: new Map([...stored.tensors].map(([n, x]) => [name(n), x])) }
}

/** The backbone with stages that tensors by official names, or timm's, are; none where they are another's. */
export const pyramidOfStored = (
  place: string,
  given: Stored,
  o: ReadPyramidOptions = {},
  unsaid: Unsaid = unsaidIn(given),
): TaskEither<Fault, Option<PyramidBackbone>> => {
  const stored = officially(given)
  const model: Either<unknown, Pyramid> = pipe(
    locate(
      place,
      stored.tensors,
      families.map((f) => f.officialAnchors),
      o.network ?? 'teacher',
    ),
    E.chainW(({ anchors, inside }) => {
      const shapes = new Map([...inside].map(([name, x]) => [name, x.shape]))
      const family = families.find((f) => f.officialAnchors === anchors)
      return E.fromOption(() => undefined)(family === undefined ? O.none : family.inferred(shapes, unsaid))
    }),
  )
  return E.isLeft(model)
    ? TE.right(O.none)
    : pipe(
        gathered(place, model.right, model.right.officialPlan, stored, false, o),
        TE.map((b) => O.some({ ...b, preprocessor: undefined })),
      )
}
