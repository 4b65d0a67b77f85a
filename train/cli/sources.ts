/** The layers that a command line asks for: its file, the environment, `--set`, and the options that stand for settings. */
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import type { Task } from 'fp-ts/lib/Task.js'
import type { Arguments, Assignment } from './arguments.ts'
import type { AnyField } from '../config/field.ts'
import type { Layer } from '../config/layers.ts'
import { environmentLayer, layerAt, layerOfText, layerOr, noLayer, readLayer, withOwnFile, withPlugins } from '../config/layers.ts'
import { namesOf } from '../config/settings.ts'

const optionLayer = <A>(name: string, path: string, given: Option<A>): ReadonlyArray<Layer> =>
  O.isNone(given) ? [] : [layerAt(path, given.value, `--${name}`)]

/** The options that are settings by another name. */
const fromOptions = (a: Arguments): ReadonlyArray<Layer> => [
  ...optionLayer('data', 'data.path', a.data),
  ...optionLayer('model', 'start.from', a.model),
  ...optionLayer('target', 'accelerator.target', a.target),
  ...optionLayer('threads', 'accelerator.threads', a.threads),
  ...optionLayer('seed', 'seed', a.seed),
  ...optionLayer('steps', 'steps', a.steps),
]

/** A command line without the options that are settings by another name, for commands to which these say something else. */
export const withoutSettings = (a: Arguments): Arguments => ({
  ...a,
  data: O.none,
  model: O.none,
  target: O.none,
  threads: O.none,
  seed: O.none,
  steps: O.none,
  epochs: O.none,
  minutes: O.none,
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
