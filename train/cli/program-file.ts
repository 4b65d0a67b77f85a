/** A program's file, as a command names it: the experiment that it exports. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { isUnderTsx } from '../../core/command.ts'
import type { Fault } from '../../core/fault.ts'
import { fault, messageOf } from '../../core/fault.ts'
import { nearest } from '../config/spelling.ts'
import { addedBy } from '../recipes/added.ts'
import type { Plugin } from '../recipes/plugin.ts'
import { isPlugin } from '../recipes/plugin.ts'
import { recipeWith } from '../recipes/recipe.ts'
import type { Experiment } from '../run/experiment.ts'
import { loadedFrom } from './plugin-file.ts'

const isExperiment = (x: unknown): x is Experiment =>
  typeof x === 'object' && x !== null && 'resolve' in x && 'settings' in x && 'name' in x

/** A path that names no file: what may have been meant. */
const noSuchFile = async (path: string, remedy: string): Promise<Fault> => {
  const names = await readdir(dirname(path)).catch((): ReadonlyArray<string> => [])
  const programs = names.filter((n) => n.endsWith('.ts'))
  const near = nearest(basename(path), programs)
  return fault('usage', {
    place: path,
    found: 'no such file',
    allowed: programs.map((n) => join(dirname(path), n)).join(', ') || 'a file of TypeScript or JavaScript',
    remedy: near === undefined ? remedy : `did you mean ${join(dirname(path), near)}?`,
  })
}

/** From here on this process loads TypeScript, as modules and by `require`. */
const readTypeScript = async (): Promise<void> => {
  const [modules, common] = await Promise.all([import('tsx/esm/api'), import('tsx/cjs/api')])
  modules.register()
  common.register()
}

const defaultOf = (module: unknown): unknown =>
  typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined

/** What is asked of a file, in words: `a module whose default export is an experiment`. */
export interface Wanted<A> {
  readonly is: (u: unknown) => u is A
  readonly allowed: string
  /** What was found where it is something else. */
  readonly found: string
  readonly remedy: string
}

/** What a program exports by default. Faults: no such file; what its import throws; something else. */
export const exportedBy =
  <A>({ is, allowed, found: other, remedy }: Wanted<A>) =>
  (path: string): TaskEither<Fault, A> =>
  async () => {
    if (!existsSync(path)) return E.left(await noSuchFile(path, remedy))
    const wrong = (found: string): Fault => fault('usage', { place: path, found, allowed, remedy })
    try {
      if (/\.[cm]?tsx?$/.test(path) && !isUnderTsx()) await readTypeScript()
      const module: unknown = await import(pathToFileURL(resolve(path)).href)
      const main = defaultOf(module)
      // of a CommonJS module, the default is all that it exports
      const found = [main, defaultOf(main)].find(is)
      return found === undefined ? E.left(wrong(other)) : E.right(found)
    } catch (e) {
      return E.left(wrong(messageOf(e)))
    }
  }

const isEither = (x: unknown): x is Experiment | Plugin => isExperiment(x) || isPlugin(x)

/** The experiment that a program exports by default; of a plugin, what configurations say with it. Faults: those of `exportedBy`. */
export const experimentAt = (path: string): TaskEither<Fault, Experiment> =>
  pipe(
    exportedBy({
      is: isEither,
      allowed: 'a module whose default export is an experiment, or a plugin',
      found: 'no experiment as its default export',
      remedy: 'name a file like examples/dinov1.ts',
    })(path),
    TE.chain((x) =>
      isPlugin(x)
        ? pipe(
            loadedFrom(path, x),
            TE.chainEitherK((l) => addedBy([l])),
            TE.map((added) => recipeWith(added)()),
          )
        : TE.right(x),
    ),
  )
