/** Experiments whose settings follow the data, where these are other data than those that they were written for. */
import { availableParallelism } from 'node:os'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { isRecord, valueAt } from '../../data/formats/codec.ts'
import type { Dataset } from '../../data/readers/dataset.ts'
import { substituting } from '../../data/readers/result.ts'
import { trainAndTest } from '../../data/readers/split.ts'
import type { Say } from '../config/common.ts'
import type { Choice, Layer } from '../config/layers.ts'
import { layersAt, stacked } from '../config/layers.ts'
import { section } from '../config/section.ts'
import { resolve, settingsOf } from '../config/settings.ts'
import type { Experiment } from '../run/experiment.ts'
import { sizesOf } from '../run/imagery.ts'
import type { OpenedImages } from './parts/images.ts'
import { imagesWith, readingOf } from './parts/images.ts'
import type { Kind, Machine } from '../config/preset.ts'
import { chosenFor, distilled, isPreset, presetFor, presets, saidOf } from '../config/preset.ts'

/** The settings of images, and what opens them. */
type Opening = Pick<OpenedImages, 'settings' | 'opener' | 'before'>

/** The shorter side of most images. */
const sideOf = async (d: Dataset): Promise<number | undefined> => {
  const sizes = await sizesOf(substituting(() => undefined)(d))()
  if (E.isLeft(sizes)) return undefined
  const sides = sizes.right.map((s) => Math.min(s.height, s.width)).sort((a, b) => a - b)
  return sides[Math.floor(sides.length / 2)]
}

/** What lies at the path that layers name. Nothing: it cannot be read, which the run itself explains. */
const kindAt = async (tree: unknown, source: Opening, say: Say): Promise<Kind | undefined> => {
  const said = isRecord(tree) ? tree['data'] : undefined
  const read = resolve(section('what is read', { data: source.settings }))([{ tree: { data: said }, origins: new Map(), faults: [] }])
  if (E.isLeft(read)) return undefined
  const settings = read.right.data
  const open = source.opener(settings) ?? source.before
  const listed = (files: number): void => {
    say(`${files} files so far`)
  }
  const opened = await pipe(open(settings.path, { ...readingOf(settings), listed }), TE.chainEitherK(trainAndTest))()
  if (E.isLeft(opened)) return undefined
  const { train } = opened.right
  const side = await sideOf(train)
  return side === undefined
    ? undefined
    : {
        images: train.length,
        channels: settings.windows.length > 0 ? settings.windows.length : train.channels,
        side,
        ...(train.units === undefined ? {} : { units: train.units }),
        ...(train.modality === undefined ? {} : { modality: train.modality }),
      }
}

const machineFor = (tree: unknown): Machine => {
  const target = valueAt(tree, 'accelerator', 'target')
  return {
    cores: availableParallelism(),
    accelerated: typeof target === 'string' && /^(pjrt:(?!cpu)|gpujs:(webgpu|headlessgl))/.test(target),
  }
}

/** What a preset sets: without these it would be half of one. */
const needed = ['augmentation.globalSize', 'model.patch', 'model.width', 'data.path']

/** What a network learns with: a head, or another network that it learns from. */
const learnsBy = ['head.prototypes', 'large.patch']

const chosen = (c: Choice, name: string): ReadonlyArray<Layer> => layersAt(c, `the preset ${name}`)

/** A choice among layers: below all, but over those before the one that names a preset, as a file is before the command line. */
const among = (layers: ReadonlyArray<Layer>, choice: ReadonlyArray<Layer>): ReadonlyArray<Layer> => {
  const at = Math.max(
    0,
    layers.findLastIndex(({ tree }) => valueAt(tree, 'preset') !== undefined),
  )
  return [...layers.slice(0, at), ...choice, ...layers.slice(at)]
}

/** What says how large crops are: whoever says one of them has thought of the images. */
const shaping = ['augmentation.globalSize', 'augmentation.recipe', 'model.patch']

/** Images that are so many times as large as the crops of digits look like none of them. */
const farApart = 3

