/** `npm run train -- --config FILE.yaml`: any recipe from a configuration alone; `--schema` prints what one may say. */
import { main } from '../command.ts'
import { schemaOf } from '../../config/schema.ts'
import { recipe } from '../../recipes/recipe.ts'

const experiment = recipe()

if (process.argv.includes('--schema')) {
  process.stdout.write(`${JSON.stringify(schemaOf('A configuration of Dinograph', experiment.settings), undefined, 2)}\n`)
  process.exit(0)
}
process.exit(await main({
  experiment, call: 'npm run train --',
  options: [{ name: 'schema', text: 'print the JSON Schema of configurations, and do nothing else' }],
}, process.argv.slice(2)))
