/** The layers that a command line asks for: its file, the environment, `--set`, and the options that stand for settings. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { together } from '../../core/fault.ts'
import type { Arguments } from '../arguments.ts'
import type { AnyField } from './field.ts'
import type { Layer } from './layers.ts'
import { environmentLayer, layerAt, layerOfText, noLayer, readLayer, withOwnFile } from './layers.ts'
import { namesOf } from './resolve.ts'

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

/** All of some results, or all of their faults as one. */
const gathered = <A>(results: ReadonlyArray<Either<Fault, A>>): Either<Fault, ReadonlyArray<A>> => {
  const [first, ...rest] = results.flatMap((r) => (E.isLeft(r) ? [r.left] : []))
  return first === undefined ? E.right(results.flatMap((r) => (E.isRight(r) ? [r.right] : []))) : E.left(together([first, ...rest]))
}

/** Layers in the order in which they lie over each other: file, environment, `--set`, options. Faults: those of reading, all at once. */
export const layersOf = (settings: AnyField, a: Arguments, environment: Readonly<Record<string, string | undefined>>): TaskEither<Fault, ReadonlyArray<Layer>> => async () => {
  const file = O.isNone(a.config) ? E.right(noLayer) : await readLayer(a.config.value)()
  const set = await Promise.all(a.set.map(async ({ path, value }) => {
    const layer = layerOfText(path, value, '--set')
    return E.isLeft(layer) ? layer : withOwnFile(layer.right, '.')
  }))
  return pipe(gathered([file, environmentLayer(environment, namesOf(settings)), ...set]), E.map((layers) => [...layers, ...fromOptions(a)]))
}

