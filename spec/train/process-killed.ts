/** A run of one process that is killed and resumed. `npm run long -- kills` does so at a hundred moments. */
import { isBegun } from '../../train/run/resumption.ts'
import type { Kill, Victim } from './kills.ts'
import type { Remains } from './lived.ts'
import { differs, live, remains } from './lived.ts'

/** One run that is killed after so many seconds, and resumed to its end. */
export const killedAt = async (words: ReadonlyArray<string>, out: string, after: number, whole: Remains): Promise<Kill> => {
  const first = await live([...words, '--out', out], { after })
  const how = `killed after ${after.toFixed(2)} s`
  if (first.signal === null) return { how, from: 'nothing: it had ended', wrong: differs(whole, await remains(out)), ended: first.seconds }
  const begun = await isBegun(out)
  const again = await live([...(begun ? ['--resume'] : words), '--out', out])
  const step = /at step (\d+)/.exec(again.stderr)?.[1]
  return {
    how,
    from: !begun ? 'its beginning: nothing was written' : step === undefined ? 'its beginning: no checkpoint yet' : `step ${step}`,
    wrong: again.code === 0 ? differs(whole, await remains(out)) : `exit code ${again.code}: ${again.stderr.slice(-600)}`,
  }
}

/** `dinograph train` as one process. */
export const oneProcess = (words: ReadonlyArray<string>): Victim => ({
  name: 'killed',
  live: (out) => live([...words, '--out', out]),
  kill: (out, draw, life, whole) => killedAt(words, out, draw() * life, whole),
})
