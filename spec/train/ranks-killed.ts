/**
 * Runs of two ranks of which one is killed, at any moment: what ends, how soon, what is said, and what --resume makes of it.
 * `npm run long -- ranks` does so at ten moments.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { stream } from '../../core/random.ts'
import { isBegun } from '../../train/run/resumption.ts'
import type { Ended } from '../support/mpi.ts'
import { processesOf, underMpi } from '../support/mpi.ts'
import type { Kills, Remains } from './killed.ts'
import { differs, remains } from './killed.ts'
import { started } from '../support/built.ts'

/** Seconds within which all ranks end when one has. */
const soon = 10

const ranked = (words: ReadonlyArray<string>, meanwhile?: (said: string) => void): Promise<Ended> =>
  underMpi(2, ['node', ...started(['train/cli/dinograph.ts', 'train', ...words])], meanwhile)

/** What came of one kill; no seconds where the rank, or the run, had ended before. */
interface Killed {
  readonly seconds: number | undefined
  /** Of the whole run, where nothing was killed. */
  readonly lived: number
  readonly wrong: string | undefined
  readonly from: string
}

/** A fault of a rank, or what the launcher says of one that is gone, MPICH's on standard output: one of them is said once. */
const tellings = ({ out, err }: Ended): number =>
  `${out}\n${err}`.match(/^\w+ fault at |BAD TERMINATION|noticed that process rank/gm)?.length ?? 0

/** Processes of any rank of the run in a folder. */
const alive = (out: string): ReadonlyArray<number> => [0, 1].flatMap((r) => processesOf(out, r))

/** Kills a rank at once; false where it is gone. */
const killed = (pids: ReadonlyArray<number>): boolean => {
  let any = false
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
      any = true
    } catch {
      // ended just now
    }
  }
  return any
}

/** One run of two ranks, one of which is killed after so many seconds, and both begun again with --resume. */
const killedAt = async (words: ReadonlyArray<string>, out: string, rank: number, after: number, whole: Remains): Promise<Killed> => {
  const state: { ended: Ended | undefined; at: number | undefined } = { ended: undefined, at: undefined }
  const run = ranked([...words, '--out', out]).then((ended) => {
    state.ended = ended
    return ended
  })
  await Promise.race([run, delay(1000 * after)])
  // the launcher may not have started it yet; one that was there before and is no longer has ended
  for (let seen = after > 2; state.ended === undefined && state.at === undefined;) {
    const pids = processesOf(out, rank)
    if (killed(pids)) state.at = performance.now()
    else if (seen) break
    else await delay(20)
    seen ||= pids.length > 0
  }
  const first = await run
  if (state.at === undefined) {
    const wrong = first.code === 0 ? differs(whole, await remains(out)) : `nobody killed it: ${first.err.slice(-600)}`
    return { seconds: undefined, lived: first.seconds, wrong, from: 'nothing: it had ended' }
  }
  while (alive(out).length > 0 && performance.now() - state.at < 60_000) await delay(20)
  const seconds = (performance.now() - state.at) / 1000
  const begun = await isBegun(out)
  const again = await ranked([...(begun ? ['--resume'] : words), '--out', out])
  const from = /at step (\d+)/.exec(again.err)?.[1]
  const wrong =
    first.code === 0
      ? 'exit code 0 of a run that was killed'
      : seconds > soon
        ? `all ended after ${seconds.toFixed(1)} s`
        : tellings(first) !== 1
          ? `said ${tellings(first)} times: ${first.out.slice(-600)}${first.err.slice(-600)}`
          : again.code === 0
            ? differs(whole, await remains(out))
            : `exit code ${again.code}: ${again.err.slice(-600)}`
  return { seconds, lived: first.seconds, wrong, from: begun && from !== undefined ? `step ${from}` : 'its beginning' }
}

/** Kills a run of two ranks, either of them, `count` times at moments drawn over its whole life. Says what came of each. */
export const rankedKills = async (
  words: ReadonlyArray<string>,
  count: number,
  seed: number,
  say: (line: string) => void,
): Promise<Kills> => {
  const dir = await mkdtemp(join(tmpdir(), 'dinograph-ranks-killed-'))
  // compiles what all others find; the second one is as long as they are
  await ranked([...words, '--out', join(dir, 'first')])
  const undisturbed = await ranked([...words, '--out', join(dir, 'whole')])
  if (undisturbed.code !== 0) throw new Error(undisturbed.err)
  const whole = await remains(join(dir, 'whole'))
  say(`undisturbed: ${undisturbed.seconds.toFixed(1)} s, ${whole.metrics.length} steps, ${whole.state.length} tensors`)
  const random = stream(seed, 'killed ranks', 0)
  let [tried, equal, life] = [0, 0, undisturbed.seconds]
  for (let i = 0; tried < count; i++) {
    const out = join(dir, `run-${i}`)
    const [rank, after] = [random.unit(2 * i) < 0.5 ? 0 : 1, random.unit(2 * i + 1) * life]
    const k = await killedAt(words, out, rank, after, whole)
    if (k.seconds === undefined) {
      if (k.wrong !== undefined) throw new Error(k.wrong)
      life = k.lived
    } else {
      tried++
      if (k.wrong === undefined) equal++
    }
    say(
      `${k.seconds === undefined ? '  -' : String(tried).padStart(3)}: rank ${rank} killed after ${after.toFixed(2)} s, all ended ${k.seconds?.toFixed(2) ?? '-'} s later, resumed from ${k.from}: ${k.wrong ?? 'equal'}`,
    )
    // what went wrong stays to be looked at
    if (k.wrong === undefined) await rm(out, { recursive: true, force: true })
  }
  if (equal === tried) await rm(dir, { recursive: true, force: true })
  return { killed: tried, equal }
}
