/**
 * Saves checkpoints without end, in shards where there are ranks: `writer.ts DIR FIRST_STEP [SIZE [RANKS]]`. The specification kills it at
 * any moment.
 */

import * as E from 'fp-ts/lib/Either.js'
import { showFault } from '../../core/fault.ts'
import { save } from '../../train/run/checkpoints.ts'
import { saveByRanks } from './sharded.ts'
import { checkpointAt } from './states.ts'

const [dir, first, size = '200000', ranks] = process.argv.slice(2)
process.stdout.write('ready\n')
for (let step = Number(first); ; step++) {
  const c = checkpointAt(step, Number(size))
  if (ranks !== undefined) await saveByRanks(dir, { keepLast: 2, keepEvery: 0 }, c, Number(ranks))
  const saved = ranks === undefined ? await save(dir, { keepLast: 2, keepEvery: 0 })(c)() : E.right(undefined)
  if (E.isLeft(saved)) {
    process.stderr.write(showFault(saved.left))
    process.exit(1)
  }
  process.stdout.write(`${step}\n`)
}
