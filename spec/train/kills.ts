/** A run that is killed again and again, at moments drawn over its whole life. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stream } from '../../core/random.ts'
import { isBegun } from '../../train/run/resumption.ts'
import type { Lived, Remains } from './lived.ts'
import { differs, remains } from './lived.ts'

/** What came of one. */
export interface Kill {
  /** `killed after 1.25 s`. */
  readonly how: string
  /** What it was resumed from: `step 12`. */
  readonly from: string
  readonly wrong: string | undefined
  /** Seconds that it lived where it had ended by itself before it could be killed. */
  readonly ended?: number
}

/** What is killed. */
export interface Victim {
  /** Of the stream of draws, and of its folders. */
  readonly name: string
  /** A run that nobody disturbs. */
  readonly live: (out: string) => Promise<Pick<Lived, 'code' | 'seconds' | 'stderr'>>
  /** A run that is killed within a life of so many seconds, and resumed to its end; `draw` gives numbers of 0 to 1. */
  readonly kill: (out: string, draw: () => number, life: number, whole: Remains) => Promise<Kill>
}

/** A run that was cut short, gone on with to its end: by --resume where something was written, else by the words that began it. */
export const goneOn = async (
  run: (words: ReadonlyArray<string>) => Promise<Pick<Lived, 'code' | 'stderr'>>,
  words: ReadonlyArray<string>,
  out: string,
  whole: Remains,
): Promise<Pick<Kill, 'from' | 'wrong'>> => {
  const begun = await isBegun(out)
  const { code, stderr } = await run([...(begun ? ['--resume'] : words), '--out', out])
  const step = /at step (\d+)/.exec(stderr)?.[1]
  return {
    from: !begun ? 'its beginning: nothing was written' : step === undefined ? 'its beginning: no checkpoint yet' : `step ${step}`,
    wrong: code === 0 ? differs(whole, await remains(out)) : `exit code ${code}: ${stderr.slice(-600)}`,
  }
}

/** What came of killing a run again and again. */
export interface Kills {
  readonly killed: number
  readonly equal: number
}

/**
 * Kills a run at `count` random moments, each drawn over the whole life of the process; where the machine is faster by then and the run had
 * ended, another is drawn, over the life of that one. Says what came of each.
 */
export const kills = async (victim: Victim, count: number, seed: number, say: (line: string) => void): Promise<Kills> => {
  const dir = await mkdtemp(join(tmpdir(), `dinograph-${victim.name.replaceAll(' ', '-')}-`))
  // the second one finds what the first has compiled, as all others will
  await victim.live(join(dir, 'first'))
  const undisturbed = await victim.live(join(dir, 'whole'))
  if (undisturbed.code !== 0) throw new Error(undisturbed.stderr)
  const whole = await remains(join(dir, 'whole'))
  say(`undisturbed: ${undisturbed.seconds.toFixed(1)} s, ${whole.metrics.length} steps, ${whole.state.length} tensors`)
  const random = stream(seed, victim.name, 0)
  let [equal, killed, draws, life] = [0, 0, 0, undisturbed.seconds]
  for (let i = 0; killed < count; i++) {
    const out = join(dir, `run-${i}`)
    const k = await victim.kill(out, () => random.unit(draws++), life, whole)
    if (k.ended === undefined) {
      killed++
      if (k.wrong === undefined) equal++
    } else {
      if (k.wrong !== undefined) throw new Error(`a run that nobody killed: ${k.wrong}`)
      life = k.ended
    }
    say(`${k.ended === undefined ? String(killed).padStart(3) : '  -'}: ${k.how}, resumed from ${k.from}: ${k.wrong ?? 'equal'}`)
    // what went wrong stays to be looked at
    if (k.wrong === undefined) await rm(out, { recursive: true, force: true })
  }
  if (equal === killed) await rm(dir, { recursive: true, force: true })
  return { killed, equal }
}