/** What nobody would have said of crops, where images are much larger. */
const tooSmall = (size: unknown, { side }: Kind): string | undefined =>
  typeof size === 'number' && farApart * size <= side
    ? `note: crops of ${size} pixels are cut from images of ${side} pixels and more a side: no preset is taken`
    : undefined

/**
 * The experiment with settings that suit the data, where layers name data, the experiment was written for the shipped digits, goes on from
 * no network, and layers say nothing of how large crops are; or where they name a preset. What layers say stays as they say it, but
 * for a file's settings where the command line names the preset.
 */
const suitedTo = async (e: Experiment, layers: ReadonlyArray<Layer>, source: Opening, say: Say): Promise<Experiment> => {
  const { tree } = stacked(layers)
  const saidAt = (path: string): unknown => valueAt(tree, ...path.split('.'))
  const asked = saidAt('preset') ?? 'usual'
  const named = isPreset(asked) ? asked : undefined
  const path = saidAt('data.path')
  const listed = settingsOf(e.settings)
  const paths = new Set(listed.map((s) => s.path))
  if (named === undefined && asked !== 'usual') return e
  // and whether crops stay those of the program: others come with the network, or none are taken
  const reasons: ReadonlyArray<readonly [holds: boolean, why: string, stay?: boolean]> = [
    [typeof path !== 'string' || path === '', 'no data are named (--data PATH)'],
    [!needed.every((p) => paths.has(p)) || !learnsBy.some((p) => paths.has(p)), 'the program has other settings'],
    [saidAt('start') !== undefined, 'the network that is gone on from says more'],
    [saidAt('teacher') !== undefined, 'the network that is learned from says more', true],
    [
      saidAt('objective.kind') === 'distil' || (saidAt('model.kind') ?? 'vit') !== 'vit',
      'it is for Vision Transformers that learn by themselves',
      true,
    ],
  ]
  const [, why, stay] = reasons.find(([holds]) => holds) ?? []
  if (why !== undefined && named !== undefined) say(`note: the preset ${named} is not taken: ${why}`)
  if (why !== undefined && (stay !== true || saidAt('augmentation.globalSize') !== undefined)) return e
  const own = e.resolve([])
  const forDigits = E.isRight(own) && valueAt(own.right.config, 'data', 'path') === '' && valueAt(own.right.config, 'start', 'from') === ''
  const ownSize = E.isRight(own) ? valueAt(own.right.config, 'augmentation', 'globalSize') : undefined
  if ((named === undefined || why !== undefined) && !forDigits) return e
  const said = named === undefined ? shaping.find((p) => saidAt(p) !== undefined) : undefined
  const kind = await kindAt(tree, source, say)
  if (kind === undefined) return e
  const name = named ?? presetFor(kind)
  if (why !== undefined || said !== undefined) {
    const note = tooSmall(saidAt('augmentation.globalSize') ?? ownSize, kind)
    const remedy =
      why === undefined
        ? ` where ${said} is set; --preset ${name} has others`
        : `: ${why}; augmentation.globalSize sets larger ones, in whole patches`
    if (note !== undefined) say(`${note}${remedy}`)
    return e
  }
  const machine = machineFor(tree)
  const whole = presets[name].settings(kind, machine)
  const its = paths.has('large.patch') ? distilled(whole) : whole
  const learned = saidAt('objective.kind') ?? (E.isRight(own) ? valueAt(own.right.config, 'objective', 'kind') : undefined)
  const settings = chosenFor(listed, learned)(its)
  const decided = stacked(among(layers, chosen(settings, name))).tree
  for (const line of saidOf(name, kind, machine, (at) => (settings[at] === undefined ? undefined : valueAt(decided, ...at.split('.')))))
    say(line)
  return { ...e, resolve: (more) => e.resolve(among(more, chosen(settings, name))) }
}

/** The experiment whose settings follow the data, where nothing else decides them. */
export const suited = (e: Experiment, source: Opening = imagesWith(new Map())): Experiment => ({
  ...e,
  adapted: (layers, say): TaskEither<Fault, Experiment> =>
    pipe(
      e.adapted === undefined ? TE.right(e) : e.adapted(layers, say),
      TE.chain((own) => TE.fromTask(() => suitedTo(own, layers, source, say))),
    ),
})
