/** `npm run train -- --config FILE.yaml`: any recipe from a configuration alone; `--schema` prints what one may say. */
import { commandLine } from '../../../core/command.ts'
import { main as trainingMain } from '../command.ts'
import { schemaOf } from '../../config/schema.ts'
import { recipe } from '../../recipes/recipe.ts'

export const main = (argv: ReadonlyArray<string>): Promise<number> => {
  const experiment = recipe()
  if (argv.includes('--schema')) {
    process.stdout.write(`${JSON.stringify(schemaOf('A configuration of Dinograph', experiment.settings), undefined, 2)}\n`)
    return Promise.resolve(0)
  }
  return trainingMain(
    {
      experiment,
      call: commandLine('train'),
      options: [{ name: 'schema', text: 'print the JSON Schema of configurations, and do nothing else' }],
    },
    argv,
  )
}
