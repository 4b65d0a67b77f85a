/**
 * The plugins of a command: files that a person's own configuration names, or the command line. What a run has written down of its plugins,
 * or what comes with a model, loads nothing.
 */
import { join, relative } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { commandLine } from '../../core/command.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { valueAt } from '../../data/formats/codec.ts'
import type { Layer } from '../config/layers.ts'
import { environmentPrefix, noLayer, readLayer } from '../config/layers.ts'
import type { Note } from '../config/plugins.ts'
import { filesIn, notesIn, pluginsKey } from '../config/plugins.ts'
import type { Loaded } from '../recipes/added.ts'
import { addedBy } from '../recipes/added.ts'
import { isPlugin } from '../recipes/plugin.ts'
import { recipe, recipeWith } from '../recipes/recipe.ts'
import type { Experiment } from '../run/experiment.ts'
import { isBegun } from '../run/resumption.ts'
import type { Arguments, OptionSpec } from './arguments.ts'
import { quoted } from './entry.ts'
import { loadedFrom } from './plugin-file.ts'
import { exportedBy } from './program-file.ts'
import { assigned } from './sources.ts'

export const pluginOption: OptionSpec = {
  name: 'plugin',
  value: 'FILE',
  repeat: true,
  text: 'take parts of your own from this file, beside those that "plugins" of the configuration names; may be repeated',
}

/** A file, and where it was named. */
interface Asked {
  readonly file: string
  readonly place: string
}

const askedIn = (l: Layer, named?: string): ReadonlyArray<Asked> =>
  filesIn(valueAt(l.tree, pluginsKey)).map((file, i) => ({
    file,
    place: named ?? `${l.origins.get(`${pluginsKey}.${i}`) ?? l.origins.get(pluginsKey) ?? ''}: ${pluginsKey}`,
  }))

const shown = (file: string): string => relative(process.cwd(), file)

const plugged = exportedBy({
  is: isPlugin,
  allowed: 'a module whose default export is plugin({ … })',
  found: 'no plugin as its default export',
  remedy: "export default plugin({ name: '…', objectives: { … } }), with plugin of dinograph",
})

const load = ({ file, place }: Asked): TaskEither<Fault, Loaded> =>
  pipe(
    plugged(file),
    TE.chain((p) => loadedFrom(shown(file), p)),
    TE.mapLeft((f) => ({ ...f, place: `${place}: ${shown(file)}` })),
  )

/** What was written down of a run's plugins, and where. */
interface Written {
  readonly place: string
  readonly notes: ReadonlyArray<Note>
  /** The folder of the run, where one is continued. */
  readonly run: string | undefined
}

/** Which files of a plugin are others than those of a run, and what became of them; of a run that noted no files, all that may be. */
const changesOf = (was: Note, now: Note): { readonly what: string; readonly restore: string } => {
  const names = Object.keys(now.files ?? {})
  const imported = names.filter((name) => name !== now.file)
  if (was.files === undefined)
    return imported.length === 0
      ? { what: `${now.file} changed`, restore: now.file }
      : { what: `${now.file} changed, or what it imports: ${imported.join(', ')}`, restore: 'what changed' }
  const files = was.files
  const own = now.files ?? {}
  const changes = [...new Set([...Object.keys(files), ...names])].flatMap((name) =>
    files[name] === own[name]
      ? []
      : [
          [
            name,
            !Object.hasOwn(own, name) ? 'is no longer imported' : Object.hasOwn(files, name) ? 'changed' : 'is imported anew',
          ] as const,
        ],
  )
  return { what: changes.map((c) => c.join(' ')).join(', '), restore: changes.map(([name]) => name).join(', ') }
}

