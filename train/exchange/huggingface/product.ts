/** What a finished run gives to others: its networks as Hugging Face folders, its adapters as folders of the package peft. */
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import { last } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { declarations } from '../../../core/model.ts'
import type { LoraOptions } from '../../../models/lora.ts'
import type { Origin } from '../origin.ts'
import { baseOf } from '../origin.ts'
import { writeOwn } from '../own.ts'
import { preprocessorOfRun } from '../seen.ts'
import { ownFolder } from '../run.ts'
import type { Judged } from '../../step/method.ts'
import type { Values } from '../../step/values.ts'
import type { Trained } from '../../run/experiment.ts'
import type { Numbers } from '../../run/judge.ts'
import { mergedNetwork } from '../merge.ts'
import { networkValues } from '../../step/values.ts'
import { writeAdapters } from '../peft/folder.ts'
import { trainedCount, withinNetwork } from '../../step/strategies/strategy.ts'
import type { Preprocessor } from './preprocessor.ts'
import { writePyramid } from './pyramid-writer.ts'
import type { Weights } from './weights.ts'
import { writeBackbone } from './writer.ts'

const underBackbone = (params: unknown, values: Values): Weights =>
  new Map(declarations(params).map(([path]) => [path, values.get(`backbone.${path}`) ?? new Float32Array()]))

/** What writes backbones of a kind into a folder. */
type Writer<M> = (
  folder: string,
  o: { readonly preprocessor: Preprocessor },
) => (b: { readonly model: M; readonly weights: Weights }) => TaskEither<Fault, unknown>

/** As transformers reads it. Left with the kind `usage`: no type there can hold it. */
const written =
  <M extends { readonly params: unknown; readonly options: { readonly channels: number } }>(write: Writer<M>) =>
  (folder: string, model: M, values: Values, t: Trained): TaskEither<Fault, void> =>
    pipe(
      write(folder, { preprocessor: preprocessorOfRun(t.assembled, model.options.channels) })({
        model,
        weights: underBackbone(model.params, values),
      }),
      TE.map(() => {
        t.progress.say(`for Hugging Face: ${folder}`)
      }),
    )

/** Why, in words that a person can act upon. */
const whyNot = (bad: Fault): string => `${bad.found}: ${bad.allowed}`

/** A trained backbone, adapters merged: as Hugging Face's where a class there computes the same, else as what any program can run. */
export const writeNetwork =
  (n: Judged, ending = '') =>
  (t: Trained): TaskEither<Fault, void> => {
    const own = (why: string, values: Values): TaskEither<Fault, void> => {
      t.progress.say(`not written for Hugging Face: ${why}`)
      const shapes = new Map(t.assembled.residents.map((r) => [withinNetwork(r.path), r.declaration.shape]))
      const { channels } = t.images
      const { size } = last(t.assembled.phases).crops.augmentation.global
      return writeOwn(join(t.out, `${ownFolder}${ending}`), {
        network: n,
        values,
        shapes,
        channels,
        size,
        preprocessor: preprocessorOfRun(t.assembled, channels),
        say: t.progress.say,
      })
    }
    return pipe(
      TE.fromEither(mergedNetwork(t.assembled.program.adapters, n.root)(t.state)),
      TE.chain((values) =>
        O.isSome(n.pyramid)
          ? written(writePyramid)(join(t.out, `huggingface${ending}`), n.pyramid.value, values, t)
          : O.isNone(n.vit)
            ? own('no class of transformers computes what this backbone does', values)
            : pipe(
                written(writeBackbone)(join(t.out, `huggingface${ending}`), n.vit.value, values, t),
                TE.orElse((bad) => (bad.kind === 'usage' ? own(whyNot(bad), values) : TE.left(bad))),
              ),
      ),
    )
  }

/**
 * `adapter/`: the adapters of the evaluated network, and what of its backbone was trained as a whole, with the model that they belong to.
 */
export const saveAdapters =
  (lora: LoraOptions, origin: Origin = { from: '', network: 'teacher' }) =>
  (t: Trained): TaskEither<Fault, void> => {
    const {
      program,
      method: { evaluated },
    } = t.assembled
    const { root, vit, pyramid } = evaluated
    const base = (name: string): TaskEither<Fault, void> =>
      O.isSome(vit)
        ? written(writeBackbone)(name, vit.value, networkValues(root)(t.state), t)
        : O.isSome(pyramid)
          ? written(writePyramid)(name, pyramid.value, networkValues(root)(t.state), t)
          : TE.right(undefined)
    const folder = join(t.out, 'adapter')
    return program.adapters.length === 0
      ? TE.right(undefined)
      : pipe(
          baseOf(origin, t.out, evaluated),
          TE.chainFirst(({ name, unwritten }) => (unwritten && name !== undefined ? base(name) : TE.right(undefined))),
          TE.chain(({ name, names }) =>
            writeAdapters(
              folder,
              {
                names,
                lora,
                ...(name === undefined ? {} : { base: name }),
                shapes: new Map(t.assembled.residents.map((r) => [withinNetwork(r.path), r.declaration.shape])),
              },
              program.adapters,
            )(networkValues(root)(t.state)),
          ),
          TE.map(() => {
            t.progress.say(`adapters: ${folder}`)
          }),
        )
  }

/** Saves the adapters, and judges the network with them merged: `knn_merged`, and how many numbers were trained. */
export const adaptersJudged =
  (lora: LoraOptions, from = '') =>
  (t: Trained): TaskEither<Fault, Numbers> => {
    const {
      program,
      method: {
        evaluated: { root },
      },
    } = t.assembled
    return pipe(
      saveAdapters(lora, { from, network: 'teacher' })(t),
      TE.chain(() => TE.fromEither(mergedNetwork(program.adapters, root)(t.state))),
      TE.chain((network) => t.accuracyOf('knn_merged', network)),
      TE.map((merged) => ({
        ...merged,
        trained: trainedCount(program),
        trained_backbone: trainedCount(program, (path) => path.startsWith('backbone.')),
      })),
    )
  }
