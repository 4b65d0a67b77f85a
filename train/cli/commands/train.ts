/** `npm run train -- --config FILE.yaml`: any recipe from a configuration alone; `--schema` prints what one may say. */
import * as E from 'fp-ts/lib/Either.js'
import { commandLine } from '../../../core/command.ts'
import { schemaOf } from '../../config/schema.ts'
import { recipe, recipeWith } from '../../recipes/recipe.ts'
import { inOwnProcess, main as trainingMain } from '../command.ts'
import { pluggedBy } from '../plugged.ts'
import { pluginOption } from '../plugins.ts'
import { tellOnce } from '../ranks.ts'

const options = [{ name: 'schema', text: 'print the JSON Schema of configurations, and do nothing else' }, pluginOption]

const train = async (argv: ReadonlyArray<string>): Promise<number> => {
  const plugged = await pluggedBy({ call: commandLine('train'), name: recipe().name, options }, argv)()
  if (E.isLeft(plugged)) return tellOnce(plugged.left)
  const { added, call } = plugged.right
  const experiment = recipeWith(added)()
  if (argv.includes('--schema')) {
    process.stdout.write(`${JSON.stringify(schemaOf('A configuration of Dinograph', experiment.settings), undefined, 2)}\n`)
    return 0
  }
  return trainingMain({ experiment, call, options }, argv)
}

export const main = (argv: ReadonlyArray<string>): Promise<number> => inOwnProcess(argv, () => train(argv))