/** A run is of the plugins that it began with: what its steps compute follows from them. */
const same = (call: string, { place, notes, run }: Written, loaded: ReadonlyArray<Loaded>): Fault | undefined => {
  for (const note of notes) {
    const found = loaded.find((l) => l.note.file === note.file)
    const again = run === undefined ? 'add ' : `${call} --resume --out ${quoted(run)} `
    if (found === undefined)
      return fault('config', {
        place: `${place}: ${pluginsKey}`,
        found: `a run of the plugin ${note.file}, which is not named`,
        allowed: 'its file on the command line: what lies in the folder of a run is never run because it is named there',
        remedy: `name it: ${again}--plugin PATH/${note.file}`,
      })
    if (found.note.sha256 !== note.sha256) {
      const { what, restore } = changesOf(note, found.note)
      return fault(run === undefined ? 'config' : 'checkpoint', {
        place: `${place}: ${pluginsKey}`,
        found: `${found.file} with the SHA-256 ${found.note.sha256}: ${what}`,
        allowed: `${note.sha256}, as the run began: what its steps compute follows from it, and a run that is continued stays the same run`,
        remedy:
          run === undefined
            ? `restore ${restore}; or begin a run with it as it is now: add --set ${pluginsKey}=${quoted(found.file)}`
            : `restore ${restore}; or go on with it as it is now as a run of its own, from the weights of this one: ${call} --config ${quoted(join(run, 'config.yaml'))} --model ${quoted(run)} --plugin ${quoted(found.file)} --out NAME`,
      })
    }
  }
  return undefined
}

const fromEnvironment = fault('config', {
  place: `${environmentPrefix}${pluginsKey.toUpperCase()}`,
  found: 'plugins that the environment names',
  allowed: 'plugins that your own configuration names, or the command line',
  remedy: 'unset the variable, and write --plugin FILE',
})

/** What is run: the name of the experiment, and how its command is called. */
export interface Named {
  readonly name: string
  readonly call: string
}

/** Those that a command line and its configuration name. Faults: files that are none, or other than a run's. */
export const pluginsOf = async (
  a: Arguments,
  { name, call }: Named,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Either<Fault, ReadonlyArray<Loaded>>> => {
  if (Object.keys(environment).some((v) => v.toUpperCase().startsWith(`${environmentPrefix}${pluginsKey.toUpperCase()}`)))
    return E.left(fromEnvironment)
  const out = O.getOrElse(() => join('runs', name))(a.out)
  const begun = a.resume && (await isBegun(out))
  const stored = join(out, 'config.yaml')
  const file = O.isSome(a.config) ? await readLayer(a.config.value)() : noLayer
  const run = begun ? await readLayer(stored)() : noLayer
  const refused = [...file.faults, ...run.faults].find((f) => f.place.endsWith(`: ${pluginsKey}`))
  if (refused !== undefined) return E.left(refused)
  const set = await Promise.all(a.set.filter(({ path }) => path === pluginsKey).map(assigned))
  const asked = [...askedIn(file), ...set.flatMap((l) => askedIn(l, '--plugin'))]
  const unique = asked.filter(({ file: f }, i) => asked.findIndex((x) => x.file === f) === i)
  const loaded = await pipe(unique, TE.traverseSeqArray(load))()
  if (E.isLeft(loaded)) return loaded
  const written: Written = begun
    ? { place: out, notes: notesIn(valueAt(run.tree, pluginsKey)), run: out }
    : {
        place: O.getOrElse(() => '')(a.config),
        notes: set.length > 0 ? [] : notesIn(valueAt(file.tree, pluginsKey)),
        run: undefined,
      }
  const wrong = same(call, written, loaded.right)
  return wrong === undefined ? loaded : E.left(wrong)
}

/** What configurations say with the plugins of a command. Faults: those of `pluginsOf`; names that are taken. */
export const recipeOf =
  (a: Arguments): TaskEither<Fault, Experiment> =>
  async () =>
    pipe(
      await pluginsOf(a, { name: recipe().name, call: commandLine('train') }, process.env),
      E.chain(addedBy),
      E.map((added) => recipeWith(added)()),
    )
