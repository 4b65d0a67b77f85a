/** A run of one process that is killed and resumed. `npm run long -- kills` does so at a hundred moments. */
import type { Kill, Victim } from './kills.ts'
import { goneOn } from './kills.ts'
import type { Remains } from './lived.ts'
import { differs, live, remains } from './lived.ts'

/** One run that is killed after so many seconds, and resumed to its end. */
export const killedAt = async (words: ReadonlyArray<string>, out: string, after: number, whole: Remains): Promise<Kill> => {
  const first = await live([...words, '--out', out], { after })
  const how = `killed after ${after.toFixed(2)} s`
  if (first.signal === null) return { how, from: 'nothing: it had ended', wrong: differs(whole, await remains(out)), ended: first.seconds }
  return { how, ...(await goneOn(live, words, out, whole)) }
}

/** `dinograph train` as one process. */
export const oneProcess = (words: ReadonlyArray<string>): Victim => ({
  name: 'killed',
  live: (out) => live([...words, '--out', out]),
  kill: (out, draw, life, whole) => killedAt(words, out, draw() * life, whole),
})
