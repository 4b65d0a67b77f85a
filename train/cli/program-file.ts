/** A program's file, as a command names it: the experiment that it exports. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { isUnderTsx } from '../../core/command.ts'
import type { Fault } from '../../core/fault.ts'
import { fault, messageOf } from '../../core/fault.ts'
import { nearest } from '../config/spelling.ts'
import type { Experiment } from '../run/experiment.ts'

const isExperiment = (x: unknown): x is Experiment =>
  typeof x === 'object' && x !== null && 'resolve' in x && 'settings' in x && 'name' in x

/** A path that names no file: what may have been meant. */
const noSuchFile = async (path: string): Promise<Fault> => {
  const names = await readdir(dirname(path)).catch((): ReadonlyArray<string> => [])
  const programs = names.filter((n) => n.endsWith('.ts'))
  const near = nearest(basename(path), programs)
  return fault('usage', {
    place: path,
    found: 'no such file',
    allowed: programs.map((n) => join(dirname(path), n)).join(', ') || 'a file like examples/dinov1.ts',
    remedy: near === undefined ? 'name a file like examples/dinov1.ts' : `did you mean ${join(dirname(path), near)}?`,
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

/** The experiment that a program exports by default. Faults: no such file; what its import throws; no experiment. */
export const experimentAt =
  (path: string): TaskEither<Fault, Experiment> =>
  async () => {
    if (!existsSync(path)) return E.left(await noSuchFile(path))
    const wrong = (found: string): Fault =>
      fault('usage', {
        place: path,
        found,
        allowed: 'a module whose default export is an experiment',
        remedy: 'name a file like examples/dinov1.ts',
      })
    try {
      if (/\.[cm]?tsx?$/.test(path) && !isUnderTsx()) await readTypeScript()
      const module: unknown = await import(pathToFileURL(resolve(path)).href)
      const main = defaultOf(module)
      // of a CommonJS module, the default is all that it exports
      const found = [main, defaultOf(main)].find(isExperiment)
      return found === undefined ? E.left(wrong('no experiment as its default export')) : E.right(found)
    } catch (e) {
      return E.left(wrong(messageOf(e)))
    }
  }
