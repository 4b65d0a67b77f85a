/** Saves checkpoints without end: `writer.ts DIR FIRST_STEP [SIZE]`. The specification kills it at any moment. */

import * as E from 'fp-ts/lib/Either.js'
import { showFault } from '../../core/fault.ts'
import { save } from '../../train/run/checkpoints.ts'
import { checkpointAt } from './states.ts'

const [dir, first, size = '200000'] = process.argv.slice(2)
process.stdout.write('ready\n')
for (let step = Number(first); ; step++) {
  const saved = await save(dir, { keepLast: 2, keepEvery: 0 })(checkpointAt(step, Number(size)))()
  if (E.isLeft(saved)) {
    process.stderr.write(showFault(saved.left))
    process.exit(1)
  }
  process.stdout.write(`${step}\n`)
}
