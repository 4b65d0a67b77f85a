/** `npm run train -- --config FILE.yaml`: any recipe from a configuration alone; `--schema` prints what one may say. */
import * as E from 'fp-ts/lib/Either.js'
import { commandLine } from '../../../core/command.ts'
import { schemaOf } from '../../config/schema.ts'
import { addedBy } from '../../recipes/added.ts'
import { recipe, recipeWith } from '../../recipes/recipe.ts'
import type { CommandSpec } from '../arguments.ts'
import { parseArguments } from '../parsing.ts'
import { main as trainingMain } from '../command.ts'
import { quoted } from '../entry.ts'
import { pluginOption, pluginsOf } from '../plugins.ts'
import { tellOnce } from '../ranks.ts'
import { isRelayed, restarted } from '../signals.ts'

const options = [{ name: 'schema', text: 'print the JSON Schema of configurations, and do nothing else' }, pluginOption]

const call = commandLine('train')

const spec: CommandSpec = { call, about: '', options }

const isAsking = (word: string): boolean => word === '--help' || word === '-h'

export const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  // files of a person's own are run once, by the process that trains
  if (isRelayed(process.execArgv) && !argv.some(isAsking)) return restarted()
  const parsed = parseArguments(spec)(argv.filter((word) => !isAsking(word)))
  const loaded =
    E.isRight(parsed) && parsed.right._tag === 'Run' ? await pluginsOf(parsed.right.arguments, recipe().name, process.env) : E.right([])
  const added = E.isLeft(loaded) ? loaded : addedBy(loaded.right)
  if (E.isLeft(added)) return tellOnce(added.left)
  const experiment = recipeWith(added.right)()
  if (argv.includes('--schema')) {
    process.stdout.write(`${JSON.stringify(schemaOf('A configuration of Dinograph', experiment.settings), undefined, 2)}\n`)
    return 0
  }
  const named = E.isRight(loaded) ? loaded.right.map((l) => ` --plugin ${quoted(l.file)}`).join('') : ''
  return trainingMain({ experiment, call: `${call}${named}`, options }, argv)
}
