/**
 * Runs of two ranks of which one is killed, at any moment: what ends, how soon, what is said, and what --resume makes of it.
 * `npm run long -- ranks` does so at ten moments.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Ended } from '../support/mpi.ts'
import { processesOf, underMpi } from '../support/mpi.ts'
import type { Remains } from './lived.ts'
import { differs, remains } from './lived.ts'
import type { Kill, Victim } from './kills.ts'
import { goneOn } from './kills.ts'
import { started } from '../support/built.ts'

/** Seconds within which all ranks end when one has. */
const soon = 10

const ranked = (words: ReadonlyArray<string>): Promise<Ended> =>
  underMpi(2, ['node', ...started(['train/cli/dinograph.ts', 'train', ...words])])

const rankedRun = async (words: ReadonlyArray<string>) => {
  const { err, ...ended } = await ranked(words)
  return { ...ended, stderr: err }
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
const killedAt = async (words: ReadonlyArray<string>, out: string, rank: number, after: number, whole: Remains): Promise<Kill> => {
  const how = `rank ${rank} killed after ${after.toFixed(2)} s`
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
    return { how: `${how}, too late`, from: 'nothing: it had ended', wrong, ended: first.seconds }
  }
  while (alive(out).length > 0 && performance.now() - state.at < 60_000) await delay(20)
  const seconds = (performance.now() - state.at) / 1000
  const again = await goneOn(rankedRun, words, out, whole)
  const wrong =
    first.code === 0
      ? 'exit code 0 of a run that was killed'
      : seconds > soon
        ? `all ended after ${seconds.toFixed(1)} s`
        : tellings(first) !== 1
          ? `said ${tellings(first)} times: ${first.out.slice(-600)}${first.err.slice(-600)}`
          : again.wrong
  return { how: `${how}, all ended ${seconds.toFixed(2)} s later`, from: again.from, wrong }
}

/** Two ranks, of which either is killed. */
export const twoRanks = (words: ReadonlyArray<string>): Victim => ({
  name: 'killed ranks',
  live: (out) => rankedRun([...words, '--out', out]),
  kill: (out, draw, life, whole) => killedAt(words, out, draw() < 0.5 ? 0 : 1, draw() * life, whole),
})
