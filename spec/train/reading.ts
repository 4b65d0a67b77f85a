/** A run of ranks that notes which images each of them reads: into FOLDER/reads-RANK.json. Its words: FOLDER STRATEGY. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { launchedBy } from '../../compiler/targets/native/ranks/launcher.ts'
import type { Dataset } from '../../data/readers/dataset.ts'
import { spokenProgress } from '../../train/cli/ranks.ts'
import { runResolved } from '../../train/cli/run.ts'
import { recipe } from '../../train/recipes/recipe.ts'
import type { Resolved } from '../../train/run/experiment.ts'
import { right } from '../data/either.ts'

const [folder, strategy] = process.argv.slice(2)
const read: Array<number> = []
process.on('exit', () => {
  writeFileSync(join(folder, `reads-${launchedBy(process.env)?.rank ?? 0}.json`), JSON.stringify(read))
})

/** Without labels, as nothing is evaluated then, and with sizes that are known. */
const noted = (d: Dataset): Dataset => ({
  ...d,
  classes: [],
  sizeOf: () => ({ height: 28, width: 28 }),
  item: (i) => {
    read.push(i)
    return d.item(i)
  },
})

const small = right(
  recipe({
    objective: { kind: 'dinov1' },
    steps: 8,
    batch: 4,
    data: { train: 32, test: 16, workers: 0, prefetch: 0, cache: 0 },
    model: { width: 16, depth: 1, heads: 2 },
    head: { hidden: 16, bottleneck: 8, prototypes: 16 },
    augmentation: { locals: 1 },
    accelerator: { target: 'native', strategy: strategy === 'fsdp' ? 'fsdp' : 'ddp' },
  }).resolve([]),
)
const run: Resolved = {
  ...small,
  data: (say) =>
    pipe(
      small.data(say),
      TE.map((s) => ({ ...s, train: noted(s.train) })),
    ),
}
right(await runResolved(run, { out: join(folder, 'run'), resume: false, progress: spokenProgress(), stopping: () => false })())
process.exit(0)
