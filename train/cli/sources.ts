/** The layers that a command line asks for: its file, the environment, `--set`, and the options that stand for settings. */
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import type { Task } from 'fp-ts/lib/Task.js'
import type { Arguments, Assignment } from './arguments.ts'
import type { AnyField } from '../config/field.ts'
import type { Layer } from '../config/layers.ts'
import { environmentLayer, layerAt, layerOfText, layerOr, noLayer, readLayer, withOwnFile, withPlugins } from '../config/layers.ts'
import { namesOf } from '../config/settings.ts'

/** The options that are settings by another name, and which ones. */
const settingOf = {
  data: 'data.path',
  model: 'start.from',
  target: 'accelerator.target',
  threads: 'accelerator.threads',
  devices: 'accelerator.devices',
  seed: 'seed',
  steps: 'steps',
} as const satisfies Partial<Record<keyof Arguments, string>>

const isSetting = (name: string): name is keyof typeof settingOf => Object.hasOwn(settingOf, name)

const names = Object.keys(settingOf).filter(isSetting)

const fromOptions = (a: Arguments): ReadonlyArray<Layer> =>
  names.flatMap((name) => {
    const given: Option<string | number> = a[name]
    return O.isNone(given) ? [] : [layerAt(settingOf[name], given.value, `--${name}`)]
  })

/** A command line without the options that say what settings do, for commands to which these say something else. */
export const withoutSettings = (a: Arguments): Arguments => ({
  ...a,
  epochs: O.none,
  minutes: O.none,
  ...Object.fromEntries(names.map((name) => [name, O.none])),
})

/** What `--set` says. */
export const assigned = async ({ path, value }: Assignment): Promise<Layer> =>
  withOwnFile(await withPlugins(layerOr(layerOfText(path, value, '--set')), ''), '')

/** Layers in the order in which they lie over each other: file, environment, `--set`, options. */
export const layersOf =
  (settings: AnyField, a: Arguments, environment: Readonly<Record<string, string | undefined>>): Task<ReadonlyArray<Layer>> =>
  async () => {
    const file = O.isNone(a.config) ? noLayer : await readLayer(a.config.value)()
    const set = await Promise.all(a.set.map(assigned))
    return [file, environmentLayer(environment, namesOf(settings)), ...set, ...fromOptions(a)]
  }
